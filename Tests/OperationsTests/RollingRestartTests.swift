import Operations
import Routing
import Testing

/// Nodes and servers on paper: restarts take a moment, checks see them later.
private struct Paper: RestartSurroundings {
  var nodes: [NodeStatus]
  var log: [String] = []
  var clock: Int64 = 1_000
  var exit: [String: ShellCommand.End] = [:]
  /// When the operator wants no more of it.
  var stoppedAt: Int64 = .max
  /// Between these times no node answers.
  var silence: Range<Int64> = 0..<0
  /// A server that is down from a time on.
  var downAt: (at: Int64, server: String)?
  /// How long a server that comes back takes from a tenth of its weight to all of it.
  var slowStart: Int64 = 0
  private var readyAt: [String: Int64] = [:]
  /// Requests in flight at a server end so much later than its maintenance begins.
  var requestsEndAfter: Int64 = 0
  private var quietAt: [String: Int64] = [:]
  /// When checks see the server again; nil: never.
  var wellAfter: Int64? = 500
  private var restartedAt: [String: Int64] = [:]
  /// A node that takes no order of this state: all others take it.
  var refused: OperatorState?
  /// What an operator says at a time: the state of a server.
  var operatorSays: (at: Int64, server: String, state: String)?
  /// At that look after a maintenance a request is seen again that the one before did not show.
  var lateRequestAtLook: Int?
  private var looks = 0
  private var inMaintenance: String?
  var told: [String] = []

  init(_ nodes: [NodeStatus]) { self.nodes = nodes }

  mutating func status() throws(AdminError) -> [NodeStatus] {
    if inMaintenance != nil { looks += 1 }
    if silence.contains(clock) { throw AdminError("/run/C.sock: no answer") }
    for node in nodes.indices {
      for server in nodes[node].pools[0].servers.indices {
        let name = nodes[node].pools[0].servers[server].name
        if let said = operatorSays, said.server == name, clock >= said.at {
          nodes[node].pools[0].servers[server].state = said.state
          nodes[node].pools[0].servers[server].reason = "by command: broken disk"
        }
        if let down = downAt, down.server == name, clock >= down.at {
          nodes[node].pools[0].servers[server].health = "down"
        }
        if let ready = readyAt[name], slowStart > 0 {
          nodes[node].pools[0].servers[server].weight = 1 + 9 * min(1, Double(clock - ready) / Double(slowStart))
        }
        if let quiet = quietAt[name] { nodes[node].pools[0].servers[server].inFlight = clock < quiet ? 1 : 0 }
        if let late = lateRequestAtLook, inMaintenance == name, looks == late {
          nodes[node].pools[0].servers[server].inFlight = 1
        }
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
        nodes[node].pools[0].servers[server].state = Self.word(order.state)
      }
    }
    if order.state == .maintenance {
      quietAt[order.target] = clock + requestsEndAfter
      inMaintenance = order.target
      looks = 0
    }
    if order.state == .ready { readyAt[order.target] = clock }
    if order.state == refused { throw AdminError("/run/C.sock: gone") }
  }

  private static func word(_ state: OperatorState) -> String { state == .maintenance ? "maintain" : "\(state)" }

  mutating func restart(_ server: NodeStatus.Server, milliseconds: Int64) -> ShellCommand.End {
    log.append("restart \(server.name) at \(clock)")
    clock += 200
    restartedAt[server.name] = clock
    return exit[server.name] ?? .status(0)
  }

  func isStopped() -> Bool { clock >= stoppedAt }

  mutating func pause(milliseconds: Int64) { clock += milliseconds }
  mutating func now() -> Int64 { clock }
  mutating func tell(_ line: String) { told.append(line) }
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
        "drain A", "maintenance A", "restart A at 2400", "ready A", "drain B", "maintenance B", "restart B at 4500",
        "ready B",
      ])
  }

  @Test func aCheckFromBeforeTheRestartIsNotBelieved() throws {
    var paper = world("A", "B")
    paper.wellAfter = 2_000
    try RollingRestart(servers: ["A"], drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    #expect(paper.log == ["maintenance A", "restart A at 1100", "ready A"])
    #expect(paper.clock >= 1_300 + 2_000)
  }

  @Test func aFailedRestartStopsAllAndLeavesTheServerInMaintenance() {
    var paper = world("A", "B", "C")
    paper.exit["B"] = .status(3)
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
    #expect(paper.log == ["maintenance A", "restart A at 1100"])
  }

  @Test func requestsThatDoNotEndAreNotCutShortAndTheServerGetsItsUsersBack() {
    var paper = world("A", "B")
    paper.requestsEndAfter = 60_000
    let message = "A: requests that did not end, after 5000 ms; it was not restarted and has all users again"
    #expect(throws: AdminError(message)) {
      try RollingRestart(drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log == ["maintenance A", "ready A"])
  }

  @Test func aRequestThatIsCountedLateIsWaitedFor() throws {
    var paper = world("A", "B")
    paper.lateRequestAtLook = 2
    try RollingRestart(servers: ["A"], drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    // Looks at 1000 (nothing), 1100 (one), 1200 and 1300 (nothing).
    #expect(paper.log == ["maintenance A", "restart A at 1300", "ready A"])
  }

  @Test(arguments: ["maintain", "drain"])
  func aServerThatAnOperatorHasTakenOutIsNotTouched(state: String) throws {
    var paper = world("A", "B", "C")
    paper.operatorSays = (at: 1_200, server: "B", state: state)
    try RollingRestart(drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    #expect(!paper.log.contains { $0.contains(" B") })
    #expect(paper.log.last == "ready C")
    #expect(paper.told.contains("B: not touched, as it is not ready: \(state), by command: broken disk"))
    #expect(paper.told.last == "2 of 3 restarted; not ready, so not touched: B")
  }

  @Test func aServerThatIsNotReadyAndNamedIsRefusedBeforeAnythingIsDone() {
    var paper = world("A", "B", "C")
    paper.operatorSays = (at: 0, server: "B", state: "maintain")
    let message = "B is not ready (maintain, by command: broken disk): make it so first, or leave it out"
    #expect(throws: AdminError(message)) {
      try RollingRestart(servers: ["A", "B"], drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log.isEmpty)
  }

  @Test(arguments: [OperatorState.drain, .maintenance])
  func aNodeThatDoesNotTakeAnOrderEndsItAndTheOthersGiveTheServerItsUsersBack(state: OperatorState) {
    var paper = world("A", "B")
    paper.refused = state
    #expect(throws: AdminError("/run/C.sock: gone; it was not restarted and has all users again")) {
      try RollingRestart(drainMilliseconds: 1_000, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log.suffix(2) == ["\(state) A", "ready A"])
    #expect(!paper.log.contains { $0.hasPrefix("restart") })
    #expect(paper.nodes.allSatisfy { $0.pools[0].servers[0].state == "ready" })
  }

  @Test func candidatesOfADirectorAreRestartedOnlyIfNamed() throws {
    var paper = world("A", "B")
    paper.nodes[1].role = "site-director"
    #expect(throws: AdminError.self) {
      try RollingRestart(drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log.isEmpty)
    try RollingRestart(servers: ["B"], drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    #expect(paper.log.last == "ready B")
  }

  @Test func aServerWithoutChecksIsNotTouchedForNobodyWouldSeeItBack() {
    var paper = world("A", "B")
    paper.nodes[1].pools[0].servers[0].checks = []
    #expect(throws: AdminError("A is not checked, so nobody would know when it is well again: it is not touched")) {
      try RollingRestart(drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log.isEmpty)
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

  @Test(arguments: [
    (ShellCommand.End.late, "A: the restart did not end within 5000 ms and was ended; it is left in maintenance"),
    (.stopped, "A: stopped, and its restart ended half done; it is left in maintenance"),
    (.notStarted("no memory"), "A: no shell could be started: no memory; it is left in maintenance"),
  ])
  func aRestartThatDoesNotEndWellLeavesTheServerInMaintenance(end: ShellCommand.End, message: String) {
    var paper = world("A", "B")
    paper.exit["A"] = end
    #expect(throws: AdminError(message)) {
      try RollingRestart(drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log == ["maintenance A", "restart A at 1100"])
  }

  @Test(arguments: zip([Int64(1_500), 2_500], [["drain A", "ready A"], ["drain A", "maintenance A", "ready A"]]))
  func whoStopsItBeforeTheRestartLeavesTheServerWithItsUsers(at: Int64, log: [String]) {
    var paper = world("A", "B")
    paper.requestsEndAfter = 2_000
    paper.stoppedAt = at
    #expect(throws: AdminError.self) {
      try RollingRestart(drainMilliseconds: 1_000, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log == log)
    #expect(paper.clock < at + 200)
  }

  @Test func whoStopsItBeforeTheServerIsWellIsToldThatItIsInMaintenance() {
    var paper = world("A", "B")
    paper.wellAfter = nil
    paper.stoppedAt = 2_000
    #expect(throws: AdminError("A: stopped: not well after its restart, left in maintenance")) {
      try RollingRestart(drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log.last == "restart A at 1100")
  }

  @Test func whoStopsItBetweenTwoServersLeavesTheSecondAlone() {
    var paper = world("A", "B")
    paper.stoppedAt = 1_300
    paper.wellAfter = 0
    #expect(throws: AdminError("stopped before B: 1 of 2 have had their turn")) {
      try RollingRestart(drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log.last == "ready A")
  }

  @Test(arguments: zip([Int64(30_000), 62_000], [["drain A", "ready A"], ["drain A", "maintenance A", "ready A"]]))
  func whenAllOthersGoDownBeforeTheRestartTheServerGetsItsUsersBack(at: Int64, log: [String]) {
    var paper = world("A", "B")
    paper.downAt = (at: at, server: "B")
    paper.requestsEndAfter = 4_000
    let message =
      "A is the last that takes new users of shop at B; it was not restarted and has all users again"
    #expect(throws: AdminError(message)) {
      try RollingRestart(drainMilliseconds: 60_000, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log == log)
    #expect(paper.clock <= at + 1_000)
  }

  @Test func requestsOfAProcessThatHasHandedOverAreWaitedFor() {
    var paper = world("A", "B")
    paper.nodes[1].processesBefore = 1
    let message =
      "A: requests that did not end, after 5000 ms: a process before that of B still finishes what it has; "
      + "it was not restarted and has all users again"
    #expect(throws: AdminError(message)) {
      try RollingRestart(drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log == ["maintenance A", "ready A"])
  }

  @Test func aServerThatSomebodyHasMadeReadyInBetweenIsNotRestarted() {
    var paper = world("A", "B")
    paper.operatorSays = (at: 1_500, server: "A", state: "ready")
    #expect(throws: AdminError.self) {
      try RollingRestart(drainMilliseconds: 3_000, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log == ["drain A", "ready A"])
  }

  @Test(arguments: [Int64(2_000)..<4_000, 3_900..<4_200, 4_100..<5_000, 4_500..<6_000])
  func nodesThatAreSilentForAWhileAreAskedAgain(silence: Range<Int64>) throws {
    var paper = world("A", "B")
    paper.requestsEndAfter = 200
    paper.silence = silence
    try RollingRestart(servers: ["A"], drainMilliseconds: 3_000, timeoutMilliseconds: 5_000).run(&paper)
    #expect(paper.log.map { $0.prefix(9) } == ["drain A", "maintenan", "restart A", "ready A"])
  }

  @Test func nodesThatStaySilentAfterARestartAreToldOfAndSoIsTheServersState() {
    var paper = world("A", "B")
    paper.silence = 1_200..<100_000
    let message = "A: not well after its restart, left in maintenance, after 5000 ms: /run/C.sock: no answer"
    #expect(throws: AdminError(message)) {
      try RollingRestart(drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    }
  }

  @Test func theNextWaitsUntilTheOneBeforeHasItsWholeShareOfUsersAgain() throws {
    var paper = world("A", "B")
    // Longer than anything may take that does not get on.
    paper.slowStart = 20_000
    try RollingRestart(drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    #expect(paper.told.contains("A: its share of new users grows"))
    #expect(
      paper.log == ["maintenance A", "restart A at 1100", "ready A", "maintenance B", "restart B at 21900", "ready B"])
  }

  @Test func aServerThatGoesDownBeforeItHasItsWholeShareEndsIt() {
    var paper = world("A", "B")
    paper.slowStart = 20_000
    paper.downAt = (at: 8_000, server: "A")
    #expect(throws: AdminError("A: restarted, but it does not take all users again, after 5000 ms")) {
      try RollingRestart(drainMilliseconds: 0, timeoutMilliseconds: 5_000).run(&paper)
    }
    #expect(paper.log.last == "ready A")
  }
}
