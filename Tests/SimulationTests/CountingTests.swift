import Testing
import Topology

@testable import Simulation

/// What the report's numbers mean.
@Suite("Counting")
struct CountingTests {
  @Test func `A session is lost once and a user moves once, however many requests a page has`() throws {
    var scenario = TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 240, .kill(TwoSites.names("W11")))])
    scenario.traffic.parallel = 6
    scenario.traffic.sessionLength = .seconds(100_000)
    let report = TwoSites.run(scenario) { $0.tellsUsers = true }
    let counts = report.total.counts
    // A quarter of the 94 users of the first site.
    #expect(counts.sessionsLost > 12 && counts.sessionsLost < 40)
    #expect(counts.usersMoved == counts.sessionsLost && counts.moves == counts.sessionsLost)
    let told = try #require(report.perUser)
    #expect(told.reduce(0) { $0 + $1.sessionsLostAtNanoseconds.count } == Int(counts.sessionsLost))
    #expect(told.count { !$0.moves.isEmpty } == Int(counts.usersMoved))
    #expect(told.reduce(0) { $0 + $1.moves.count } == Int(counts.moves))
    #expect(report.series.moves.reduce(0, +) == UInt32(counts.moves))
    #expect(report.series.sessionsLost.reduce(0, +) == UInt32(counts.sessionsLost))
  }

  @Test func `Who moves in two parts is one user in each of them and one in all`() {
    let kills = [("W11", 100), ("W12", 200), ("W13", 300), ("W14", 400)].map { name, at in
      TwoSites.step(at: at, lasts: 20, .kill([Located(name)]))
    }
    var scenario = TwoSites.scenario("kill", kills)
    scenario.traffic.sessionLength = .seconds(100_000)
    let report = TwoSites.run(scenario)
    let counts = report.total.counts
    #expect(counts.usersMoved < counts.moves && counts.usersMoved > 40)
    #expect(counts.usersMoved <= report.phases.reduce(0) { $0 + $1.counts.usersMoved })
    for phase in report.phases { #expect(phase.counts.usersMoved <= phase.counts.moves) }
  }

  @Test func `Sessions are lost in their order, and only the first answer tells`() {
    var past = UserPast()
    #expect([1, 1, 2, 1, 2, 3].map { past.loses($0) } == [true, false, true, false, false, true])
    #expect(past.moves(inParallel: true) && !past.moves(inParallel: true))
    past.beginPage()
    #expect(past.moves(inParallel: true) && past.moves(inParallel: false))
    #expect(past.moved(in: 1) == (true, true) && past.moved(in: 1) == (false, false))
    #expect(past.moved(in: 3) == (true, false))
  }

  @Test func `The oracle never pays more than was paid`() throws {
    var scenarios = BuiltInScenarios.scenarios(of: TwoSites.topology)
    scenarios.append(
      TwoSites.scenario(
        "errors",
        [
          TwoSites.step(at: 60, lasts: 120, .applicationErrors(TwoSites.names("SITE1"), share: 0.7, status: 503)),
          TwoSites.step(at: 300, .kill(TwoSites.names("SITE1", "SITE2"))),
        ]))
    for scenario in scenarios {
      let report = TwoSites.run(scenario)
      for part in report.phases + [report.total] {
        #expect(part.counts.costOracle <= part.counts.cost, "\(scenario.name), \(part.phase)")
      }
    }
  }

  @Test func `As many ask in the first seconds as later`() {
    var scenario = TwoSites.scenario("calm", [])
    scenario.traffic.users = 3_000
    let report = TwoSites.run(scenario)
    let steps = (0..<report.series.interSite.count).map { step in
      report.series.requestsBySite.reduce(0) { $0 + Double($1[step]) }
    }
    let second = Double(report.series.stepNanoseconds) / 1e9
    let mean = steps.dropFirst(steps.count / 2).reduce(0, +) / Double(steps.count - steps.count / 2)
    // Five standard deviations of the number of independent events.
    func isUsual(_ sum: Double, of count: Double) -> Bool {
      (sum - mean * count).magnitude < 5 * (mean * count).squareRoot()
    }
    #expect(isUsual(steps[0], of: 1) && isUsual(steps[1], of: 1))
    let minute = Int(60 / second)
    #expect(isUsual(steps.prefix(minute).reduce(0, +), of: Double(minute)))
  }

  @Test func `A rolling restart is one fault until its last step is over`() throws {
    let report = TwoSites.run(
      TwoSites.scenario(
        "rolling", seconds: 900,
        [TwoSites.step(at: 60, .rollingRestart(TwoSites.names("W11", "W12", "W13"), pause: .seconds(60)))]))
    let until = try #require(report.faults.first?.untilNanoseconds)
    let after = try #require(report.phases.first { $0.phase == .afterHeal })
    #expect(after.spans == [PhaseSpan(beginNanoseconds: until, endNanoseconds: 900_000_000_000)])
    #expect(until > 180_000_000_000)
  }

  @Test func `The parts of a scenario follow each other without a gap`() throws {
    for scenario in BuiltInScenarios.scenarios(of: TwoSites.topology).suffix(6) {
      let report = TwoSites.run(scenario)
      let spans = report.phases.flatMap(\.spans).sorted { $0.beginNanoseconds < $1.beginNanoseconds }
      #expect(spans.first?.beginNanoseconds == 0)
      #expect(spans.last?.endNanoseconds == report.durationNanoseconds)
      #expect(zip(spans, spans.dropFirst()).allSatisfy { $0.endNanoseconds == $1.beginNanoseconds })
      for phase in report.phases {
        let length = phase.spans.reduce(0) { $0 + $1.endNanoseconds - $1.beginNanoseconds }
        #expect(length == phase.lengthNanoseconds)
      }
      #expect(report.total.spans.count == 1)
    }
  }

  @Test func `Faults are told as the language writes them`() {
    let one = TwoSites.names("W11")
    let two = TwoSites.names("W11", "W12")
    let ends = TwoSites.ends("SITE1", "SITE2")
    let cases: [(Fault, String)] = [
      (.kill(two), "kill W11, W12"), (.power(one), "power W11"),
      (.restart(one, pause: .milliseconds(1_500)), "restart W11, pause 1500ms"),
      (.cut(ends, oneWay: false), "cut SITE1:SITE2"), (.cut(ends, oneWay: true), "cut SITE1>SITE2"),
      (.slow(.elements(one), added: .seconds(2), divided: 1), "slow W11 by 2s"),
      (
        .slow(.link(ends), added: .milliseconds(200), divided: 10), "slow SITE1:SITE2 by 200ms, bandwidth divided by 10"
      ),
      (.slow(.link(ends), added: .zero, divided: 2.5), "slow SITE1:SITE2 bandwidth divided by 2.5"),
      (.lossy(ends, share: 0.05), "lossy SITE1:SITE2, 5% lost"),
      (.lossy(ends, share: 0.0001), "lossy SITE1:SITE2, 0.01% lost"),
      (.applicationErrors(one, share: 0.5, status: 500), "W11 answers 50% with 500"),
      (.applicationErrors(two, share: 1, status: 503), "W11, W12 answer 100% with 503"),
      (.checkFails(two), "check-fails W11, W12"),
      (.drain(one, deadline: nil), "drain W11"), (.drain(one, deadline: .seconds(60)), "drain W11, deadline 1m"),
      (.rollingRestart(two, pause: .seconds(10)), "rolling-restart W11, W12, pause 10s"),
      (.reload(TwoSites.names("SD1")), "reload SD1"),
      (
        .rollout(file: Located("n.yaml"), order: TwoSites.names("SD1", "OP1"), pause: .seconds(30)),
        "rollout n.yaml to SD1, OP1, pause 30s"
      ),
    ]
    for (fault, words) in cases { #expect(FaultText.text(of: fault) == words) }
  }
}
