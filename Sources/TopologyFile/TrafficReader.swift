internal import Topology

/// Reads what simulations have to know of users and of application servers.
struct TrafficReader {
  static let trafficKeys = [
    "users", "think-time", "session-length", "idle-expiry", "request-size", "response-size", "post-share", "parallel",
    "by-hour", "clients",
  ]
  private static let usersRange = 0...10_000_000
  private static let sizeMax = 1 << 30

  let findings: Findings

  /// The keys `users` and `traffic` of an office, a site or a scenario.
  func traffic(of object: Object) -> TrafficSettings {
    var traffic = object["traffic"].map(self.traffic) ?? TrafficSettings()
    guard object["users"] != nil else { return traffic }
    if traffic.users != nil {
      findings.error(
        "\(object.what) has \"users\" and \"traffic: {users}\"", mend: "keep one", at: object.keyLocation("users"))
    }
    traffic.users = object.integer("users", Self.usersRange)
    return traffic
  }

  /// A mapping of traffic settings.
  func traffic(_ tree: Tree) -> TrafficSettings {
    var traffic = TrafficSettings()
    let mend = "write \"traffic: {users: 50, think-time: 10s}\""
    guard let object = Object(tree, "traffic", keys: Self.trafficKeys, shortForm: mend, findings: findings) else {
      return traffic
    }
    traffic.users = object.integer("users", Self.usersRange)
    traffic.thinkTime = object.positiveDuration("think-time")
    traffic.sessionLength = object.positiveDuration("session-length")
    traffic.idleExpiry = object.positiveDuration("idle-expiry")
    traffic.requestSize = object.value("request-size", parseMessageSize)
    traffic.responseSize = object.value("response-size", parseMessageSize)
    traffic.postShare = object.number("post-share", 0...1)
    traffic.parallel = object.integer("parallel", 1...16)
    if object["by-hour"] != nil { traffic.byHour = byHour(object) }
    if let tree = object["clients"] { traffic.clients = clients(tree, of: object) }
    return traffic
  }

  /// `clients: population`, or `clients: {by: population}`.
  private func clients(_ tree: Tree, of object: Object) -> Located<ClientSpread>? {
    guard case .mapping = tree.content else { return object.locatedChoice("clients", ClientSpread.self) }
    guard let inner = Object(tree, "clients", keys: ["by"], findings: findings) else { return nil }
    if inner["by"] == nil {
      findings.error("clients says nothing", mend: "add \"by: population\"", at: inner.location)
    }
    return inner.locatedChoice("by", ClientSpread.self)
  }

  private func byHour(_ object: Object) -> [Double] {
    let mend = "write 24 numbers, the first for the hour after midnight"
    guard let items = object.list("by-hour"), !items.isEmpty else {
      if case .list? = object["by-hour"]?.content {
        findings.error("by-hour is empty", mend: mend, at: object.keyLocation("by-hour"))
      }
      return []
    }
    let factors = items.compactMap { item in
      object.scalar(item, "by-hour") { text throws(TextError) in try parseNumber(text, 0...1000) }?.value
    }
    // Unreadable numbers have been reported.
    guard factors.count == items.count else { return [] }
    if factors.count != 24 {
      findings.error("by-hour has \(factors.count) factors", mend: mend, at: object.keyLocation("by-hour"))
      return []
    }
    if factors.allSatisfy({ $0 == 0 }) {
      findings.error("by-hour leaves nobody awake: every factor is 0", at: object.keyLocation("by-hour"))
      return []
    }
    return factors
  }

  /// A mapping of service settings.
  func service(_ tree: Tree) -> ServiceSettings {
    var service = ServiceSettings()
    let mend = "write \"service: {time: 20ms, concurrency: 200, queue: 1000}\""
    guard
      let object = Object(tree, "service", keys: ["time", "concurrency", "queue"], shortForm: mend, findings: findings)
    else { return service }
    service.serviceTime = object.positiveDuration("time")
    service.concurrency = object.integer("concurrency", 1...1_000_000)
    service.queue = object.integer("queue", 0...10_000_000)
    return service
  }

  private func parseMessageSize(_ text: String) throws(TextError) -> Int {
    let bytes = try parseSize(text)
    guard bytes > 0, bytes <= Self.sizeMax else {
      throw TextError("\(text) is out of range", mend: "1B to \(formatSize(Self.sizeMax))")
    }
    return bytes
  }
}
