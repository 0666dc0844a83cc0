import Routing
import Testing
import Topology

@testable import Simulation

/// Relays by way of which monitors and admission ports are asked.
@Suite("Relays")
struct RelayTests {
  private static func address(_ a: Int, _ b: Int, _ c: Int, _ port: UInt16) -> Located<Address> {
    Located(.ipv4(UInt32(127 << 24 | a << 16 | b << 8 | c), port: port))
  }

  private static func relay(_ name: String, _ listen: Located<Address>, _ to: Located<Address>) -> Relay {
    var relay = Relay(name: name)
    relay.listen = [Listen(address: listen, isPublic: false)]
    var server = RelayServer(name: "behind")
    server.address = to
    relay.servers = [server]
    return relay
  }

  /// The two sites; one relay makes W11's admission port, one S1L1's port for checks, and one has nothing to do with checks.
  private static func topology(_ check: ApplicationCheck = .http(.standard)) -> Topology {
    var topology = TwoSites.topology
    topology.applications[0].check = check
    topology.sites[0].balancers[0].monitor = address(1, 1, 11, 8082)
    topology.sites[0].balancers[0].monitorAdvertised = address(1, 1, 11, 8081)
    topology.relays = [
      relay("W11-admission", address(1, 2, 1, 8081), address(1, 2, 1, 8080)),
      relay("S1L1-health", address(1, 1, 11, 8081), address(1, 1, 11, 8082)),
      relay("mail", address(1, 9, 1, 25), address(1, 9, 2, 25)),
    ]
    return topology
  }

  /// What a node believes of a candidate at the end of a run.
  private struct Belief: Equatable {
    var takesNewUsers: Bool
    var takesOwnUsers: Bool
    var admissionCheckPasses: Bool?
  }

  /// What `node` believes of `target` so many milliseconds after a fault at 10 s that lasts for `lasts` milliseconds, or to the end.
  private static func belief(
    of target: String, at node: String, milliseconds: Int64, lasts: Int64? = nil, _ fault: Fault,
    _ check: ApplicationCheck = .http(.standard)
  ) throws -> Belief {
    let network = try NetworkModel(topology(check))
    var scenario = Scenario(name: "relay", duration: .milliseconds(10_000 + milliseconds))
    scenario.steps = [ScenarioStep(at: .seconds(10), lasts: lasts.map { .milliseconds($0) }, fault: fault)]
    var run = Run(network, scenario: scenario, options: SimulationOptions(seed: 1))
    run.run()
    let element = try #require(network.element(named: target))
    let asking = try #require(network.element(named: node))
    let user = try #require(network.users[element].first { network.pools[Int($0.pool)].node == asking })
    let health = run.health[run.position(user.pool, user.server)]
    return Belief(
      takesNewUsers: health.takesNewUsers, takesOwnUsers: health.takesOwnUsers,
      admissionCheckPasses: health.admissionCheck?.isUp)
  }

  /// The first tenth of a second after the fault at which a node has noticed it.
  private static func noticed(_ target: String, at node: String, _ fault: Fault) throws -> Int64 {
    var milliseconds: Int64 = 0
    while milliseconds < 60_000 {
      milliseconds += 100
      if try !belief(of: target, at: node, milliseconds: milliseconds, fault).takesNewUsers { return milliseconds }
    }
    return .max
  }

  @Test func `Without its relay a server has its own users only`() throws {
    let kill = Fault.kill(TwoSites.names("W11-admission"))
    let before = try Self.belief(of: "W11", at: "S1L1", milliseconds: 1, kill)
    #expect(before.takesNewUsers && before.takesOwnUsers)
    let after = try Self.belief(of: "W11", at: "S1L1", milliseconds: 60_000, kill)
    #expect(!after.takesNewUsers && after.takesOwnUsers)
    let back = try Self.belief(of: "W11", at: "S1L1", milliseconds: 120_000, lasts: 60_000, kill)
    #expect(back.takesNewUsers && back.takesOwnUsers)
    // Others have a port of their own.
    #expect(try Self.belief(of: "W12", at: "S1L1", milliseconds: 60_000, kill).takesNewUsers)
  }

  @Test func `Without its relay a balancer is down for the directors, and nobody loses anything`() throws {
    let kill = Fault.kill(TwoSites.names("S1L1-health"))
    for director in ["SD1", "SD2"] {
      #expect(try Self.belief(of: "S1L1", at: director, milliseconds: 1, kill).takesOwnUsers)
      #expect(try !Self.belief(of: "S1L1", at: director, milliseconds: 60_000, kill).takesOwnUsers)
      #expect(try Self.belief(of: "S1L1", at: director, milliseconds: 180_000, lasts: 60_000, kill).takesOwnUsers)
    }
    let report = Simulation.run(
      try NetworkModel(Self.topology()),
      scenario: TwoSites.scenario("kill", [TwoSites.step(at: 120, lasts: 240, kill)]),
      options: SimulationOptions(seed: 1))
    #expect(report.verdicts.allSatisfy { $0.holds })
    #expect(report.total.counts.errors == 0 && report.total.counts.sessionsLost == 0)
    #expect(report.phases.map(\.phase) == [.before, .detection, .failedOver, .afterHeal])
  }

  @Test(arguments: [("W11-admission", "W11", "S1L1"), ("S1L1-health", "S1L1", "SD1")])
  func `A relay's silence is noticed later than its end, by the time-outs of the checks`(
    relay: String, target: String, node: String
  ) throws {
    let killed = try Self.noticed(target, at: node, .kill(TwoSites.names(relay)))
    let silent = try Self.noticed(target, at: node, .power(TwoSites.names(relay)))
    let pools = try NetworkModel(Self.topology()).pools
    let checks = pools.flatMap(\.checks).filter { $0.relay >= 0 }
    #expect(!checks.isEmpty)
    let bound = checks.map(\.detectionBound).max() ?? 0
    #expect(killed < silent && silent <= bound / 1_000_000 + 100)
  }

  @Test func `A connection to a relay tells nothing of the server behind it`() throws {
    let kill = Fault.kill(TwoSites.names("W11"))
    let asked = try Self.belief(of: "W11", at: "S1L1", milliseconds: 60_000, kill)
    #expect(!asked.takesOwnUsers && asked.admissionCheckPasses == false)
    let connected = try Self.belief(of: "W11", at: "S1L1", milliseconds: 60_000, kill, .tcp)
    #expect(!connected.takesOwnUsers && connected.admissionCheckPasses == true)
    // It stands on the server's machine.
    let unpowered = try Self.belief(
      of: "W11", at: "S1L1", milliseconds: 60_000, .power(TwoSites.names("W11")), .tcp)
    #expect(unpowered.admissionCheckPasses == false)
  }

  @Test(arguments: [ApplicationCheck.http(.standard), .tcp])
  func `Who drains a server stops its relay`(check: ApplicationCheck) throws {
    let drain = Fault.drain(TwoSites.names("W11"), deadline: nil)
    let drained = try Self.belief(of: "W11", at: "S1L1", milliseconds: 60_000, drain, check)
    #expect(!drained.takesNewUsers && drained.takesOwnUsers)
  }

  @Test func `A site takes its relays with it`() throws {
    let network = try NetworkModel(Self.topology())
    #expect(network.relays.map(\.name) == ["W11-admission", "S1L1-health"])
    #expect(network.relays(named: "SITE1") == [0, 1] && network.relays(named: "SITE2") == [])
    let scenario = TwoSites.scenario("kill", seconds: 60, [TwoSites.step(at: 10, .kill(TwoSites.names("SITE1")))])
    var run = Run(network, scenario: scenario, options: SimulationOptions(seed: 1))
    run.run()
    #expect(run.world.relays.allSatisfy { !$0.isUp })
  }

  @Test func `Each relay of checks fails once among the built-in scenarios, and every property holds`() throws {
    let topology = Self.topology()
    let found = BuiltInScenarios.scenarios(of: topology).filter {
      $0.name.contains("-admission") || $0.name.contains("-health")
    }
    #expect(found.map(\.name) == ["kill-W11-admission", "kill-S1L1-health"])
    #expect(!BuiltInScenarios.scenarios(of: topology).contains { $0.name == "kill-mail" })
    for scenario in found {
      #expect(topology.errors(in: scenario).isEmpty)
      let report = Simulation.run(try NetworkModel(topology), scenario: scenario, options: SimulationOptions(seed: 1))
      #expect(report.verdicts.allSatisfy { $0.holds })
      #expect(report.total.counts.errors == 0 && report.total.counts.sessionsLost == 0)
    }
  }

  @Test func `Random schedules with relays hold`() throws {
    let report = Exploration.run(
      try NetworkModel(Self.topology()), count: 40, options: SimulationOptions(seed: 3), threads: 2)
    #expect(report.holds)
  }

  @Test(arguments: [
    (Fault.drain(TwoSites.names("W11-admission"), deadline: nil), "a scenario can stop and nothing else"),
    (.kill(TwoSites.names("mail")), "its end shows nothing"),
    (.kill(TwoSites.names("S1L1-healt")), "unknown element"),
    (.power(TwoSites.names("S1L1-health", "S1L1-health")), "listed twice"),
    (.rollingRestart(TwoSites.names("S1L1-health"), pause: .seconds(1)), "a scenario can stop and nothing else"),
  ])
  func `What cannot be done to a relay is told`(fault: Fault, words: String) {
    let found = Self.topology().errors(in: TwoSites.scenario("bad", [TwoSites.step(at: 10, lasts: 10, fault)]))
    #expect(found.count == 1 && found[0].message.contains(words))
    if words == "unknown element" { #expect(found[0].mend == "did you mean \"S1L1-health\"?") }
  }

  @Test func `Two stops of a relay at a time are an error`() {
    let kill = Fault.kill(TwoSites.names("S1L1-health"))
    let steps = [TwoSites.step(at: 10, lasts: 20, kill), TwoSites.step(at: 15, lasts: 20, kill)]
    let found = Self.topology().errors(in: TwoSites.scenario("bad", steps))
    #expect(found.count == 1 && found[0].message.contains("is down until"))
  }
}
