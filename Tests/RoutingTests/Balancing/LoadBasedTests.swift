import Testing
import Topology

@testable import Routing

/// leastconn, first, random: the algorithms that look at loads.
struct LoadBasedTests {
  @Test(arguments: [4, 64, 65, 500, 2000])
  func `leastconn fills servers in proportion to weight`(_ servers: Int) {
    let weights = (0..<servers).map { Int32(1 + $0 % 4) }
    let fixture = BalancingFixture(.leastConnections, weights: weights)
    let total = weights.reduce(0) { $0 + Int($1) }
    for _ in 0..<(20 * total) { #expect(fixture.loads.reserve(fixture.select())) }
    for server in weights.indices {
      let due = 20 * Double(weights[server])
      #expect(abs(Double(fixture.loads.inFlight(Int32(server))) - due) <= 1 + 0.1 * due)
    }
  }

  @Test func `leastconn gives one heavy server among two thousand its share`() {
    var weights = [Int32](repeating: 1, count: 2000)
    weights[1234] = 256
    let fixture = BalancingFixture(.leastConnections, weights: weights)
    for _ in 0..<(2255 * 4) { #expect(fixture.loads.reserve(fixture.select())) }
    #expect(abs(fixture.loads.inFlight(1234) - 1024) < 60)
  }

  @Test(arguments: [3, 200])
  func `leastconn breaks ties round robin`(_ servers: Int) {
    let fixture = BalancingFixture(.leastConnections, weights: [Int32](repeating: 1, count: servers))
    #expect(fixture.counts(10 * servers, servers: servers) == [Int](repeating: 10, count: servers))
  }

  @Test(arguments: [4, 1000])
  func `leastconn finds the one idle server among busy ones`(_ servers: Int) {
    let fixture = BalancingFixture(.leastConnections, weights: [Int32](repeating: 1, count: servers))
    for server in 0..<Int32(servers) where server != 2 { #expect(fixture.loads.reserve(server)) }
    let found = (0...servers / 4).first { _ in fixture.select() == 2 }
    #expect(found != nil)
  }

  @Test func `leastconn stays even while requests come and go`() {
    let servers = 300
    let fixture = BalancingFixture(.leastConnections, weights: [Int32](repeating: 1, count: servers))
    var held: [Int32] = []
    var random = SplitMix64(seed: 3)
    for _ in 0..<30_000 {
      if held.count >= 1500 { fixture.loads.release(held.remove(at: Int(random.below(UInt32(held.count))))) }
      let server = fixture.select()
      #expect(fixture.loads.reserve(server))
      held.append(server)
    }
    // Five each on average.
    for server in 0..<Int32(servers) { #expect((1...7).contains(fixture.loads.inFlight(server))) }
  }

  @Test func `first selects the lowest server with a free slot`() {
    let fixture = BalancingFixture(.first, weights: [1, 1, 1], limits: [2, 1, 5])
    let expected: [Int32] = [0, 0, 1, 2, 2, 2, 2, 2]
    for server in expected {
      #expect(fixture.select() == server)
      #expect(fixture.loads.reserve(server))
    }
    #expect(fixture.select() == 0, "all full: the first")
    #expect(fixture.select(excluding: [0]) == 1)
    fixture.loads.release(1)
    #expect(fixture.select() == 1)
    fixture.loads.release(0)
    #expect(fixture.select() == 0)
    #expect(fixture.select(excluding: [0]) == 1)
  }

  @Test func `first passes over hundreds of full servers`() {
    let fixture = BalancingFixture(
      .first, weights: [Int32](repeating: 1, count: 500), limits: [Int32](repeating: 1, count: 500))
    for server in 0..<Int32(500) {
      #expect(fixture.select() == server)
      #expect(fixture.loads.reserve(server))
    }
    fixture.loads.release(321)
    #expect(fixture.select() == 321)
    fixture.loads.release(77)
    #expect(fixture.select() == 77)
    #expect(fixture.loads.reserve(77))
    #expect(fixture.select() == 321)
  }

  @Test func `first takes a server without limit always`() {
    let fixture = BalancingFixture(.first, weights: [1, 1])
    for _ in 0..<1000 {
      #expect(fixture.select() == 0)
      #expect(fixture.loads.reserve(0))
    }
  }

  @Test func `random of two choices keeps loads close together`() {
    let fixture = BalancingFixture(.random, weights: [Int32](repeating: 1, count: 200))
    for _ in 0..<20_000 { #expect(fixture.loads.reserve(fixture.select())) }
    for server in 0..<Int32(200) { #expect((90...106).contains(fixture.loads.inFlight(server))) }
  }

  @Test func `random takes the less loaded of two`() {
    let fixture = BalancingFixture(.random, weights: [1, 1])
    for _ in 0..<10 { #expect(fixture.loads.reserve(0)) }
    // Server 0 only when it is drawn twice: one time in four.
    let counts = fixture.counts(4000, servers: 2)
    #expect((800...1200).contains(counts[0]))
  }
}
