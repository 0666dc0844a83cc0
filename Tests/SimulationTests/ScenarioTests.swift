import Simulation
import Testing
import Topology

/// What must come out when something fails, by the rules of docs/architecture.md.
@Suite("Scenarios")
struct ScenarioTests {
  private func violated(_ report: ScenarioReport) -> [String] {
    report.verdicts.filter { !$0.holds }.map { "\($0.property.rawValue): \($0.first?.text ?? "")" }
  }

  private func counts(_ report: ScenarioReport, _ phase: TwoSites.Phase) -> Counts {
    report.phases.first { $0.phase == phase }?.counts ?? Counts()
  }

  @Test func `An ordinary day has no errors, no moves and nothing between the sites`() {
    let report = TwoSites.run(TwoSites.scenario("calm", []))
    #expect(violated(report).isEmpty)
    #expect(report.phases.map(\.phase) == [.before])
    let counts = report.total.counts
    #expect(counts.requests > 15_000 && counts.requests < 18_000)
    #expect(counts.errors == 0 && counts.sessionsLost == 0 && counts.moves == 0 && counts.interSite == 0)
    #expect(counts.cost == counts.costOracle && counts.cost > 0)
    #expect(report.total.latency.count == counts.requests)
    // Two ways of 15 to 25 ms, two tiers within a site, 20 ms of service.
    #expect(report.total.latency.p50Nanoseconds > 35_000_000 && report.total.latency.p50Nanoseconds < 75_000_000)
  }

  @Test func `Sessions of a killed server are lost, once each, and nothing else is`() {
    let report = TwoSites.run(
      TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 240, .kill(TwoSites.names("W11")))]))
    #expect(violated(report).isEmpty)
    let counts = report.total.counts
    // A quarter of the 94 users of the first site.
    #expect(counts.sessionsLost > 12 && counts.sessionsLost < 40)
    #expect(counts.sessionsLost == counts.sessionsLostOracle)
    #expect(counts.interSite == 0)
    #expect(self.counts(report, .afterHeal).moves == 0)
    #expect(counts.avoidableErrors == 0)
  }

  @Test func `The loss of a balancer is seen by nobody`() {
    let report = TwoSites.run(
      TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 240, .kill(TwoSites.names("S1L1")))]))
    #expect(violated(report).isEmpty)
    #expect(report.total.counts.sessionsLost == 0)
    #expect(report.total.counts.avoidableErrors == 0)
    #expect(report.total.counts.moves == 0)
  }

  @Test func `Users of a site without director go on with their sessions by way of the other site`() {
    let report = TwoSites.run(
      TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 240, .kill(TwoSites.names("SD1")))]))
    #expect(violated(report).isEmpty)
    let during = counts(report, .failedOver)
    #expect(during.interSite > 1_000)
    #expect(during.interSite == during.interSiteOracle)
    #expect(report.total.counts.sessionsLost == 0)
    #expect(report.total.counts.avoidableErrors == 0)
  }

  @Test func `A cut office link is a detour for sessions and no loss`() {
    let report = TwoSites.run(
      TwoSites.scenario(
        "cut", [TwoSites.step(at: 120, lasts: 240, .cut(TwoSites.ends("OP1", "SITE1"), oneWay: false))]))
    #expect(violated(report).isEmpty)
    #expect(report.total.counts.sessionsLost == 0)
    #expect(counts(report, .failedOver).interSite > 300)
    // A GET that was on a kept connection waits for TCP_USER_TIMEOUT, then for the connect time-out.
    #expect(report.total.latency.maxNanoseconds > 3_900_000_000)
    #expect(counts(report, .afterHeal).avoidableInterSite < 10)
  }

  @Test(arguments: ["OP1>SITE1", "SITE1>OP1"]) func `A link cut one way is no worse`(way: String) {
    let ends = way.split(separator: ">").map(String.init)
    let report = TwoSites.run(
      TwoSites.scenario(
        "cut", [TwoSites.step(at: 120, lasts: 240, .cut(TwoSites.ends(ends[0], ends[1]), oneWay: true))]))
    #expect(violated(report).isEmpty)
    #expect(report.total.counts.avoidableSessionsLost == 0)
  }

  @Test func `A dead site's users go to the other and stay there`() {
    let report = TwoSites.run(
      TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 240, .kill(TwoSites.names("SITE1")))]))
    #expect(violated(report).isEmpty)
    #expect(report.total.counts.movedBack == 0)
    #expect(report.total.counts.sessionsLost == report.total.counts.sessionsLostOracle)
    #expect(counts(report, .failedOver).errors == 0)
  }

  @Test func `Servers of a site that die leave its director and balancers to say so`() {
    let report = TwoSites.run(
      TwoSites.scenario(
        "kill", [TwoSites.step(at: 120, lasts: 240, .kill(TwoSites.names("W11", "W12", "W13", "W14")))]))
    #expect(violated(report).isEmpty)
    // In flight at the failure, and a wave for each of three offices and each check interval.
    #expect(report.total.counts.avoidableInterSite < 60)
    #expect(report.total.counts.avoidableErrors == 0)
  }

  @Test func `Silence is found out by time-outs`() {
    let killed = TwoSites.run(
      TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 240, .kill(TwoSites.names("W11")))]))
    let silent = TwoSites.run(
      TwoSites.scenario("power", [TwoSites.step(at: 120, lasts: 240, .power(TwoSites.names("W11")))]))
    #expect(violated(silent).isEmpty)
    #expect(silent.total.latency.maxNanoseconds > 900_000_000)
    #expect(killed.total.latency.maxNanoseconds < 900_000_000)
  }

  @Test func `A drained server keeps its users and gets no new ones until its deadline`() {
    var scenario = TwoSites.scenario(
      "drain", [TwoSites.step(at: 120, lasts: 400, .drain(TwoSites.names("W11"), deadline: .seconds(200)))])
    scenario.traffic.sessionLength = .seconds(100_000)
    let report = TwoSites.run(scenario)
    #expect(report.total.counts.avoidableErrors == 0)
    let moves = report.series.moves.enumerated().filter { $0.element > 0 }
    let step = report.series.stepNanoseconds
    #expect(!moves.isEmpty)
    #expect(moves.allSatisfy { Int64($0.offset + 1) * step >= 320_000_000_000 })
  }

  @Test(arguments: [["W11"], ["S1L1"], ["SITE1"]])
  func `At a drain's deadline its users are moved, none before and none needlessly`(drained: [String]) {
    var scenario = TwoSites.scenario(
      "drain",
      [
        TwoSites.step(
          at: 120, lasts: 300, .drain(drained.map { Located($0) }, deadline: .milliseconds(200_000)))
      ])
    scenario.traffic.sessionLength = .seconds(100_000)
    let report = TwoSites.run(scenario)
    #expect(violated(report).isEmpty)
    #expect(report.total.counts.errors == 0)
    #expect(report.total.counts.avoidableSessionsLost == 0)
    let step = report.series.stepNanoseconds
    let early = report.series.moves.enumerated().filter { Int64($0.offset + 1) * step <= 320_000_000_000 }
    #expect(early.allSatisfy { $0.element == 0 })
    // A balancer holds no session: its users are served through the other one.
    #expect((counts(report, .failedOver).sessionsLost > 0) == (drained != ["S1L1"]))
  }

  @Test func `A rolling restart of the nodes loses no session and makes no error`() {
    let report = TwoSites.run(
      TwoSites.scenario(
        "rolling", seconds: 1_200,
        [TwoSites.step(at: 60, .rollingRestart(TwoSites.names("S1L1", "S1L2", "SD1"), pause: .seconds(30)))]))
    #expect(violated(report).isEmpty)
    #expect(report.total.counts.sessionsLost == 0)
    #expect(report.total.counts.errors == 0)
  }

  @Test func `Errors of the application are told apart`() {
    let report = TwoSites.run(
      TwoSites.scenario(
        "errors",
        [TwoSites.step(at: 100, lasts: 100, .applicationErrors(TwoSites.names("W11"), share: 0.5, status: 500))]))
    let counts = report.total.counts
    #expect(violated(report).isEmpty)
    #expect(counts.applicationErrors > 20)
    #expect(counts.errors == counts.applicationErrors && counts.avoidableErrors == 0)
  }

  @Test func `Slow servers and links make requests slower, and that is all`() {
    let report = TwoSites.run(
      TwoSites.scenario(
        "slow",
        [
          TwoSites.step(
            at: 100, lasts: 100, .slow(.elements(TwoSites.names("W11")), added: .milliseconds(700), divided: 1)),
          TwoSites.step(
            at: 300, lasts: 100, .slow(.link(TwoSites.ends("OP1", "SITE1")), added: .milliseconds(200), divided: 1)),
        ]))
    #expect(violated(report).isEmpty)
    #expect(report.total.counts.errors == 0)
    #expect(report.total.latency.maxNanoseconds > 700_000_000)
  }

  @Test func `Every element failing in turn violates nothing`() throws {
    let report = try Simulation.run(TwoSites.topology, options: SimulationOptions(seed: 5), threads: 2)
    #expect(report.scenarios.count == 8 + 4 + 2 + 2 + 2 + 7)
    for scenario in report.scenarios { #expect(violated(scenario).isEmpty, "\(scenario.name)") }
    #expect(report.holds)
  }
}
