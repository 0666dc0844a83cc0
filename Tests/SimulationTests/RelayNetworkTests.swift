import Testing
import Topology
import TopologyFile

@testable import Simulation

/// Networks of relays alone: connections in place of requests.
@Suite("Networks of relays")
struct RelayNetworkTests {
  private static func topology(_ text: String) throws -> Topology {
    let loaded = TopologyLoader.load(text: "geodirector: 1\nnetwork: relays\n" + text, file: "relays.yaml")
    return try #require(loaded.topology, "\(loaded.diagnostics)")
  }

  /// One relay with these keys, before a first server and a backup.
  private static func pair(_ keys: String = "") throws -> Topology {
    try topology(
      """
      relays:
        - name: R
          listen: "127.1.1.1:1514"
          servers: [{name: first, address: "127.1.2.1:1514"}, {name: spare, address: "127.1.2.2:1514", backup: true}]
      """ + (keys.isEmpty ? "" : "\n    \(keys)"))
  }

  private static func run(
    _ topology: Topology, _ steps: [ScenarioStep], seconds: Int = 180, users: Int = 50,
    length: Duration = .seconds(3_600_000),
    pause: Duration = .seconds(5), seed: UInt64 = 1, without behaviour: Behaviour = []
  ) throws -> RelayScenarioReport {
    var scenario = Scenario(name: "s", duration: .seconds(seconds))
    scenario.steps = steps
    scenario.traffic.users = users
    scenario.traffic.sessionLength = length
    scenario.traffic.thinkTime = pause
    var options = SimulationOptions(seed: seed)
    options.behaviour = behaviour
    return RelaySimulation.run(try RelayNetwork(topology), scenario: scenario, options: options)
  }

  private static func step(_ at: Int, _ lasts: Int?, _ fault: Fault) -> ScenarioStep {
    ScenarioStep(at: .seconds(at), lasts: lasts.map { .seconds($0) }, fault: fault)
  }

  private static func stall(_ name: String) -> Fault {
    .slow(.elements([Located(name)]), added: .seconds(3600), divided: 1)
  }

  private static func part(_ report: RelayScenarioReport, _ phase: TwoSites.Phase) throws -> RelayPhaseReport {
    try #require(report.phases.first { $0.phase == phase }, "\(phase)")
  }

  // MARK: Rules switched off

  /// Violations of a property while the first server of two is dead for two minutes, at checks that need several results.
  private static func violations(_ property: RelayProperty, without behaviour: Behaviour) throws -> UInt64 {
    let fast = "fast-interval: 500ms, down-interval: 500ms"
    let topology = try pair("check: {interval: 20s, \(fast), timeout: 1s, rise: 3, fall: 3}")
    let kill = Fault.kill(TwoSites.names("first"))
    let report = try run(
      topology, [step(60, 120, kill)], seconds: 300, length: .seconds(2), pause: .seconds(1), without: behaviour)
    return report.verdicts.first { $0.property == property }?.violations ?? 0
  }

  @Test(arguments: [RelayProperty.detectionInTime, .backInTime])
  func `Without faster checks of what has failed, the end of a server and its return are seen too late`(
    property: RelayProperty
  ) throws {
    // Connections find out as well; they are not listened to here.
    #expect(try Self.violations(property, without: []) == 0)
    #expect(try Self.violations(property, without: .withoutEvidence) == 0)
    #expect(try Self.violations(property, without: [.withoutEvidence, .withoutFastChecks]) > 0)
  }

  // MARK: Servers that end

  @Test
  func `Connections to a server that ends are cut once each, and the next ones go to the backup without a failure`()
    throws
  {
    // All users are there after two pauses, and their connections last.
    let report = try Self.run(Self.pair(), [Self.step(60, nil, .kill(TwoSites.names("first")))])
    let counts = report.total.counts
    #expect(counts.tried == 100 && counts.opened == 100 && counts.openedAtBackups == 50)
    #expect(counts.cut == 50 && counts.failed == 0)
    #expect(report.listeners[0].outages.isEmpty)
    #expect(report.series.openedByServer.map { $0.reduce(0, +) } == [50, 50])
    #expect(report.holds)
  }

  @Test func `New connections leave the backup when its time is over, and not those it has`() throws {
    let report = try Self.run(
      Self.pair(), [Self.step(60, 30, .kill(TwoSites.names("first")))], length: .seconds(2), pause: .seconds(1))
    let after = try Self.part(report, .afterHeal)
    // Down for two checks at most, 2 s apart, of which each may come 8 % later; and the phase before is all backups.
    let failedOver = try Self.part(report, .failedOver)
    #expect(failedOver.counts.openedAtBackups == failedOver.counts.opened && failedOver.counts.opened > 100)
    #expect(after.counts.openedAtBackups > 0 && after.counts.openedAtBackups < after.counts.opened / 5)
    #expect(report.holds)
    #expect(after.counts.cut == 0, "nobody is fetched home")
  }

  @Test func `Without a backup nobody is served until the server is back, and a second later everybody`() throws {
    let alone = try Self.topology(
      "relays: [{name: R, listen: \"127.1.1.1:1514\", servers: [{name: first, address: \"127.1.2.1:1514\"}]}]\n")
    let report = try Self.run(alone, [Self.step(60, 30, .kill(TwoSites.names("first")))])
    let counts = report.total.counts
    #expect(counts.cut == 50 && counts.opened == 100)
    // The relay takes connections, and has nobody to pass them to.
    #expect(counts.closed == counts.failed && counts.failed > 1_000)
    #expect(counts.failedOracle == counts.failed)
    try #require(report.listeners[0].outages.count == 1)
    let outage = report.listeners[0].outages[0]
    // The first comes again half a second after the cut at the earliest; a trial is made each second, or whenever somebody comes.
    #expect((60_500_000_000...60_700_000_000).contains(outage.beginNanoseconds), "\(outage)")
    #expect((89_990_000_000...91_000_000_000).contains(outage.endNanoseconds), "\(outage)")
    #expect(report.holds)
  }

  @Test func `A silent server costs new connections the time to connect until the checks have seen it`() throws {
    let report = try Self.run(
      Self.pair("timeouts: {connect: 700ms}"), [Self.step(60, nil, .power(TwoSites.names("first")))],
      length: .seconds(2), pause: .seconds(1))
    let detection = try Self.part(report, .detection)
    #expect((700_000_000...702_000_000).contains(detection.opening.maxNanoseconds), "\(detection.opening)")
    let failedOver = try Self.part(report, .failedOver)
    #expect(failedOver.opening.maxNanoseconds < 702_000_000 && failedOver.opening.p50Nanoseconds < 2_000_000)
    #expect(report.total.counts.failed == 0)
    // Who had a connection waits half a minute for a word.
    #expect(report.total.counts.cut > 20)
    #expect(report.series.cut.indices.filter { report.series.cut[$0] > 0 } == [90])
  }

  @Test(arguments: [(2, 2, 1), (2, 5, 1), (10, 3, 2), (1, 1, 1)])
  func `A server that takes connections and says nothing is seen by a handshake within the time of its checks`(
    _ interval: Int, _ fall: Int, _ timeout: Int
  ) throws {
    let check = "{tls-hello: , interval: \(interval)s, fast-interval: 1s, fall: \(fall), timeout: \(timeout)s}"
    let report = try Self.run(
      Self.pair("check: \(check)"), [Self.step(60, nil, Self.stall("first"))], length: .seconds(2), pause: .seconds(1))
    // At the earliest it is asked at once, at the latest when the rest of an interval is over; then each further time after
    // the fast interval. Rests vary by 8 %; every check waits for its time-out.
    let length = Double(try Self.part(report, .detection).lengthNanoseconds) / 1e9
    let shortest = Double(timeout * fall) + 0.92 * Double(fall - 1) - 0.001
    let longest = Double(timeout * fall) + 1.08 * Double(fall - 1 + interval) + 0.001
    #expect(length >= shortest && length <= longest, "\(length) s, not \(shortest) to \(longest)")
    #expect(try Self.part(report, .detection).counts.timedOut > 0)
    let failedOver = try Self.part(report, .failedOver)
    #expect(failedOver.counts.failed == 0 && failedOver.counts.openedAtBackups == failedOver.counts.opened)
    #expect(report.holds)
  }

  @Test func `A check by a connection never sees it, and the report says so`() throws {
    let report = try Self.run(
      Self.pair(), [Self.step(60, nil, Self.stall("first"))], seconds: 300, length: .seconds(2), pause: .seconds(1))
    #expect(report.total.counts.openedAtBackups == 0)
    #expect(report.total.counts.avoidableFailures > 0)
    #expect(report.verdicts.filter { !$0.holds }.map(\.property) == [.noAvoidableFailure])
    #expect(report.verdicts[0].first?.text.contains("given up after 30s of silence") == true)
  }

  // MARK: Relays that end

  private static let twoRelays = """
    relays:
      - name: LB1
        listen: ["127.1.1.1:3389", "127.1.1.1:1494"]
        servers: [{name: farm, host: "127.1.1.10"}]
      - name: LB2
        listen: ["127.1.1.2:3389", "127.1.1.2:1494"]
        servers: [{name: farm, host: "127.1.1.10"}]
      - name: syslog
        listen: "127.1.1.1:1514"
        servers: [{name: log, address: "127.1.1.20:1514"}]
    """

  @Test func `A killed relay refuses its own users and nobody else`() throws {
    let report = try Self.run(
      Self.topology(Self.twoRelays), [Self.step(60, 30, .kill(TwoSites.names("LB1")))], users: 100)
    #expect(
      report.listeners.map(\.address) == [
        "127.1.1.1:3389", "127.1.1.1:1494", "127.1.1.2:3389", "127.1.1.2:1494", "127.1.1.1:1514",
      ])
    for listener in report.listeners {
      let isItsOwn = listener.relay == "LB1"
      #expect(listener.counts.cut == (isItsOwn ? 20 : 0), "\(listener)")
      #expect(listener.counts.refused == listener.counts.failed && (listener.counts.failed > 0) == isItsOwn)
      #expect(listener.counts.opened == (isItsOwn ? 40 : 20))
      guard isItsOwn else { continue }
      // It serves from its start on; users try again every 0.5 to 1.5 s.
      #expect((90_000_000_000...90_500_000_000).contains(try #require(listener.outages.first).endNanoseconds))
    }
    #expect(report.holds)
  }

  @Test func `What shares a machine falls silent with it, and its users wait`() throws {
    let report = try Self.run(
      Self.topology(Self.twoRelays), [Self.step(60, 100, .power(TwoSites.names("LB1")))], seconds: 240, users: 100)
    for listener in report.listeners {
      let isSilent = listener.relay != "LB2"
      #expect(listener.counts.cut == (isSilent ? 20 : 0), "\(listener)")
      #expect(listener.counts.timedOut == listener.counts.failed && (listener.counts.failed > 0) == isSilent)
    }
    #expect(report.holds)
  }

  @Test func `The end of a farm that two relays share is seen at both, at every port`() throws {
    let report = try Self.run(
      Self.topology(Self.twoRelays), [Self.step(60, 30, .kill(TwoSites.names("farm")))], users: 100)
    #expect(report.listeners.map(\.counts.cut) == [20, 20, 20, 20, 0])
  }

  @Test func `A restart cuts everybody and is over after its pause`() throws {
    let report = try Self.run(
      Self.topology(Self.twoRelays),
      [ScenarioStep(at: .seconds(60), fault: .restart(TwoSites.names("LB2"), pause: .seconds(2)))], users: 100)
    #expect(report.listeners.map(\.counts.cut) == [0, 0, 20, 20, 0])
    #expect(report.faults[0].untilNanoseconds == 62_000_000_000)
    #expect(report.listeners[2].outages.allSatisfy { $0.endNanoseconds < 63_000_000_000 })
  }

  private static let chain = """
    relays:
      - name: front
        listen: "127.3.0.1:8443"
        check: tls-hello
        pools: [{name: desktops, server-names: desktops.example, servers: [{name: desk, address: "127.3.0.6:3389"}]}]
      - name: desktops
        listen: "127.3.0.6:3389"
        servers: [{name: farm-1, host: "127.3.0.7"}, {name: farm-2, host: "127.3.0.8", backup: true}]
    """

  @Test func `A relay behind a relay passes on`() throws {
    let farm = try Self.run(
      Self.topology(Self.chain), [Self.step(60, nil, .kill(TwoSites.names("farm-1")))], users: 20)
    // Half of the users come by way of the front, half straight.
    #expect(farm.listeners.map(\.counts.cut) == [10, 10] && farm.total.counts.failed == 0)
    #expect(farm.total.counts.openedAtBackups == 20)
    #expect(farm.holds)
    let relay = try Self.run(
      Self.topology(Self.chain), [Self.step(60, 30, .kill(TwoSites.names("desktops")))], users: 20)
    #expect(relay.listeners.map(\.counts.cut) == [10, 10])
    #expect(relay.listeners[0].counts.closed > 0 && relay.listeners[0].counts.refused == 0)
    #expect(relay.listeners[1].counts.refused > 0 && relay.listeners[1].counts.closed == 0)
    #expect(relay.holds)
  }

  // MARK: Bounds, scenarios, seeds

  @Test
  func `A full server refuses nobody that its queue can hold, and no failure beyond that is held against anybody`()
    throws
  {
    let full = try Self.topology(
      """
      relays:
        - {name: R, listen: "127.1.1.1:25", queue: 5, timeouts: {queue: 2s}, servers: [{name: S, address: "127.1.1.9:25", max-connections: 10}]}
      """)
    let report = try Self.run(full, [])
    #expect(report.total.counts.opened == 10 && report.total.counts.closed > 100)
    #expect(report.total.counts.failedOracle == report.total.counts.failed && report.holds)
  }

  @Test func `Without scenarios everything fails once`() throws {
    func names(_ text: String) throws -> [String] {
      BuiltInScenarios.scenarios(of: try RelayNetwork(Self.topology(text))).map(\.name)
    }
    #expect(
      try names(Self.twoRelays) == [
        "kill-farm", "kill-log", "kill-LB1", "kill-LB2", "kill-syslog", "power-farm", "power-log", "power-LB1",
        "power-LB2", "power-syslog",
      ])
    #expect(
      try names(Self.chain) == [
        "kill-farm-1", "kill-farm-2", "kill-front", "kill-desktops", "power-farm-1", "power-farm-2", "power-front",
        "power-desktops",
      ])
    let hello = BuiltInScenarios.scenarios(of: try RelayNetwork(Self.pair("check: tls-hello"))).map(\.name)
    #expect(hello.suffix(2) == ["stall-first", "stall-spare"])
  }

  @Test func `The same seed gives the same report on any number of threads, another seed another`() throws {
    let topology = try Self.topology(Self.twoRelays)
    func run(seed: UInt64, threads: Int) throws -> RelaySimulationReport {
      try RelaySimulation.run(topology, options: SimulationOptions(seed: seed), threads: threads)
    }
    let one = try run(seed: 3, threads: 1)
    #expect(try run(seed: 3, threads: 2) == one)
    #expect(try run(seed: 4, threads: 2) != one)
    #expect(one.holds && one.scenarios.count == 10)
  }

  @Test func `Expectations are of connections`() throws {
    var topology = try Self.pair()
    var scenario = Scenario(name: "s")
    scenario.steps = [Self.step(60, nil, .kill(TwoSites.names("first")))]
    scenario.traffic.users = 50
    scenario.traffic.sessionLength = .seconds(36_000)
    scenario.expectations = [
      Expectation(measure: .sessionLosses, atMost: 0), Expectation(measure: .allErrors, atMost: 0),
      Expectation(measure: .p99, phase: .failedOver, atMost: 5),
    ]
    topology.scenarios = [scenario]
    let report = try RelaySimulation.run(topology, options: SimulationOptions())
    #expect(report.scenarios[0].expectations.map(\.holds) == [false, true, true])
    #expect(report.scenarios[0].expectations[0].value >= 48 && !report.holds)
  }

  @Test(arguments: [
    ("kill: farmm", "unknown relay or server \"farmm\"; did you mean \"farm\"?"),
    ("kill: [LB1, LB1]", "\"LB1\" is listed twice; remove one"),
    ("slow: LB1, by: 1s", "\"LB1\" is a relay, which a scenario can stop and nothing else"),
    ("drain: farm", "cannot be simulated in a network of relays alone"),
    ("cut: [LB1, LB2]", "there are no links between relays"),
    ("errors: farm, share: 10%", "relays do not read what servers answer"),
  ])
  func `What has no meaning there is refused with its place`(_ step: String, _ words: String) throws {
    let text =
      "geodirector: 1\nnetwork: relays\n\(Self.twoRelays)\nscenarios: [{name: s, steps: [{at: 1m, \(step)}]}]\n"
    let found = TopologyLoader.load(text: text, file: "relays.yaml").diagnostics.map(\.description)
    #expect(found.contains { $0.contains("relays.yaml:") && $0.contains(words) }, "\(found)")
  }

  @Test func `Measures of requests are refused`() throws {
    let text =
      "geodirector: 1\nnetwork: relays\n\(Self.twoRelays)\n"
      + "scenarios: [{name: s, steps: [{at: 1m, kill: farm}], expect: [{moved-back: 0}]}]\n"
    let found = TopologyLoader.load(text: text, file: "relays.yaml").diagnostics.map(\.description)
    #expect(
      found.contains { $0.contains("moved-back is about requests, and the network has relays alone") }, "\(found)")
  }
}
