internal import Routing
public import Topology

/// A network of relays alone, made ready for simulation; made once for any number of runs.
///
/// What can fail has a number: first the relays, in the order of the file, then the servers behind them, each address once.
public struct RelayNetwork: Sendable {
  /// Relays that a connection passes at most, one behind another; the next one counts as a server.
  static let depthMax = 4

  let topology: Topology
  let elements: [RelayElement]
  /// Relays come first among the elements.
  let relayCount: Int
  let pools: [RelayPoolModel]
  /// By relay: its pools, in the order of the plan's applications.
  let poolsOfRelay: [Range<Int>]
  /// Where users come in: a listener of a relay, and of its pools one.
  let entries: [RelayEntry]
  /// By address: the relay that listens there.
  private let listeners: [Address: Int32]

  /// The network of a topology that has passed `validate()`.
  ///
  /// - Throws: `PlanError` when a relay's plan cannot be made.
  public init(_ topology: Topology) throws(PlanError) {
    self.topology = topology
    var elements = topology.relays.map { relay in
      RelayElement(
        name: relay.name, names: [relay.name], hosts: Self.machines(relay.listen.map(\.address.value)), isRelay: true)
    }
    relayCount = elements.count
    var listeners: [Address: Int32] = [:]
    for (index, relay) in topology.relays.enumerated() {
      for listen in relay.listen { listeners[listen.address.value] = Int32(index) }
    }
    self.listeners = listeners
    var servers: [Address: Int32] = [:]
    var pools: [RelayPoolModel] = []
    var ranges: [Range<Int>] = []
    for (index, relay) in topology.relays.enumerated() {
      let plan = try topology.plan(for: relay.name)
      let first = pools.count
      for application in plan.applications {
        var candidates: [RelayCandidate] = []
        for (position, server) in application.pool.servers.enumerated() {
          let element = listeners[server.address] ?? servers[server.address] ?? Int32(elements.count)
          if Int(element) == elements.count {
            servers[server.address] = element
            elements.append(
              RelayElement(
                name: server.name, names: [server.name], hosts: Self.machines([server.address]), isRelay: false))
          } else if !elements[Int(element)].names.contains(server.name) {
            elements[Int(element)].names.append(server.name)
          }
          let seed = StableHash.combine(StableHash.hash(relay.name), UInt64(pools.count << 16 + position))
          candidates.append(
            RelayCandidate(
              name: server.name, address: server.address, element: element, tier: server.tier, weight: server.weight,
              connectsByTLS: server.tls != nil, jitterSeed: seed,
              check: server.liveness.map { check in
                RelayCheck(
                  model: CheckModel(check, server: Int32(position), which: .liveness, relays: []),
                  element: listeners[check.address] ?? element, port: check.address.port ?? 0)
              }))
        }
        pools.append(
          RelayPoolModel(plan: application, relay: Int32(index), timeScale: plan.timeScale, candidates: candidates))
      }
      ranges.append(first..<pools.count)
    }
    self.pools = pools
    poolsOfRelay = ranges
    self.elements = Self.distinct(elements, servers)
    entries = Self.entries(topology, pools, ranges)
  }

  /// Machines that addresses are of; an address for all of a machine's tells of none.
  private static func machines(_ addresses: [Address]) -> [String] {
    var found: [String] = []
    for address in addresses {
      let host = address.hostText
      if case .unix = address { continue }
      if ["0.0.0.0", "[::]"].contains(host) || found.contains(host) { continue }
      found.append(host)
    }
    return found
  }

  /// Names for people: with the address, where several servers have one name.
  private static func distinct(_ elements: [RelayElement], _ servers: [Address: Int32]) -> [RelayElement] {
    var counts: [String: Int] = [:]
    for element in elements { counts[element.name, default: 0] += 1 }
    var addresses: [Int32: Address] = [:]
    for (address, element) in servers { addresses[element] = address }
    return elements.indices.map { index in
      var element = elements[index]
      if counts[element.name, default: 0] > 1, let address = addresses[Int32(index)] {
        element.name += " (\(address.serviceText))"
      }
      return element
    }
  }

  private static func entries(
    _ topology: Topology, _ pools: [RelayPoolModel], _ ranges: [Range<Int>]
  ) -> [RelayEntry] {
    var entries: [RelayEntry] = []
    for (index, relay) in topology.relays.enumerated() {
      for listen in relay.listen {
        for pool in ranges[index] {
          entries.append(
            RelayEntry(
              relay: Int32(index), pool: Int32(pool), port: listen.address.value.port ?? 0,
              address: listen.address.value.description,
              poolName: ranges[index].count > 1 ? pools[pool].plan.name : nil))
        }
      }
    }
    return entries
  }

  /// Who stands at a candidate's address, for a connection that came in at this port: a relay, or a server.
  func target(_ pool: Int32, _ server: Int32, port: UInt16) -> (element: Int32, port: UInt16) {
    let candidate = pools[Int(pool)].candidates[Int(server)]
    let own = candidate.address.port ?? 0
    guard own == 0 else { return (listeners[candidate.address] ?? candidate.element, own) }
    return (listeners[candidate.address.with(port: port)] ?? candidate.element, port)
  }

  /// The pool that another relay passes to this one's connections of a pool: that for the same names, else that for all; nil: it closes
  /// them.
  func nextPool(_ relay: Int32, for pool: Int32) -> Int32? {
    let range = poolsOfRelay[Int(relay)]
    let names = pools[Int(pool)].plan.hosts
    let same = range.first { !pools[$0].plan.hosts.isEmpty && !Set(pools[$0].plan.hosts).isDisjoint(with: names) }
    return (same ?? range.first { pools[$0].plan.hosts.isEmpty }).map { Int32($0) }
  }

  /// What a name in a scenario stands for: the relay, else each server that some relay calls so.
  func elements(named name: String) -> [Int32] {
    if let relay = elements[..<relayCount].firstIndex(where: { $0.name == name }) { return [Int32(relay)] }
    return elements.indices.filter { elements[$0].names.contains(name) }.map { Int32($0) }
  }

  /// The same, with everything that shares a machine with one of them.
  func machines(named name: String) -> [Int32] {
    let named = elements(named: name)
    let hosts = Set(named.flatMap { elements[Int($0)].hosts })
    return elements.indices.map { Int32($0) }.filter { element in
      named.contains(element) || elements[Int(element)].hosts.contains(where: hosts.contains)
    }
  }
}

/// What can fail by itself: a relay, or what listens at an address behind relays.
struct RelayElement: Sendable {
  /// For people.
  var name: String
  /// What relays call it.
  var names: [String]
  /// The machines it runs on, by their addresses.
  var hosts: [String]
  var isRelay: Bool
}

/// A pool of a relay.
struct RelayPoolModel: Sendable {
  var plan: ApplicationPlan
  var relay: Int32
  var timeScale: Double
  var candidates: [RelayCandidate]

  var connectTimeout: Int64 { plan.timeouts.connect.nanosecondsClamped }
  var queueTimeout: Int64 { plan.timeouts.queue.nanosecondsClamped }
  /// From a peer's last sign of life to the end of the connection: the kernel asks after two seconds, then every second, and gives up at
  /// the first time beyond TCP_USER_TIMEOUT without an answer. Nil: without that the relay waits.
  var silence: Int64? {
    guard plan.timeouts.unacknowledged > .zero else { return nil }
    let beyond = max(0, plan.timeouts.unacknowledged.nanosecondsClamped - ModelTimes.keepAliveIdle)
    let asked = max(1, (beyond + ModelTimes.keepAliveInterval - 1) / ModelTimes.keepAliveInterval)
    return ModelTimes.keepAliveIdle + asked * ModelTimes.keepAliveInterval
  }
}

/// A server of a pool.
struct RelayCandidate: Sendable {
  var name: String
  /// Port 0: the port that the client used.
  var address: Address
  /// What stands there, unless another relay does (`RelayNetwork.target`).
  var element: Int32
  var tier: Int
  var weight: Int
  /// A connection counts as made when the handshake is over.
  var connectsByTLS: Bool
  var jitterSeed: UInt64
  /// Nil: it is never checked.
  var check: RelayCheck?
}

/// A check of a server of a relay.
struct RelayCheck: Sendable {
  var model: CheckModel
  /// Whom it asks.
  var element: Int32
  var port: UInt16

  /// Connections are all that is looked at. A handshake asks the process for more.
  var isConnect: Bool { model.plan.kind == .tcp }

  /// The longest time from a server's return until new connections go to it: one interval of a server that is down, then further
  /// successes at the fast interval, in nanoseconds.
  var returnBound: Int64 {
    let down = model.downInterval
    let fast = model.plan.fastInterval.nanosecondsClamped
    let further = Int64(max(1, model.plan.rise) - 1)
    return down + down / 12 + model.timeout + further * (fast + fast / 12 + model.timeout) + 2 * ModelTimes.growth
  }
}

/// Where users come in.
struct RelayEntry: Sendable {
  var relay: Int32
  var pool: Int32
  var port: UInt16
  var address: String
  /// Nil: the relay has one pool.
  var poolName: String?
}
