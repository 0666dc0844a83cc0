import Simulation
import Testing
import Topology

/// Sites without directors, whose users ask the balancers.
@Suite("Users at balancers")
struct BalancerEntryTests {
  private static let topology: Topology = {
    var topology = TwoSites.topology
    topology.offices = []
    topology.links = []
    topology.sites.removeLast()
    topology.sites[0].directors = []
    return topology
  }()

  private static func report() throws -> SimulationReport {
    var topology = topology
    topology.scenarios = BuiltInScenarios.scenarios(of: topology)
    return try Simulation.run(topology, named: nil, options: SimulationOptions(seed: 3), threads: 1)
  }

  @Test func `Whatever fails they are served as long as a balancer and a server are left`() throws {
    let report = try Self.report()
    #expect(report.holds)
    #expect(report.scenarios.count > 7)
    for scenario in report.scenarios {
      #expect(scenario.users == 140)
      #expect(scenario.total.counts.requests > 10_000, "\(scenario.name)")
      let isWhole = scenario.name.hasSuffix("SITE1")
      #expect((scenario.total.counts.errors > 1_000) == isWhole, "\(scenario.name): \(scenario.total.counts.errors)")
      if !isWhole { #expect(scenario.total.counts.errors < 20, "\(scenario.name): \(scenario.total.counts.errors)") }
      // Only what was at a server that died, or with all of them, is lost.
      let loses = scenario.name.hasPrefix("kill-W") || isWhole
      #expect(
        (scenario.total.counts.sessionsLost > 0) == loses, "\(scenario.name): \(scenario.total.counts.sessionsLost)")
      #expect(scenario.total.counts.interSite == 0)
      #expect(scenario.total.counts.avoidableErrors < 20)
    }
  }
}
