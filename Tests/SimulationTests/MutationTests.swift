import Simulation
import Testing
import Topology

/// Rules switched off: each must be missed by a property that holds with it.
@Suite("Mutations")
struct MutationTests {
  private func violations(_ property: Property, _ scenario: Scenario, without behaviour: Behaviour) -> UInt64 {
    TwoSites.run(scenario, without: behaviour).verdicts.first { $0.property == property }?.violations ?? 0
  }

  @Test func `Without learning, requests go on crossing between the sites`() {
    // The checks of offices are slow, so that answers are all they can learn from.
    let scenario = TwoSites.scenario(
      "dead", [TwoSites.step(at: 121, lasts: 240, .kill(TwoSites.names("W11", "W12", "W13", "W14")))])
    #expect(violations(.interSiteBounded, scenario, without: []) == 0)
    #expect(violations(.interSiteBounded, scenario, without: .withoutLearning) > 0)
  }

  @Test func `Without faster checks after a failure, failures are seen too late`() {
    let scenario = TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 240, .kill(TwoSites.names("W11", "SD2")))])
    #expect(violations(.detectionInTime, scenario, without: []) == 0)
    #expect(violations(.detectionInTime, scenario, without: .withoutFastChecks) > 0)
  }

  @Test func `Servers that answer nothing are told, and violate nothing before the time-outs are over`() throws {
    var scenario = TwoSites.scenario(
      "hang",
      [TwoSites.step(at: 60, .slow(.elements(TwoSites.names("SITE1", "SITE2")), added: .seconds(80_000), divided: 0))])
    scenario.duration = .seconds(90)
    let report = TwoSites.run(scenario)
    #expect(report.total.counts.unanswered > 50)
    for verdict in report.verdicts { #expect(verdict.holds) }
  }

  @Test func `Without the new prefix, users are thrown back to the server they had left`() {
    let scenario = TwoSites.scenario(
      "kill", [TwoSites.step(at: 120, lasts: 120, .kill(TwoSites.names("W11")))])
    #expect(violations(.noMoveBack, scenario, without: .applicationsAdoptSessions) == 0)
    #expect(violations(.noMoveBack, scenario, without: [.applicationsAdoptSessions, .withoutPrefixRewrite]) > 0)
  }

  @Test func `Without redispatch to other tiers, users see errors until the checks have spoken`() {
    let scenario = TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 240, .kill(TwoSites.names("SD1")))])
    #expect(violations(.noAvoidableError, scenario, without: []) == 0)
    #expect(violations(.noAvoidableError, scenario, without: .withoutRedispatch) > 0)
  }

  @Test func `Without hysteresis, a lossy link sends new users away from their site`() throws {
    // Handshakes have time for lost packets here, checks have less: only belief can send a user away.
    var topology = TwoSites.topology
    topology.defaults.officeProxy.timeouts.connect = .seconds(20)
    topology.defaults.officeProxy.check.interval = .seconds(2)
    var scenario = TwoSites.scenario(
      "lossy", [TwoSites.step(at: 60, .lossy(TwoSites.ends("OP1", "SITE1"), share: 0.05))])
    scenario.traffic.sessionLength = .seconds(10)
    scenario.traffic.users = 600
    let network = try NetworkModel(topology)
    func violations(_ behaviour: Behaviour) -> UInt64 {
      var options = SimulationOptions()
      options.behaviour = behaviour
      let report = Simulation.run(network, scenario: scenario, options: options)
      return report.verdicts.first { $0.property == .newUsersStay }?.violations ?? 0
    }
    #expect(violations([]) == 0)
    #expect(violations(.withoutHysteresis) > 0)
  }

  @Test func `Without the site cookie, users who were moved go home again`() {
    let scenario = TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 120, .kill(TwoSites.names("SITE1")))])
    let report = TwoSites.run(scenario, without: .withoutSiteCookie)
    #expect(report.verdicts.contains { !$0.holds })
  }

  @Test func `With immediate failback, users are moved although their server could be reached`() {
    let scenario = TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 120, .kill(TwoSites.names("SITE1")))])
    #expect(violations(.noNeedlessMove, scenario, without: .immediateFailback) > 0)
  }
}
