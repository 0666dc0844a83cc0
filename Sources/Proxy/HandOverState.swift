internal import Foundation
internal import Operations
internal import Routing
internal import Synchronization
internal import Topology

/// What a process knows and another one goes on with: what its servers are believed to be, what operators have ordered, where its
/// workers' balancing stands, what it has counted. Everything goes by names.
///
/// Times are those of the machine's monotonic clock, or nanoseconds since 1970.
struct HandOverState: Codable {
  /// The form that this program writes, and the only one that it reads: another one is passed over, and the process starts without.
  static let version = 1
  /// Bytes at most: 100,000 servers have room.
  static let bytesMax = 256 << 20

  struct CheckResult: Codable {
    var began: Int64
    var succeeded: Bool
  }
  struct Server: Codable {
    var application: String
    var name: String
    var address: String
    var health: ServerHealth.Memory
    var since: Int64
    var reason: String
    var admission, liveness: CheckResult?
    /// Since the start of the first process: requests that were sent there, connections that failed, and how often it went down. Nil: a
    /// program that does not tell.
    var requests: UInt64?
    var failures, timesDown: Int?
  }
  struct Order: Codable {
    var state: UInt8
    var deadline: Int64?
    var since: Int64
    var reason: String
  }
  struct Learned: Codable {
    var application: String
    var cookie: String
    var attributes: [UInt8]
    /// For users of https, or of http; nil: of both, told by an earlier version.
    var isSecure: Bool?
  }

  var version = Self.version
  var servers: [Server]
  var order: Order
  var workers: [WorkerMemory]
  var counters: [String: Int]
  var learned: [Learned]
  /// Nil: the node speaks no TLS, or its program does not tell.
  var handshakes: [NodeStatus.Handshakes]?

  private struct Version: Decodable { var version: Int }

  /// The bytes; nil: they would be too many.
  var bytes: [UInt8]? {
    guard let data = try? JSONEncoder().encode(self), data.count <= Self.bytesMax else { return nil }
    return Array(data)
  }

  /// What the bytes say, or why they say nothing.
  static func read(_ bytes: [UInt8]) -> Result<HandOverState, NodeError> {
    let data = Data(bytes)
    func failure(_ text: String) -> Result<HandOverState, NodeError> {
      .failure(NodeError(kind: .system, description: text))
    }
    guard let version = try? JSONDecoder().decode(Version.self, from: data) else {
      return failure("it is not readable")
    }
    guard version.version == Self.version else {
      return failure("it is in form \(version.version), this program reads form \(Self.version)")
    }
    guard let state = try? JSONDecoder().decode(HandOverState.self, from: data) else {
      return failure("it is not readable")
    }
    return .success(state)
  }
}

extension NodeCounters {
  /// The counts by name.
  var all: [String: Int] {
    [
      "cookies-not-written": cookieNotWritten.load(ordering: .relaxed),
      "cookies-forged": cookiesForged.load(ordering: .relaxed),
      "cookies-unsigned": cookiesUnsigned.load(ordering: .relaxed), "redirects": redirects.load(ordering: .relaxed),
      "log-lines-dropped": logLinesDropped.load(ordering: .relaxed),
    ]
  }

  /// Counts on from these.
  func add(_ counts: [String: Int]) {
    for (name, count) in counts where count > 0 {
      switch name {
      case "cookies-not-written": cookieNotWritten.wrappingAdd(count, ordering: .relaxed)
      case "cookies-forged": cookiesForged.wrappingAdd(count, ordering: .relaxed)
      case "cookies-unsigned": cookiesUnsigned.wrappingAdd(count, ordering: .relaxed)
      case "redirects": redirects.wrappingAdd(count, ordering: .relaxed)
      case "log-lines-dropped": logLinesDropped.wrappingAdd(count, ordering: .relaxed)
      // Of a later version.
      default: break
      }
    }
  }
}

extension ServerHistory {
  /// What another process remembers of a server.
  /// - Parameter isAlive: whether it is believed to live, so that it going down is counted once.
  init(_ known: HandOverState.Server, isAlive: Bool) {
    self.init(since: known.since)
    reason = known.reason
    admission = known.admission.map { ($0.began, $0.succeeded) }
    liveness = known.liveness.map { ($0.began, $0.succeeded) }
    failures = max(0, known.failures ?? 0)
    timesDown = max(0, known.timesDown ?? 0)
    self.isAlive = isAlive
  }
}

extension Control {
  /// What another process is to go on with.
  func handOverState() -> HandOverState {
    let plan = shared.plan
    var servers: [HandOverState.Server] = []
    var learned: [HandOverState.Learned] = []
    for (application, planned) in plan.applications.enumerated() {
      for isSecure in [false, true] {
        let known = shared.learned[LearnedAttributes.place(application, isSecure: isSecure)]
        guard let cookie = planned.cookie?.name, let attributes = known.get() else { continue }
        learned.append(
          HandOverState.Learned(application: planned.name, cookie: cookie, attributes: attributes, isSecure: isSecure))
      }
      for (server, entry) in planned.pool.servers.enumerated() {
        let history = histories[application][server]
        servers.append(
          HandOverState.Server(
            application: planned.name, name: entry.name, address: "\(entry.address)",
            health: health[application][server].memory, since: history.since, reason: history.reason,
            admission: history.admission.map { HandOverState.CheckResult(began: $0.began, succeeded: $0.succeeded) },
            liveness: history.liveness.map { HandOverState.CheckResult(began: $0.began, succeeded: $0.succeeded) },
            requests: shared.applications[application].loads.taken(Int32(server)), failures: history.failures,
            timesDown: history.timesDown))
      }
    }
    return HandOverState(
      servers: servers,
      order: HandOverState.Order(
        state: nodeOrder.state.rawValue, deadline: nodeOrder.deadline, since: nodeOrder.since, reason: nodeOrder.reason),
      workers: shared.toldMemories, counters: shared.counters.all, learned: learned,
      handshakes: shared.secrets?.handshakes)
  }

  /// Goes on with what another process knew. Before anybody is served, and before any check.
  mutating func goOn(from state: HandOverState) {
    let plan = shared.plan
    let places = PlanPlaces(plan)
    for known in state.servers {
      guard let place = places.place(known.application, known.name) else { continue }
      let server = plan.applications[place.application].pool.servers[place.server]
      let isSame = known.address == "\(server.address)"
      health[place.application][place.server] = ServerHealth(
        plan: server, memory: isSame ? known.health : known.health.ofOperator, now: now)
      histories[place.application][place.server] = ServerHistory(
        known, isAlive: health[place.application][place.server].liveness == .alive)
      // At another address it is another one.
      if isSame {
        shared.applications[place.application].loads.goOn(Int32(place.server), taken: known.requests ?? 0)
      }
      for probe in probesOf[place.application][place.server] where isSame {
        let memory = probes[probe].check == .liveness ? known.health.liveness : known.health.admission
        if let memory { probes[probe].state = CheckState(plan: probes[probe].plan, memory: memory) }
      }
    }
    nodeOrder = NodeOrder(
      state: OperatorState(rawValue: state.order.state) ?? .ready, deadline: state.order.deadline,
      since: state.order.since, reason: state.order.reason)
    for known in state.learned {
      for (application, planned) in plan.applications.enumerated()
      where planned.name == known.application && planned.cookie?.name == known.cookie {
        // A process of an earlier version does not tell them apart: they are learned again.
        guard let isSecure = known.isSecure else { continue }
        shared.learned[LearnedAttributes.place(application, isSecure: isSecure)].set(known.attributes)
      }
    }
    shared.counters.add(state.counters)
    shared.secrets?.goOn(from: state.handshakes ?? [])
    shared.inherited.withLock { $0 = state.workers }
    publishAll(in: shared)
  }
}
