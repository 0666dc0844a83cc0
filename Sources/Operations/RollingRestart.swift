internal import Routing
internal import Topology

/// What a rolling restart needs of the world: the nodes in front of the servers, a command to run, and time.
public protocol RestartSurroundings {
  /// The state of every node that has the servers as candidates.
  mutating func status() throws(AdminError) -> [NodeStatus]
  /// Gives an order to every node that has the target, also when one of them does not take it.
  mutating func give(_ order: AdminOrder) throws(AdminError)
  /// Restarts a server and returns when that is done, or has taken longer than it may.
  mutating func restart(_ server: NodeStatus.Server, milliseconds: Int64) -> ShellCommand.End
  /// Whether the operator wants no more of it.
  mutating func isStopped() -> Bool
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
  /// How long the last requests may take, the restart itself, and the checks to find the server well: each of them.
  public var timeoutMilliseconds: Int64
  /// Roles whose candidates are nodes.
  private let leadsToNodes = [NodeRole.officeProxy.rawValue, NodeRole.siteDirector.rawValue]
  /// Between two looks.
  static let lookMilliseconds: Int64 = 100
  /// Between two looks at the other servers while one is drained.
  static let drainLookMilliseconds: Int64 = 1_000

  /// A rolling restart.
  public init(servers: [String] = [], drainMilliseconds: Int64, timeoutMilliseconds: Int64) {
    self.servers = servers
    self.drainMilliseconds = drainMilliseconds
    self.timeoutMilliseconds = timeoutMilliseconds
  }

  /// Restarts all of them but those that are not ready when their turn comes: they are as an operator wants them.
  /// - Throws: `AdminError` at the first that does not come back; it is left in maintenance, those after it are not touched. One
  ///   that could not be restarted, for a node did not answer, requests did not end, no other server took new users any more, or the
  ///   operator wanted no more of it, gets its users back.
  public func run(_ world: inout some RestartSurroundings) throws(AdminError) {
    let names = try chosen(try world.status())
    var untouched: [String] = []
    for (index, name) in names.enumerated() {
      world.tell("\(name): \(index + 1) of \(names.count)")
      if world.isStopped() {
        throw AdminError("stopped before \(name): \(index) of \(names.count) have had their turn")
      }
      if try !restart(name, isLast: index == names.count - 1, &world) { untouched.append(name) }
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
  private func restart(_ name: String, isLast: Bool, _ world: inout some RestartSurroundings) throws(AdminError) -> Bool
  {
    let before = try world.status()
    let now = entries(name, before)
    guard let server = now.first else { throw AdminError("\(name) is no longer known") }
    if let entry = now.first(where: { $0.state != "ready" }) {
      world.tell("\(name): not touched, as it is not ready: \(entry.state), \(entry.reason)")
      return false
    }
    if let last = last(name, before) { throw AdminError("\(last): it is not touched") }
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
    try finish(world.restart(server, milliseconds: timeoutMilliseconds), name)
    let restarted = world.now()
    try wait(&world, name, for: "not well after its restart, left in maintenance") { servers in
      servers.allSatisfy { server in
        server.health == "up"
          && server.checks.allSatisfy { check in check.succeeded && (check.began.map { $0 >= restarted } ?? false) }
      }
    }
    do throws(AdminError) {
      try world.give(AdminOrder(.ready, target: name, reason: "restarted"))
    } catch {
      throw AdminError("\(name): well again, but it does not have all its users back: \(error)")
    }
    world.tell("\(name): well again")
    if !isLast { try waitForShare(of: name, as: before, &world) }
    return true
  }

  private func finish(_ end: ShellCommand.End, _ name: String) throws(AdminError) {
    switch end {
    case .status(0): return
    case .status(let status):
      throw AdminError("\(name): the restart ended with status \(status); it is left in maintenance")
    case .notStarted(let why): throw AdminError("\(name): no shell could be started: \(why); it is left in maintenance")
    case .late:
      throw AdminError(
        "\(name): the restart did not end within \(timeoutMilliseconds) ms and was ended; it is left in maintenance")
    case .stopped:
      throw AdminError("\(name): stopped, and its restart ended half done; it is left in maintenance")
    }
  }

  /// Where nobody else takes new users; nil: somebody does everywhere.
  private func last(_ name: String, _ nodes: [NodeStatus]) -> String? {
    for node in nodes {
      for pool in node.pools where pool.servers.contains(where: { $0.name == name }) {
        if !pool.servers.contains(where: { $0.name != name && $0.takesNewUsers }) {
          return "\(name) is the last that takes new users of \(pool.application) at \(node.node)"
        }
      }
    }
    return nil
  }

  /// Leads all users elsewhere, as long as there is an elsewhere, and waits until nothing is in flight.
  private func empty(_ name: String, _ world: inout some RestartSurroundings) throws(AdminError) {
    if drainMilliseconds > 0 {
      try world.give(
        AdminOrder(
          .drain, target: name, deadline: .after(.milliseconds(drainMilliseconds)), reason: "rolling restart"))
      world.tell("\(name): no new users; its own have \(drainMilliseconds) ms")
      let ends = world.now() + drainMilliseconds
      var looksAt = world.now() + Self.drainLookMilliseconds
      while world.now() < ends {
        world.pause(milliseconds: min(Self.lookMilliseconds, max(1, ends - world.now())))
        if world.isStopped() { throw AdminError("\(name): stopped") }
        guard world.now() >= looksAt else { continue }
        looksAt = world.now() + Self.drainLookMilliseconds
        // Who does not answer now may do so at the next look; before the maintenance all have to.
        if let nodes = try? world.status() { try stays(name, nodes) }
      }
      try wait(&world, name, for: "no look at all nodes", needsOthers: true) { _ in true }
    }
    try world.give(AdminOrder(.maintenance, target: name, reason: "rolling restart"))
    // A worker that chose the server just before the order may not have counted its request at the first look.
    try wait(&world, name, for: "requests that did not end", looks: 2, needsOthers: true, alsoBefore: true) { servers in
      servers.allSatisfy { $0.inFlight == 0 }
    }
  }

  /// A server that is being emptied has not been given all users by somebody else, or by a node's restart, and others take its place.
  private func stays(_ name: String, _ nodes: [NodeStatus]) throws(AdminError) {
    if let last = last(name, nodes) { throw AdminError(last) }
    for node in nodes {
      for server in node.pools.flatMap(\.servers) where server.name == name && server.state == "ready" {
        throw AdminError("\(name) has been made ready at \(node.node) in between (\(server.reason))")
      }
    }
  }

  /// Looks until a server is as it should be at all nodes, so many times in a row. A node that does not answer may do so at the next look.
  private func wait(
    _ world: inout some RestartSurroundings, _ name: String, for what: String, looks: Int = 1,
    needsOthers: Bool = false,
    alsoBefore: Bool = false,
    until isDone: ([NodeStatus.Server]) -> Bool
  ) throws(AdminError) {
    let ends = world.now() + timeoutMilliseconds
    var well = 0
    while true {
      var nodes: [NodeStatus] = []
      var silence = ""
      do throws(AdminError) { nodes = try world.status() } catch { silence = ": \(error)" }
      if needsOthers { try stays(name, nodes) }
      let servers = entries(name, nodes)
      // What a process that has handed over still has at the server, nobody counts: nothing is there when it has ended.
      let before = alsoBefore ? nodes.first { ($0.processesBefore ?? 0) > 0 && !entries(name, [$0]).isEmpty } : nil
      if let before { silence = ": a process before that of \(before.node) still finishes what it has" }
      well = before == nil && !servers.isEmpty && isDone(servers) ? well + 1 : 0
      if well == looks { return }
      guard world.now() < ends else { throw AdminError("\(name): \(what), after \(timeoutMilliseconds) ms\(silence)") }
      if world.isStopped() { throw AdminError("\(name): stopped: \(what)") }
      world.pause(milliseconds: Self.lookMilliseconds)
    }
  }

  /// Who comes back slowly takes a small share of the users at first: the next is not taken out before it has its whole share again.
  private func waitForShare(of name: String, as before: [NodeStatus], _ world: inout some RestartSurroundings)
    throws(AdminError)
  {
    let wanted = entries(name, before).map(\.weight)
    var (most, ends, hasTold) = (-1.0, world.now() + timeoutMilliseconds, false)
    while true {
      let servers = (try? world.status()).map { entries(name, $0) } ?? []
      let takesUsers = !servers.isEmpty && servers.allSatisfy { $0.state == "ready" && $0.health == "up" }
      if takesUsers, servers.count != wanted.count || zip(servers, wanted).allSatisfy({ $0.weight >= $1 }) { return }
      // It may take as long as it gets on.
      let sum = servers.reduce(0) { $0 + $1.weight }
      if sum > most { (most, ends) = (sum, world.now() + timeoutMilliseconds) }
      guard world.now() < ends else {
        guard takesUsers else {
          throw AdminError("\(name): restarted, but it does not take all users again, after \(timeoutMilliseconds) ms")
        }
        return world.tell("\(name): its share of new users does not grow any more; the next follows")
      }
      if world.isStopped() { throw AdminError("\(name): restarted; stopped before the next") }
      if takesUsers, !hasTold {
        hasTold = true
        world.tell("\(name): its share of new users grows")
      }
      world.pause(milliseconds: Self.lookMilliseconds)
    }
  }
}
