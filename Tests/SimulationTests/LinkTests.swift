import Testing
import Topology

@testable import Simulation

@Suite("Links")
struct LinkTests {
  private func network(_ change: (inout Topology) -> Void) throws -> NetworkModel {
    var topology = TwoSites.topology
    change(&topology)
    return try NetworkModel(topology)
  }

  private func path(_ network: NetworkModel, _ from: String, _ to: String) throws -> Path {
    let first = try #require(network.place(named: from))
    let second = try #require(network.place(named: to))
    return try #require(network.link(between: first, and: second))
  }

  @Test func `Bytes take the latency where nothing bounds them`() throws {
    let network = try network { _ in }
    let path = try path(network, "OP1", "SITE1")
    var world = World(network, seed: 1)
    #expect(world.transmit(path, towardsCandidate: true, bytes: 1_000_000, now: 5) == 5 + 15_000_000)
  }

  @Test func `Bytes wait for those before them in the same direction`() throws {
    // 8 Mbit/s: a microsecond a byte.
    let network = try network { $0.links[0].bandwidth = 8_000_000 }
    let path = try path(network, "OP1", "SITE1")
    var world = World(network, seed: 1)
    #expect(world.transmit(path, towardsCandidate: true, bytes: 1_000, now: 0) == 16_000_000)
    #expect(world.transmit(path, towardsCandidate: true, bytes: 1_000, now: 0) == 17_000_000)
    #expect(world.transmit(path, towardsCandidate: false, bytes: 1_000, now: 0) == 16_000_000)
    #expect(world.transmit(path, towardsCandidate: true, bytes: 1_000, now: 50_000_000) == 66_000_000)
  }

  @Test func `A lost packet costs a retransmission time-out`() throws {
    let network = try network { $0.links[0].loss = 0.5 }
    let path = try path(network, "OP1", "SITE1")
    var world = World(network, seed: 1)
    var delays: [Int64] = []
    for _ in 0..<200 { delays.append(world.transmit(path, towardsCandidate: true, bytes: 100, now: 0) - 15_000_000) }
    #expect(delays.contains(0))
    #expect(delays.filter { $0 > 0 }.allSatisfy { $0 >= ModelTimes.retransmission })
    #expect(delays.count { $0 == 0 } > 60 && delays.count { $0 == 0 } < 140)
  }

  @Test func `A link that the file does not declare follows from the distance`() throws {
    let network = try network { topology in
      topology.links = []
      // Brussels and New York, some 5,900 km apart.
      topology.sites[0].place = Location(latitude: 50.85, longitude: 4.35)
      topology.sites[1].place = Location(latitude: 40.71, longitude: -74.01)
    }
    let between = try path(network, "SITE1", "SITE2")
    let latency = network.links[Int(between.link)].latency
    #expect(latency > 42_000_000 && latency < 47_000_000)
    let office = try path(network, "OP1", "SITE1")
    #expect(network.links[Int(office.link)].latency == ModelTimes.undeclaredLatency)
  }
}
