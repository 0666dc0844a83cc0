import Testing
import Topology

@testable import Routing

/// What holds for every algorithm.
struct EveryAlgorithmTests {
  @Test(arguments: BalanceAlgorithm.allCases)
  func `an empty tier gives no server`(_ algorithm: BalanceAlgorithm) {
    let fixture = BalancingFixture(algorithm, weights: [1, 1, 1])
    fixture.rebuild([0, 0, 0])
    #expect(fixture.select() == -1)
    #expect(fixture.select(excluding: [0]) == -1)
    fixture.rebuild([0, 1, 0])
    #expect(fixture.select() == 1)
  }

  @Test(arguments: BalanceAlgorithm.allCases)
  func `a balancer that was never given a server gives none`(_ algorithm: BalanceAlgorithm) {
    let fixture = BalancingFixture(algorithm, weights: [])
    #expect(fixture.select() == -1)
    #expect(fixture.select(excluding: [0]) == -1)
  }

  @Test(arguments: BalanceAlgorithm.allCases, [4, 100])
  func `servers tried are not selected again while another is usable`(_ algorithm: BalanceAlgorithm, _ servers: Int) {
    let fixture = BalancingFixture(algorithm, weights: (0..<Int32(servers)).map { 1 + $0 * 37 % 50 })
    for _ in 0..<50 {
      var tried: [Int32] = []
      while tried.count < min(servers, TriedServers.capacity) {
        let server = fixture.select(excluding: tried)
        #expect(server >= 0 && server < Int32(servers))
        #expect(!tried.contains(server))
        tried.append(server)
      }
      if tried.count == servers { #expect(fixture.select(excluding: tried) == -1) }
    }
  }

  @Test(arguments: BalanceAlgorithm.allCases)
  func `only usable servers are selected, whatever changes`(_ algorithm: BalanceAlgorithm) {
    let servers = 90
    let fixture = BalancingFixture(algorithm, weights: [Int32](repeating: 1, count: servers))
    var random = SplitMix64(seed: 7)
    for _ in 0..<60 {
      let weights = (0..<servers).map { _ in Int32(random.below(3)) * Int32(random.below(256)) }
      fixture.rebuild(weights)
      for _ in 0..<40 {
        let server = fixture.select(excluding: random.below(4) == 0 ? [Int32(random.below(UInt32(servers)))] : [])
        #expect(weights[Int(server)] > 0)
      }
    }
  }

  @Test(arguments: BalanceAlgorithm.allCases.filter { $0 != .first && $0 != .leastConnections })
  func `users are spread in proportion to weight`(_ algorithm: BalanceAlgorithm) {
    let weights: [Int32] = [12, 12, 26, 26, 100, 1]
    let fixture = BalancingFixture(algorithm, weights: weights)
    let total = weights.reduce(0, +)
    let counts = fixture.counts(400 * Int(total), servers: weights.count)
    for server in weights.indices {
      let share = Double(counts[server]) / Double(400 * total)
      let expected = Double(weights[server]) / Double(total)
      // Rendezvous has 4096 buckets: three standard deviations of what that allows.
      #expect(abs(share - expected) < 0.003 + 0.02 * expected + (algorithm == .rendezvous ? 0.02 : 0))
    }
  }

  @Test(arguments: [BalanceAlgorithm.roundRobin, .staticRoundRobin, .source, .random, .leastConnections])
  func `two thousand servers all get their share`(_ algorithm: BalanceAlgorithm) {
    let servers = 2000
    let fixture = BalancingFixture(algorithm, weights: [Int32](repeating: 16, count: servers))
    let counts = fixture.counts(100 * servers, servers: servers)
    let even = algorithm == .roundRobin || algorithm == .staticRoundRobin || algorithm == .leastConnections
    for count in counts { #expect(even ? count == 100 : (40...170).contains(count)) }
  }
}
