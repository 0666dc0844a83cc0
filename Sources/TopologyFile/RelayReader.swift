internal import Topology

/// Reads relays.
struct RelayReader {
  let findings: Findings

  /// What stands in `check` beside the kind.
  private static let checkParameters = [
    "interval", "backup-interval", "fast-interval", "down-interval", "timeout", "rise", "fall",
  ]

  /// `{name: tse, listen: ["127.1.1.1:3389", "127.1.1.1:1494"], servers: [{name: farm, host: 10.1.1.10}]}`
  func relay(_ tree: Tree) -> Relay? {
    let keys = ["name", "listen", "monitor", "servers", "pools"] + SettingsReader.keys(for: .relay)
    guard let object = Object(tree, "relay", keys: keys, findings: findings) else { return nil }
    let name = object.requiredName(example: "mail")
    var relay = Relay(name: name.value, location: name.location)
    relay.listen = readListen(object, findings)
    let monitor = TLSReader(findings: findings).monitor(object)
    relay.monitor = monitor?.address
    relay.monitorTLS = monitor?.tls
    relay.servers = servers(object, of: "relay \"\(relay.name)\"")
    relay.pools = (object.list("pools") ?? []).compactMap(pool)
    let rest = object.fields.filter { $0.key != "check" }
    relay.settings = SettingsReader(findings: findings).settings(
      Object(fields: rest, location: object.location, what: object.what, findings: findings), role: .relay)
    if let check = object["check"] { readCheck(check, into: &relay) }
    return relay
  }

  /// `tcp`, another kind or `none`; or a mapping of the kind, the port and when.
  private func readCheck(_ tree: Tree, into relay: inout Relay) {
    if tree.scalarText == "none" {
      relay.check = nil
      return
    }
    let kinds = ApplicationReader(findings: findings)
    guard case .mapping(let fields) = tree.content else {
      take(kinds.check(tree), into: &relay)
      return
    }
    let parameters = fields.filter { Self.checkParameters.contains($0.key) }
    let port = fields.filter { $0.key == "port" }
    let kind = fields.filter { $0.key != "port" && !Self.checkParameters.contains($0.key) }
    let settings = SettingsReader(findings: findings)
    let timing = Tree.Field(
      key: "check", keyLocation: tree.location, value: Tree(content: .mapping(parameters), location: tree.location))
    let holder = Object(fields: [timing], location: tree.location, what: "check", findings: findings)
    relay.settings.check = settings.settings(holder, role: .relay).check
    relay.checkPort = Object(fields: port, location: tree.location, what: "check", findings: findings)
      .value("port") { text throws(TextError) in UInt16(try parseInteger(text, 1...65535)) }
    if !kind.isEmpty {
      take(kinds.check(Tree(content: .mapping(kind), location: tree.location)), into: &relay)
    }
  }

  private func take(_ check: (check: ApplicationCheck, usesTLS: Bool?)?, into relay: inout Relay) {
    guard let check else { return }
    relay.check = check.check
    relay.checkUsesTLS = check.usesTLS
  }

  private func servers(_ object: Object, of what: String) -> [RelayServer] {
    let servers = (object.list("servers") ?? []).compactMap(server)
    var names: Set<String> = []
    for server in servers where !server.name.isEmpty && !names.insert(server.name).inserted {
      findings.error(
        "\(what) has two servers named \"\(server.name)\"", mend: "give each its own name", at: server.location)
    }
    return servers
  }

  /// `{name: shop, server-names: [shop.example, "*.shop.example"], servers: [...]}`
  private func pool(_ tree: Tree) -> RelayPool? {
    let keys = ["name", "server-names", "servers", "balance"]
    guard let object = Object(tree, "pool", keys: keys, findings: findings) else { return nil }
    let name = object.requiredName(example: "shop")
    var pool = RelayPool(name: name.value, location: name.location)
    let names = object.list("server-names", orSingle: true) ?? []
    if names.isEmpty {
      findings.error(
        "pool \"\(name.value)\" has no server-names: nobody reaches it",
        mend: "add \"server-names: [shop.example]\", or move its servers to the relay's own \"servers:\"",
        at: object.location)
    }
    pool.serverNames = names.compactMap { object.scalar($0, "server-names", parseServerName) }
    pool.servers = servers(object, of: "pool \"\(name.value)\"")
    pool.balance = object.choice("balance", BalanceAlgorithm.self)
    return pool
  }

  private func server(_ tree: Tree) -> RelayServer? {
    let keys = ["name", "host", "address", "backup", "weight", "max-connections", "tls", "send-proxy"]
    guard let object = Object(tree, "server", keys: keys, findings: findings) else { return nil }
    let name = object.requiredName(example: "farm")
    var server = RelayServer(name: name.value, location: name.location)
    if object["host"] != nil, object["address"] != nil {
      findings.error("server has both host and address", mend: "keep one", at: object.keyLocation("host"))
    } else if object["host"] == nil, object["address"] == nil {
      findings.error(
        "server \"\(name.value)\" has no address",
        mend: "add \"address: 10.1.1.10:3389\", or \"host: 10.1.1.10\" for the port that the client used",
        at: object.location)
    }
    server.address =
      object.address("address")
      ?? object.located("host") { text throws(TextError) in try Address(parsingHost: text, port: 0) }
    server.isBackup = object.bool("backup") ?? false
    server.weight = object.integer("weight", 0...256) ?? 1
    server.maxConnections = object.integer("max-connections", 0...10_000_000) ?? 0
    server.tls = object["tls"].flatMap { TLSReader(findings: findings).target($0, of: object) }
    server.sendProxy = object.choice("send-proxy", ProxyProtocolVersion.self)
    return server
  }
}

/// A host name, `*.` in front for every name below it: clients never ask for addresses (RFC 6066 section 3).
private func parseServerName(_ text: String) throws(TextError) -> String {
  let host = text.hasPrefix("*.") ? String(text.dropFirst(2)) : text
  guard isHostName(host), host.utf8.count <= 253, (try? Address(parsingHost: host, port: 1)).map(\.isHostName) ?? true
  else {
    throw TextError(
      "\"\(text)\" is not a name that clients ask for", mend: "write \"shop.example\" or \"*.shop.example\"")
  }
  return text.lowercased()
}

extension Address {
  fileprivate var isHostName: Bool { if case .host = self { true } else { false } }
}
