import Testing
import Topology

@testable import Simulation

/// Each way does the harm that it is there to show, and no way but by what it is.
@Suite("Comparison")
struct ComparisonTests {
  private static func compare(
    _ scenario: Scenario, _ change: (inout Topology, inout SimulationOptions) -> Void = { _, _ in }
  ) throws -> ComparedScenario {
    var topology = TwoSites.topology
    var options = SimulationOptions()
    topology.scenarios = [scenario]
    change(&topology, &options)
    return try #require(Comparison.run(topology, options: options, threads: 2).scenarios.first)
  }

  private func counts(_ scenario: ComparedScenario, _ way: Way) -> Counts { scenario[way].total.counts }

  @Test func `Our own way is the plain run`() throws {
    let scenario = TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 120, .kill(TwoSites.names("SD1")))])
    let compared = try Self.compare(scenario)
    #expect(compared.ours == TwoSites.run(scenario) { $0.tracesViolations = false })
  }

  @Test func `Where nothing fails all ways serve the same users alike`() throws {
    let compared = try Self.compare(TwoSites.scenario("calm", []))
    for way in Way.allCases {
      let counts = counts(compared, way)
      #expect(counts.errors == 0 && counts.sessionsLost == 0 && counts.moves == 0 && counts.interSite == 0, "\(way)")
      let difference = Int(counts.requests) - Int(compared.ours.total.counts.requests)
      #expect(abs(difference) <= Int(counts.requests) / 500, "\(way)")
    }
  }

  @Test func `The same users ask for the first page at the same time under every way`() {
    let scenario = TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 120, .kill(TwoSites.names("SITE1")))])
    let firsts = Way.allCases.map { way in
      TwoSites.run(scenario, without: way.behaviour) { $0.traceUser = 7 }.trace?.requests.first?.beganNanoseconds
    }
    #expect(firsts[0] != nil && Set(firsts).count == 1)
  }

  @Test func `By the guide users see errors until the checks have spoken`() throws {
    let compared = try Self.compare(
      TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 240, .kill(TwoSites.names("SD1")))]))
    #expect(counts(compared, .ours).avoidableErrors == 0)
    // 100 users prefer SITE1 and click every five seconds; three checks, 30 seconds apart, take a minute at least.
    #expect((1_000...2_000).contains(counts(compared, .guide).avoidableErrors))
  }

  @Test func `By the guide users of a dead server are thrown back to it where applications set no cookie`() throws {
    let compared = try Self.compare(
      TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 120, .kill(TwoSites.names("W11")))])
    ) { $1.behaviour = .applicationsAdoptSessions }
    #expect(counts(compared, .ours).movedBack == 0 && counts(compared, .ours).avoidableSessionsLost == 0)
    #expect(counts(compared, .guide).movedBack > 0)
    #expect(counts(compared, .guide).sessionsLost > counts(compared, .ours).sessionsLost)
    #expect(counts(compared, .guide).avoidableSessionsLost > 0)
  }

  @Test func `By the guide an outage as long as its detection costs sessions that live`() throws {
    // The director sees its balancers down when they are back, and takes eight seconds to see them up again.
    let compared = try Self.compare(
      TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 13, .kill(TwoSites.names("S1L1", "S1L2")))]))
    #expect(counts(compared, .ours).avoidableSessionsLost == 0)
    #expect(counts(compared, .guide).avoidableSessionsLost > 20)
  }

  @Test func `By the guide new users go by the site that cannot serve them for as long as it cannot`() throws {
    let compared = try Self.compare(
      TwoSites.scenario(
        "dead", [TwoSites.step(at: 121, lasts: 400, .kill(TwoSites.names("W11", "W12", "W13", "W14")))])
    ) { topology, _ in topology.traffic.sessionLength = .seconds(20) }
    #expect(counts(compared, .guide).avoidableInterSite > 2 * counts(compared, .ours).avoidableInterSite)
  }

  @Test func `Without a site cookie users lose their sessions whenever their site comes back`() throws {
    let compared = try Self.compare(
      TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 120, .kill(TwoSites.names("SITE1")))]))
    #expect(counts(compared, .ours).avoidableSessionsLost == 0 && counts(compared, .ours).movedNeedlessly == 0)
    #expect(counts(compared, .noSiteCookie).avoidableSessionsLost > 50)
    #expect(counts(compared, .noSiteCookie).movedNeedlessly > 50)
  }

  @Test func `Who returns at once loses the session`() throws {
    let compared = try Self.compare(
      TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 120, .kill(TwoSites.names("SITE1")))]))
    #expect(counts(compared, .returnAtOnce).avoidableErrors == 0)
    #expect(counts(compared, .returnAtOnce).movedNeedlessly > 50)
    #expect(counts(compared, .returnAtOnce).avoidableSessionsLost == counts(compared, .returnAtOnce).movedNeedlessly)
  }

  @Test func `Threads change nothing`() throws {
    var topology = TwoSites.topology
    topology.scenarios = ["SD1", "W21"].map { name in
      TwoSites.scenario(name, [TwoSites.step(at: 60, lasts: 100, .power(TwoSites.names(name)))])
    }
    let options = SimulationOptions(seed: 4)
    let alone = try Comparison.run(topology, options: options, threads: 1)
    #expect(try alone == Comparison.run(topology, options: options, threads: 3))
    #expect(alone.scenarios.map(\.ours.name) == ["SD1", "W21"])
    #expect(alone.total(.ours).requests == alone.scenarios.reduce(0) { $0 + $1.ours.total.counts.requests })
  }
}
