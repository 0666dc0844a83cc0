import Routing
import Testing
import Topology

@testable import Simulation

@Suite("Cancelling")
struct CancellingTests {
  /// Requests in flight at the nodes whose name begins so, at the scenario's end.
  private func inFlight(_ prefix: String, _ run: borrowing Run) -> Int {
    var sum = 0
    for (index, pool) in run.network.pools.enumerated()
    where run.network.elements[Int(pool.node)].name.hasPrefix(prefix) {
      sum += Int(run.shared[index].loads.totalInFlight)
    }
    return sum
  }

  @Test func `Nodes behind a request that was given up give it up, too`() throws {
    var topology = TwoSites.topology
    topology.defaults.officeProxy.timeouts.server = .seconds(2)
    topology.defaults.siteDirector.timeouts.server = .seconds(500)
    topology.defaults.siteBalancer.timeouts.server = .seconds(500)
    var scenario = TwoSites.scenario(
      "slow",
      seconds: 100,
      [
        TwoSites.step(
          at: 10, .slow(.elements(TwoSites.names("SITE1", "SITE2")), added: .seconds(1_000), divided: 1))
      ])
    scenario.traffic.users = 140
    var run = Run(try NetworkModel(topology), scenario: scenario, options: SimulationOptions())
    run.run()
    let atOffices = inFlight("OP", run)
    // Nobody is answered any more: who waits at a site, waits for an office that waits, but for what is under way.
    #expect(atOffices > 10)
    #expect(abs(inFlight("SD", run) - atOffices) < 10)
    #expect(abs(inFlight("S1L", run) + inFlight("S2L", run) - atOffices) < 10)
  }
}
