import Simulation
import Testing
import Topology

/// How large the other site has to be (rule C6): who is left carries everybody, and does not fall in turn.
@Suite("Size of the other site")
struct SiteSizeTests {
  private static let users = 1_200

  /// Two sites whose second has servers for so many requests a second in all; the first has plenty.
  private func network(secondServes rate: Double) throws -> NetworkModel {
    var topology = TwoSites.topology
    // Each of the four servers makes `concurrency` answers at a time.
    let concurrency = 10
    let seconds = Double(topology.sites[1].servers.count * concurrency) / rate
    for position in topology.sites[1].servers.indices {
      topology.sites[1].servers[position].service.serviceTime = .milliseconds(Int(seconds * 1_000))
      topology.sites[1].servers[position].service.concurrency = concurrency
      topology.sites[1].servers[position].service.queue = 200
    }
    return try NetworkModel(topology)
  }

  private func run(_ network: NetworkModel, _ steps: [ScenarioStep]) -> ScenarioReport {
    var scenario = TwoSites.scenario("size", seconds: 600, steps)
    scenario.traffic.users = Self.users
    return Simulation.run(network, scenario: scenario, options: SimulationOptions(seed: 1))
  }

  @Test func `A site sized at 120 % takes all users of a failed one and does not collapse`() throws {
    let calm = run(TwoSites.network, [])
    let demand = Double(calm.total.counts.requests) / 600
    let report = run(
      try network(secondServes: demand * 1.2), [TwoSites.step(at: 120, lasts: 240, .kill(TwoSites.names("SITE1")))])
    let during = try #require(report.phases.first { $0.phase == .failedOver })
    #expect(during.counts.errors == 0)
    #expect(during.counts.applicationErrors == 0)
    // All of the demand is served.
    let seconds = Double(during.lengthNanoseconds) / 1e9
    #expect(Double(during.counts.requests) / seconds > demand * 0.9)
    // Answers take their time, not the time of queues that grow.
    #expect(during.latency.p99Nanoseconds < 5_000_000_000)
    #expect(report.total.counts.avoidableErrors == 0)
    #expect(report.total.counts.avoidableSessionsLost == 0)
  }

  @Test func `A site sized at half of the demand shows what a collapse looks like`() throws {
    let calm = run(TwoSites.network, [])
    let demand = Double(calm.total.counts.requests) / 600
    let report = run(
      try network(secondServes: demand * 0.5), [TwoSites.step(at: 120, lasts: 240, .kill(TwoSites.names("SITE1")))])
    let during = try #require(report.phases.first { $0.phase == .failedOver })
    #expect(during.counts.errors + during.counts.applicationErrors > 0 || during.latency.p99Nanoseconds > 5_000_000_000)
  }
}
