internal import Topology

/// Reads the settings that tiers' defaults and single nodes share.
struct SettingsReader {
  let findings: Findings

  /// The keys of a role's settings. Balancers have one tier, so nothing that speaks of tiers.
  static func keys(for role: NodeRole) -> [String] {
    let all = [
      "check", "timeouts", "limits", "retries", "forwarded", "balance", "persist", "queue", "slow-start", "grace",
      "shutdown", "workers", "upstream", "user", "group", "status-page", "chroot", "pidfile", "source",
    ]
    switch role {
    case .siteBalancer: return all
    case .officeProxy, .siteDirector: return all + ["spill", "failback"]
    // No message is read, no session known, and bytes are passed on as they come.
    case .relay: return all.filter { !["forwarded", "persist"].contains($0) }
    }
  }

  func settings(_ object: Object, role: NodeRole) -> Settings {
    var settings = Settings()
    if let check = object["check"] { readChecks(check, role: role, into: &settings) }
    settings.timeouts = object["timeouts"].map(timeouts) ?? TimeoutSettings()
    settings.limits = object["limits"].map(limits) ?? LimitSettings()
    settings.retries = object["retries"].map(retries) ?? RetrySettings()
    settings.forwarded = object["forwarded"].map(forwarded) ?? ForwardedSettings()
    settings.balance = object.choice("balance", BalanceAlgorithm.self)
    settings.persist = object.bool("persist")
    settings.queue = object.integer("queue", 0...1_000_000)
    settings.slowStart = object.duration("slow-start")
    settings.grace = object.located("grace", Duration.init(parsing:))
    settings.shutdown = object.duration("shutdown")
    settings.upstreamTLS = object["upstream"].map(TLSReader(findings: findings).upstream) ?? UpstreamTLSSettings()
    settings.user = object.value("user", parseAccountName)
    settings.group = object.value("group", parseAccountName)
    settings.statusPage = object["status-page"].map(StatusPageReader(findings: findings).page) ?? StatusPageSettings()
    settings.chroot = object.located("chroot", parseAbsolutePath)
    settings.pidPath = object.value("pidfile", parseFilePath)
    settings.sources = sources(object)
    settings.limits.workers = object.integer("workers", 1...1024)
    if role != .siteBalancer {
      settings.spill = object.bool("spill")
      settings.failback = object["failback"].flatMap(failback)
    }
    return settings
  }

  /// `source: 10.1.1.3`, or a list of one IPv4 and one IPv6 address.
  private func sources(_ object: Object) -> Located<[Address]>? {
    guard let items = object.list("source", orSingle: true), let first = items.first else { return nil }
    var found: [Address] = []
    for item in items {
      guard let address = object.scalar(item, "source", parseIP)?.value else { continue }
      if found.contains(where: { $0.isIPv4 == address.isIPv4 }) {
        findings.error(
          "source: two addresses of one kind", mend: "one of IPv4 and one of IPv6 at most", at: item.location)
      } else {
        found.append(address)
      }
    }
    return Located(found, at: first.location)
  }

  private static let checkKeys = ["interval", "fast-interval", "down-interval", "timeout", "rise", "fall"]

  private func readChecks(_ tree: Tree, role: NodeRole, into settings: inout Settings) {
    let more = role == .siteBalancer ? ["admission", "liveness"] : ["backup-interval"]
    guard let object = Object(tree, "check", keys: Self.checkKeys + more, findings: findings) else { return }
    settings.check = check(object)
    guard role == .siteBalancer else {
      settings.check.backupInterval = object.positiveDuration("backup-interval")
      return
    }
    if let admission = object["admission"].flatMap({ inner($0, "admission") }) { settings.admission = check(admission) }
    if let liveness = object["liveness"].flatMap({ inner($0, "liveness") }) { settings.liveness = check(liveness) }
  }

  private func inner(_ tree: Tree, _ what: String) -> Object? {
    Object(tree, what, keys: Self.checkKeys, findings: findings)
  }

  private func check(_ object: Object) -> CheckSettings {
    var check = CheckSettings()
    check.interval = object.positiveDuration("interval")
    check.fastInterval = object.positiveDuration("fast-interval")
    check.downInterval = object.positiveDuration("down-interval")
    check.timeout = object.positiveDuration("timeout")
    check.rise = object.integer("rise", 1...1000)
    check.fall = object.integer("fall", 1...1000)
    return check
  }

  func timeouts(_ tree: Tree) -> TimeoutSettings {
    let keys = [
      "request", "keep-alive", "client", "connect", "server", "queue", "tunnel", "unacknowledged", "pooled",
    ]
    var timeouts = TimeoutSettings()
    guard let object = Object(tree, "timeouts", keys: keys, findings: findings) else { return timeouts }
    timeouts.request = object.positiveDuration("request")
    timeouts.keepAlive = object.positiveDuration("keep-alive")
    timeouts.client = object.positiveDuration("client")
    timeouts.connect = object.positiveDuration("connect")
    timeouts.server = object.positiveDuration("server")
    timeouts.queue = object.positiveDuration("queue")
    timeouts.tunnel = object.positiveDuration("tunnel")
    timeouts.unacknowledged = object.positiveDuration("unacknowledged")
    timeouts.pooled = object.positiveDuration("pooled")
    return timeouts
  }

  /// Least rates in bytes a second: up to what a gigabit link carries.
  private static let rates = 0...100 * 1024 * 1024

  private func limits(_ tree: Tree) -> LimitSettings {
    let keys = [
      "connections", "connections-per-source", "exempt-sources", "head", "target", "fields", "body",
      "pooled-per-server", "upload-rate", "download-rate",
    ]
    var limits = LimitSettings()
    guard let object = Object(tree, "limits", keys: keys, findings: findings) else { return limits }
    limits.connections = object.integer("connections", 1...10_000_000)
    limits.connectionsPerSource = object.integer("connections-per-source", 0...10_000_000)
    limits.exemptSources = readNetworks("exempt-sources", of: object)
    limits.head = object.value("head") { text throws(TextError) in try size(text, 1024...LimitPlan.headBytesBound) }
    limits.target = object.value("target") { text throws(TextError) in try size(text, 256...LimitPlan.headBytesBound) }
    limits.fields = object.integer("fields", 8...10_000)
    limits.body = object.size("body")
    limits.pooledPerServer = object.integer("pooled-per-server", 0...100_000)
    limits.uploadRate = object.value("upload-rate") { text throws(TextError) in try size(text, Self.rates) }
    limits.downloadRate = object.value("download-rate") { text throws(TextError) in try size(text, Self.rates) }
    return limits
  }

  private func size(_ text: String, _ range: ClosedRange<Int>) throws(TextError) -> Int {
    let bytes = try parseSize(text)
    guard range.contains(bytes) else {
      throw TextError(
        "\(text) is out of range", mend: "\(formatSize(range.lowerBound)) to \(formatSize(range.upperBound))")
    }
    return bytes
  }

  private func retries(_ tree: Tree) -> RetrySettings {
    let keys = ["attempts", "body", "budget-percent", "budget-minimum"]
    var retries = RetrySettings()
    guard let object = Object(tree, "retries", keys: keys, findings: findings) else { return retries }
    retries.attempts = object.integer("attempts", 1...16)
    retries.body = object.value("body") { text throws(TextError) in try size(text, 0...RetryPlan.bodyBytesBound) }
    retries.budgetPercent = object.integer("budget-percent", 0...100)
    retries.budgetMinimum = object.integer("budget-minimum", 0...1_000_000)
    return retries
  }

  private func forwarded(_ tree: Tree) -> ForwardedSettings {
    var forwarded = ForwardedSettings()
    let keys = ["for", "except", "trusted", "client", "proto", "host", "original-to"]
    guard let object = Object(tree, "forwarded", keys: keys, findings: findings) else { return forwarded }
    forwarded.forwardedFor = object.bool("for")
    forwarded.except = readNetworks("except", of: object)
    forwarded.trusted = readNetworks("trusted", of: object).map { Located($0, at: object.keyLocation("trusted")) }
    forwarded.clientField = object.choice("client", ClientField.self)
    forwarded.proto = object.bool("proto")
    forwarded.host = object.bool("host")
    forwarded.originalTo = object.bool("original-to")
    return forwarded
  }

  private func failback(_ tree: Tree) -> Located<Failback>? {
    let mend = "write \"session\", \"immediate\" or \"{after: 30m}\""
    switch tree.content {
    case .scalar("session", _): return Located(.session, at: tree.location)
    case .scalar("immediate", _): return Located(.immediate, at: tree.location)
    case .mapping:
      guard let object = Object(tree, "failback", keys: ["after"], findings: findings) else { return nil }
      if object["after"] == nil, object.fields.isEmpty {
        findings.error("failback says nothing", mend: mend, at: tree.location)
      }
      return object.positiveDuration("after").map { Located(.after($0), at: tree.location) }
    case .scalar(let text, _):
      findings.error("failback: unknown value \"\(text)\"", mend: mend, at: tree.location)
    case .list, .null:
      findings.error("failback must be a single value, not \(tree.kindName)", mend: mend, at: tree.location)
    }
    return nil
  }
}

/// One network, or a list of networks; nil: the key is not there.
func readNetworks(_ key: String, of object: Object) -> [Network]? {
  object.list(key, orSingle: true)?.compactMap { object.scalar($0, key, Network.init(parsing:))?.value }
}

extension Address {
  fileprivate var isIPv4: Bool { if case .ipv4 = self { true } else { false } }
}
