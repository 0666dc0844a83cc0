internal import Routing
internal import Topology

/// What a rolling restart needs of the world: the nodes in front of the servers, a command to run, and time.
public protocol RestartSurroundings {
  /// The state of every node that has the servers as candidates.
  mutating func status() throws(AdminError) -> [NodeStatus]
  /// Gives an order to every node that has the target, also when one of them does not take it.
  mutating func give(_ order: AdminOrder) throws(AdminError)
  /// Restarts a server and returns when that is done: the exit status, 0 for success.
  mutating func restart(_ server: NodeStatus.Server) -> Int32
  /// Lets time pass.
  mutating func pause(milliseconds: Int64)
  /// Milliseconds since 1970.
  mutating func now() -> Int64
  /// Tells the operator what happens.
  mutating func tell(_ line: String)
}

/// Restarts servers one after the other without an error for any user: each is drained, then given nobody, then restarted when
/// its last request has ended, and gets users again when the checks of every node have seen it well since.
public struct RollingRestart: Sendable {
  /// The servers, in order; empty: every server of the nodes, in the order of the pools. The nodes are no directors or offices
  /// then: what these send to are nodes, which get requests from elsewhere, too.
  public var servers: [String]
  /// How long users with sessions may go on before they are led elsewhere.
  public var drainMilliseconds: Int64
  /// How long the last requests may take, and how long the checks may take to find the server well.
  public var timeoutMilliseconds: Int64
  /// Roles whose candidates are nodes.
  private let leadsToNodes = [NodeRole.officeProxy.rawValue, NodeRole.siteDirector.rawValue]
  /// Between two looks.
  static let lookMilliseconds: Int64 = 100

  /// A rolling restart.
  public init(servers: [String] = [], drainMilliseconds: Int64, timeoutMilliseconds: Int64) {
    self.servers = servers
    self.drainMilliseconds = drainMilliseconds
    self.timeoutMilliseconds = timeoutMilliseconds
  }

  /// Restarts all of them but those that are not ready when their turn comes: they are as an operator wants them.
  /// - Throws: `AdminError` at the first that does not come back; it is left in maintenance, those after it are not touched. One
  ///   that could not be restarted, for a node did not answer or requests did not end, gets its users back.
  public func run(_ world: inout some RestartSurroundings) throws(AdminError) {
    let names = try chosen(try world.status())
    var untouched: [String] = []
    for (index, name) in names.enumerated() {
      world.tell("\(name): \(index + 1) of \(names.count)")
      if try !restart(name, &world) { untouched.append(name) }
    }
    world.tell(
      untouched.isEmpty
        ? "all \(names.count) restarted"
        : "\(names.count - untouched.count) of \(names.count) restarted; not ready, so not touched: "
          + untouched.joined(separator: ", "))
  }

  private func chosen(_ nodes: [NodeStatus]) throws(AdminError) -> [String] {
    var known: [String] = []
    for server in nodes.flatMap(\.pools).flatMap(\.servers) where !known.contains(server.name) {
      known.append(server.name)
    }
    for name in servers where !known.contains(name) {
      throw AdminError("no node given has a server \"\(name)\"; known are: \(known.prefix(30).joined(separator: ", "))")
    }
    if servers.isEmpty, let node = nodes.first(where: { leadsToNodes.contains($0.role) }) {
      throw AdminError(
        "what \(node.node), a \(node.role), sends to are nodes, which others may send to as well: name those to restart"
      )
    }
    let names = servers.isEmpty ? known : servers
    for name in names {
      let entries = entries(name, nodes)
      if entries.contains(where: { $0.checks.isEmpty }) {
        throw AdminError("\(name) is not checked, so nobody would know when it is well again: it is not touched")
      }
      if !servers.isEmpty, let entry = entries.first(where: { $0.state != "ready" }) {
        throw AdminError("\(name) is not ready (\(entry.state), \(entry.reason)): make it so first, or leave it out")
      }
    }
    return names
  }

  private func entries(_ name: String, _ nodes: [NodeStatus]) -> [NodeStatus.Server] {
    nodes.flatMap(\.pools).flatMap(\.servers).filter { $0.name == name }
  }

  /// False: it is not ready, and was not touched.
  private func restart(_ name: String, _ world: inout some RestartSurroundings) throws(AdminError) -> Bool {
    let before = try world.status()
    let now = entries(name, before)
    guard let server = now.first else { throw AdminError("\(name) is no longer known") }
    if let entry = now.first(where: { $0.state != "ready" }) {
      world.tell("\(name): not touched, as it is not ready: \(entry.state), \(entry.reason)")
      return false
    }
    for node in before {
      for pool in node.pools where pool.servers.contains(where: { $0.name == name }) {
        guard pool.servers.contains(where: { $0.name != name && $0.takesNewUsers }) else {
          throw AdminError(
            "\(name) is the last that takes new users of \(pool.application) at \(node.node): it is not touched")
        }
      }
    }
    do throws(AdminError) {
      try empty(name, &world)
    } catch {
      do throws(AdminError) {
        try world.give(AdminOrder(.ready, target: name, reason: "not restarted"))
      } catch let second {
        throw AdminError("\(error); it was not restarted, and does not have all its users back: \(second)")
      }
      throw AdminError("\(error); it was not restarted and has all users again")
    }
    world.tell("\(name): nothing in flight, restarting")
    let status = world.restart(server)
    guard status == 0 else {
      throw AdminError("\(name): the restart ended with status \(status); it is left in maintenance")
    }
    let restarted = world.now()
    try wait(&world, for: "\(name): not well after its restart, left in maintenance", looks: 1) { servers in
      servers.allSatisfy { server in
        server.health == "up"
          && server.checks.allSatisfy { check in check.succeeded && (check.began.map { $0 >= restarted } ?? false) }
      }
    } of: {
      self.entries(name, $0)
    }
    try world.give(AdminOrder(.ready, target: name, reason: "restarted"))
    world.tell("\(name): well again")
    return true
  }

  /// Leads all users elsewhere and waits until nothing is in flight.
  private func empty(_ name: String, _ world: inout some RestartSurroundings) throws(AdminError) {
    if drainMilliseconds > 0 {
      let ends = world.now() + drainMilliseconds
      try world.give(
        AdminOrder(
          .drain, target: name, deadline: .after(.milliseconds(drainMilliseconds)), reason: "rolling restart"))
      world.tell("\(name): no new users; its own have \(drainMilliseconds) ms")
      while world.now() < ends {
        world.pause(milliseconds: min(Self.lookMilliseconds, max(1, ends - world.now())))
      }
    }
    try world.give(AdminOrder(.maintenance, target: name, reason: "rolling restart"))
    // A worker that chose the server just before the order may not have counted its request at the first look.
    try wait(&world, for: "\(name): requests that did not end", looks: 2) { servers in
      servers.allSatisfy { $0.inFlight == 0 }
    } of: {
      self.entries(name, $0)
    }
  }

  private func wait(
    _ world: inout some RestartSurroundings, for what: String, looks: Int, until isDone: ([NodeStatus.Server]) -> Bool,
    of entries: ([NodeStatus]) -> [NodeStatus.Server]
  ) throws(AdminError) {
    let ends = world.now() + timeoutMilliseconds
    var well = 0
    while true {
      well = isDone(entries(try world.status())) ? well + 1 : 0
      if well == looks { return }
      guard world.now() < ends else { throw AdminError("\(what), after \(timeoutMilliseconds) ms") }
      world.pause(milliseconds: Self.lookMilliseconds)
    }
  }
}
