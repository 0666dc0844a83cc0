import Testing
import Topology

@testable import Simulation

@Suite("Determinism")
struct DeterminismTests {
  private static let scenario = TwoSites.scenario(
    "storm",
    [
      TwoSites.step(at: 60, lasts: 100, .kill(TwoSites.names("W11", "S2L1"))),
      TwoSites.step(at: 100, lasts: 100, .lossy(TwoSites.ends("OP1", "SITE1"), share: 0.05)),
      TwoSites.step(at: 200, lasts: 100, .cut(TwoSites.ends("OP2", "SITE1"), oneWay: true)),
      TwoSites.step(at: 350, lasts: 60, .power(TwoSites.names("SD2"))),
    ])

  @Test func `The same seed gives the same report`() {
    #expect(TwoSites.run(Self.scenario, seed: 9) == TwoSites.run(Self.scenario, seed: 9))
  }

  @Test func `What is gone through at once comes out as step by step`() {
    for seed: UInt64 in 1...4 {
      var quick = TwoSites.run(Self.scenario, seed: seed)
      var slow = TwoSites.run(Self.scenario, seed: seed) { $0.stepByStep = true }
      #expect(quick.events < slow.events)
      quick.events = 0
      slow.events = 0
      #expect(quick == slow)
    }
  }

  @Test func `Another seed gives another`() {
    #expect(TwoSites.run(Self.scenario, seed: 9).total != TwoSites.run(Self.scenario, seed: 10).total)
  }

  @Test func `Threads change nothing`() throws {
    var topology = TwoSites.topology
    topology.scenarios = (0..<6).map { number in
      var scenario = Self.scenario
      scenario.name = "storm-\(number)"
      scenario.seed = UInt64(number)
      return scenario
    }
    let alone = try Simulation.run(topology, options: SimulationOptions(), threads: 1)
    let together = try Simulation.run(topology, options: SimulationOptions(), threads: 2)
    #expect(alone == together)
    #expect(alone.scenarios.map(\.name) == topology.scenarios.map(\.name))
  }

  @Test func `Tracing a user changes nothing but the trace`() {
    var traced = TwoSites.run(Self.scenario, seed: 9) { $0.traceUser = 3 }
    let plain = TwoSites.run(Self.scenario, seed: 9)
    #expect(traced.trace?.requests.isEmpty == false)
    traced.trace = nil
    #expect(traced == plain)
  }

  @Test func `More users at one office leave those of the others alone`() throws {
    var topology = TwoSites.topology
    for index in topology.offices.indices { topology.offices[index].traffic.users = 20 }
    let few = try Simulation.run(
      NetworkModel(topology), scenario: TwoSites.scenario("calm", []), options: traced(user: 45))
    topology.offices[0].traffic.users = 25
    let more = try Simulation.run(
      NetworkModel(topology), scenario: TwoSites.scenario("calm", []), options: traced(user: 50))
    #expect(
      few.trace?.requests.map(\.beganNanoseconds).prefix(5) == more.trace?.requests.map(\.beganNanoseconds).prefix(5))
  }

  private func traced(user: Int) -> SimulationOptions {
    var options = SimulationOptions()
    options.traceUser = user
    return options
  }
}
