import Operations
import Routing
import Testing

/// Nodes and servers on paper: restarts take a moment, checks see them later.
private struct Paper: RestartSurroundings {
  var nodes: [NodeStatus]
  var log: [String] = []
  var clock: Int64 = 1_000
  var exit: [String: Int32] = [:]
  /// Requests in flight at a server end so much later than its maintenance begins.
  var requestsEndAfter: Int64 = 0
  private var quietAt: [String: Int64] = [:]
  /// When checks see the server again; nil: never.
  var wellAfter: Int64? = 500
  private var restartedAt: [String: Int64] = [:]

  init(_ nodes: [NodeStatus]) { self.nodes = nodes }

  mutating func status() throws(AdminError) -> [NodeStatus] {
    for node in nodes.indices {
      for server in nodes[node].pools[0].servers.indices {
        let name = nodes[node].pools[0].servers[server].name
        if let quiet = quietAt[name] { nodes[node].pools[0].servers[server].inFlight = clock < quiet ? 1 : 0 }
        guard let restarted = restartedAt[name], let wellAfter, clock >= restarted + wellAfter else { continue }
        nodes[node].pools[0].servers[server].checks = [.init(kind: "liveness", began: clock, succeeded: true)]
      }
    }
    return nodes
  }

  mutating func give(_ order: AdminOrder) throws(AdminError) {
    log.append("\(order.state) \(order.target)")
    for node in nodes.indices {
      for server in nodes[node].pools[0].servers.indices where nodes[node].pools[0].servers[server].name == order.target
      {
        nodes[node].pools[0].servers[server].state = "\(order.state)"
      }
    }
    if order.state == .maintenance { quietAt[order.target] = clock + requestsEndAfter }
  }

  mutating func restart(_ server: NodeStatus.Server) -> Int32 {
    log.append("restart \(server.name) at \(clock)")
    clock += 200
    restartedAt[server.name] = clock
    return exit[server.name] ?? 0
  }

  mutating func pause(milliseconds: Int64) { clock += milliseconds }
  mutating func now() -> Int64 { clock }
  mutating func tell(_ line: String) {}
}

private func world(_ names: String...) -> Paper {
  let servers = names.map { sampleServer($0) }
  return Paper([sampleStatus(servers: servers), sampleStatus(servers: servers)])
}

@Suite struct RollingRestartTests {
  @Test func eachIsDrainedEmptiedRestartedAndReadyBeforeTheNext() throws {
    var paper = world("A", "B")
    paper.requestsEndAfter = 300
    try RollingRestart(drainMilliseconds: 1_000, timeoutMilliseconds: 5_000).run(&paper)
    #expect(
      paper.log == [
        "drain A", "maintenance A", "restart A at 2300", "ready A", "drain B", "maintenance B", "restart B at 4300",
        "ready B",
      ])
  }

  @Test func aCheckFromBeforeTheRestartIsNotBelieved() throws {
    var paper = world("A", "B")
    paper.wellAfter = 2_000
    try RollingRestart(servers: ["A"], drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    #expect(paper.log == ["maintenance A", "restart A at 1000", "ready A"])
    #expect(paper.clock >= 1_200 + 2_000)
  }

  @Test func aFailedRestartStopsAllAndLeavesTheServerInMaintenance() {
    var paper = world("A", "B", "C")
    paper.exit["B"] = 3
    #expect(throws: AdminError("B: the restart ended with status 3; it is left in maintenance")) {
      try RollingRestart(drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log.suffix(2).first == "maintenance B")
    #expect(!paper.log.contains { $0.hasSuffix(" C") })
  }

  @Test func aServerThatDoesNotComeBackStopsAll() {
    var paper = world("A", "B")
    paper.wellAfter = nil
    #expect(throws: AdminError("A: not well after its restart, left in maintenance, after 5000 ms")) {
      try RollingRestart(drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log == ["maintenance A", "restart A at 1000"])
  }

  @Test func requestsThatDoNotEndAreNotCutShort() {
    var paper = world("A", "B")
    paper.requestsEndAfter = 60_000
    #expect(throws: AdminError("A: requests that did not end, after 5000 ms")) {
      try RollingRestart(drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log == ["maintenance A"])
  }

  @Test func theLastServerThatTakesNewUsersIsNotTouched() {
    var paper = world("A", "B")
    paper.nodes[1].pools[0].servers[1].health = "down"
    #expect(throws: AdminError("A is the last that takes new users of shop at B: it is not touched")) {
      try RollingRestart(servers: ["A"], drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log.isEmpty)
  }

  @Test func anUnknownServerIsRefusedBeforeAnythingIsDone() {
    var paper = world("A", "B")
    #expect(throws: AdminError("no node given has a server \"C\"; known are: A, B")) {
      try RollingRestart(servers: ["A", "C"], drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log.isEmpty)
  }
}
