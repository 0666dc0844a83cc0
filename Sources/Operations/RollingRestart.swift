internal import Routing

/// What a rolling restart needs of the world: the nodes in front of the servers, a command to run, and time.
public protocol RestartSurroundings {
  /// The state of every node that has the servers as candidates.
  mutating func status() throws(AdminError) -> [NodeStatus]
  /// Gives an order to every node that has the target.
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
  /// The servers, in order; empty: every server that is not a node, in the order of the pools.
  public var servers: [String]
  /// How long users with sessions may go on before they are led elsewhere.
  public var drainMilliseconds: Int64
  /// How long the last requests may take, and how long the checks may take to find the server well.
  public var timeoutMilliseconds: Int64
  /// Between two looks.
  static let lookMilliseconds: Int64 = 100

  /// A rolling restart.
  public init(servers: [String] = [], drainMilliseconds: Int64, timeoutMilliseconds: Int64) {
    self.servers = servers
    self.drainMilliseconds = drainMilliseconds
    self.timeoutMilliseconds = timeoutMilliseconds
  }

  /// Restarts all of them.
  /// - Throws: `AdminError` at the first that does not come back; it is left in maintenance, those after it are not touched.
  public func run(_ world: inout some RestartSurroundings) throws(AdminError) {
    let names = try chosen(try world.status())
    for (index, name) in names.enumerated() {
      world.tell("\(name): \(index + 1) of \(names.count)")
      try restart(name, &world)
    }
    world.tell("all \(names.count) restarted")
  }

  private func chosen(_ nodes: [NodeStatus]) throws(AdminError) -> [String] {
    var known: [String] = []
    for server in nodes.flatMap(\.pools).flatMap(\.servers) where !known.contains(server.name) {
      known.append(server.name)
    }
    if servers.isEmpty { return known }
    for name in servers where !known.contains(name) {
      throw AdminError("no node given has a server \"\(name)\"; known are: \(known.prefix(30).joined(separator: ", "))")
    }
    return servers
  }

  private func entries(_ name: String, _ nodes: [NodeStatus]) -> [NodeStatus.Server] {
    nodes.flatMap(\.pools).flatMap(\.servers).filter { $0.name == name }
  }

  private func restart(_ name: String, _ world: inout some RestartSurroundings) throws(AdminError) {
    let before = try world.status()
    for node in before {
      for pool in node.pools where pool.servers.contains(where: { $0.name == name }) {
        guard pool.servers.contains(where: { $0.name != name && $0.takesNewUsers }) else {
          throw AdminError(
            "\(name) is the last that takes new users of \(pool.application) at \(node.node): it is not touched")
        }
      }
    }
    guard let server = entries(name, before).first else { throw AdminError("\(name) is no longer known") }
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
    try wait(&world, for: "\(name): requests that did not end") { servers in
      servers.allSatisfy { $0.inFlight == 0 }
    } of: {
      self.entries(name, $0)
    }
    world.tell("\(name): nothing in flight, restarting")
    let status = world.restart(server)
    guard status == 0 else {
      throw AdminError("\(name): the restart ended with status \(status); it is left in maintenance")
    }
    let restarted = world.now()
    try wait(&world, for: "\(name): not well after its restart, left in maintenance") { servers in
      servers.allSatisfy { server in
        server.health == "up"
          && server.checks.allSatisfy { check in check.succeeded && (check.began.map { $0 >= restarted } ?? false) }
      }
    } of: {
      self.entries(name, $0)
    }
    try world.give(AdminOrder(.ready, target: name, reason: "restarted"))
    world.tell("\(name): well again")
  }

  private func wait(
    _ world: inout some RestartSurroundings, for what: String, until isDone: ([NodeStatus.Server]) -> Bool,
    of entries: ([NodeStatus]) -> [NodeStatus.Server]
  ) throws(AdminError) {
    let ends = world.now() + timeoutMilliseconds
    while true {
      if isDone(entries(try world.status())) { return }
      guard world.now() < ends else { throw AdminError("\(what), after \(timeoutMilliseconds) ms") }
      world.pause(milliseconds: Self.lookMilliseconds)
    }
  }
}
