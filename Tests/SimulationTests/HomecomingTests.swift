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

  /// Home is back at 240 s of 600.
  @Test func `With a delay users are led home when home has been back for as long, and not before`() throws {
    let stay = try report(.session).total.counts
    let late = try report(.after(.seconds(400))).total.counts
    #expect(late.moves == stay.moves && late.usersMoved == stay.usersMoved)
    let led = try report(.after(.seconds(60)))
    #expect(led.total.counts.moves > stay.moves)
    #expect(violations(led, .noMoveBack) == 0 && violations(led, .noNeedlessMove) == 0)
    let later = try report(.after(.seconds(250)))
    #expect(later.total.counts.moves > stay.moves)
    // Fewer are still there to be led.
    #expect(later.total.counts.moves <= led.total.counts.moves)
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
