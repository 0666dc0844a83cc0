import Simulation
import Testing
import Topology

/// What the operator asked for is no fault: `failback: immediate` leads users home.
@Suite("Homecomings")
struct HomecomingTests {
  private func report(_ failback: Failback, without behaviour: Behaviour = []) throws -> ScenarioReport {
    var topology = TwoSites.topology
    topology.defaults.siteDirector.failback = Located(failback)
    topology.defaults.officeProxy.failback = Located(failback)
    var options = SimulationOptions(seed: 1)
    options.behaviour = behaviour
    let scenario = TwoSites.scenario("dark", [TwoSites.step(at: 120, lasts: 120, .power(TwoSites.names("SITE1")))])
    return Simulation.run(try NetworkModel(topology), scenario: scenario, options: options)
  }

  private func violations(_ report: ScenarioReport, _ property: Property) -> UInt64 {
    report.verdicts.first { $0.property == property }?.violations ?? 0
  }

  @Test func `Users who are led home violate nothing where the file says so, and are moved`() throws {
    let report = try report(.immediate)
    #expect(violations(report, .noMoveBack) == 0 && violations(report, .noNeedlessMove) == 0)
    #expect(report.total.counts.movedBack == 0)
    // Away, and home again.
    #expect(report.total.counts.moves > report.total.counts.usersMoved)
  }

  @Test func `Where the file keeps sessions, the same moves violate`() throws {
    let report = try report(.session, without: .immediateFailback)
    #expect(violations(report, .noMoveBack) + violations(report, .noNeedlessMove) > 0)
  }

  @Test func `Within a site nobody is led anywhere`() throws {
    var topology = TwoSites.topology
    topology.defaults.siteDirector.failback = Located(.immediate)
    var options = SimulationOptions(seed: 1)
    options.behaviour = [.applicationsAdoptSessions, .withoutPrefixRewrite]
    let scenario = TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 120, .kill(TwoSites.names("W11")))])
    let report = Simulation.run(try NetworkModel(topology), scenario: scenario, options: options)
    #expect(violations(report, .noMoveBack) > 0)
  }
}
