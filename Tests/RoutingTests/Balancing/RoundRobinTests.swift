import Testing
import Topology

@testable import Routing

struct RoundRobinTests {
  static let both: [BalanceAlgorithm] = [.roundRobin, .staticRoundRobin]

  @Test(arguments: both)
  func `with weights 12 12 26 26 no server is selected twice in a row`(_ algorithm: BalanceAlgorithm) {
    let fixture = BalancingFixture(algorithm, weights: [12, 12, 26, 26])
    let sequence = fixture.sequence(76 * 20)
    for (one, next) in zip(sequence, sequence.dropFirst()) { #expect(one != next) }
  }

  @Test(arguments: both)
  func `each cycle holds each server exactly as often as its weight`(_ algorithm: BalanceAlgorithm) {
    let weights: [Int32] = [12, 12, 26, 26, 7, 1]
    let fixture = BalancingFixture(algorithm, weights: weights)
    for _ in 0..<50 { #expect(fixture.counts(84, servers: 6) == weights.map(Int.init)) }
  }

  @Test(arguments: both, [[2, 1, 1], [5, 1, 1], [1, 1, 1, 1], [3, 2, 1], [100, 1], [256, 255, 3]] as [[Int32]])
  func `at any time each server is within two of its due`(_ algorithm: BalanceAlgorithm, _ weights: [Int32]) {
    let fixture = BalancingFixture(algorithm, weights: weights)
    let total = Double(weights.reduce(0, +))
    var counts = [Double](repeating: 0, count: weights.count)
    for turn in 1...5000 {
      counts[Int(fixture.select())] += 1
      for server in weights.indices {
        #expect(abs(counts[server] - Double(turn) * Double(weights[server]) / total) < 2)
      }
    }
  }

  @Test(arguments: both)
  func `servers of equal weight are spread between the turns of a heavy one`(_ algorithm: BalanceAlgorithm) {
    #expect(Array(BalancingFixture(algorithm, weights: [2, 1, 1]).sequence(8)).filter { $0 == 0 }.count == 4)
    let sequence = BalancingFixture(algorithm, weights: [2, 1, 1]).sequence(400)
    for (one, next) in zip(sequence, sequence.dropFirst()) { #expect(one != next) }
  }

  @Test(arguments: [[1, 1], [1, 1, 1], [16, 16, 32], [2, 1, 1], [9, 9, 9, 9, 9, 9, 9]] as [[Int32]])
  func `laps that are alike hold what laps made anew would, also after a server was passed over`(_ weights: [Int32]) {
    let fixture = BalancingFixture(.roundRobin, weights: weights)
    let total = Int(
      weights.reduce(0, +) / WeightedServer.commonDivisor(weights.map { WeightedServer(index: 0, weight: $0) }))
    let first = fixture.sequence(total)
    for round in 0..<200 {
      #expect(fixture.sequence(total) == first, "round \(round)")
    }
    #expect(fixture.select(excluding: [first[0]]) != first[0])
    #expect(fixture.select() == first[0], "it keeps its turn")
    let later = fixture.counts(total * 200, servers: weights.count)
    for (count, weight) in zip(later, weights) {
      #expect(abs(count - 200 * Int(weight) * total / Int(weights.reduce(0, +))) <= 2)
    }
  }

  @Test func `a change of weights loses nobody their place`() {
    // The weight of a bystander changes after every selection: the two others still alternate evenly.
    let fixture = BalancingFixture(.roundRobin, weights: [100, 100, 1])
    var counts = [0, 0, 0]
    for turn in 0..<3000 {
      fixture.rebuild([100, 100, 1 + Int32(turn % 2)])
      counts[Int(fixture.select())] += 1
      #expect(abs(counts[0] - counts[1]) <= 2)
    }
    #expect((10...40).contains(counts[2]))
  }

  @Test func `a new weight takes effect at once`() {
    let fixture = BalancingFixture(.roundRobin, weights: [50, 50])
    _ = fixture.sequence(13)
    fixture.rebuild([10, 90])
    let counts = fixture.counts(1000, servers: 2)
    #expect(abs(counts[0] - 100) <= 1)
  }

  @Test func `a server that comes back is not given the turns it missed`() {
    let fixture = BalancingFixture(.roundRobin, weights: [10, 10, 10])
    fixture.rebuild([10, 10, 0])
    _ = fixture.sequence(1000)
    fixture.rebuild([10, 10, 10])
    let counts = fixture.counts(30, servers: 3)
    for count in counts { #expect((9...11).contains(count)) }
  }

  @Test func `a server passed over for one request keeps its turn`() {
    let fixture = BalancingFixture(.roundRobin, weights: [1, 1, 1])
    for _ in 0..<20 {
      let first = fixture.select(excluding: [0])
      #expect(first != 0)
      #expect(fixture.select() == 0)
      let third = fixture.select()
      #expect(third != 0 && third != first)
    }
  }

  @Test func `weights too many for the fixed sequence are scaled down, and no server is left out`() {
    var weights = [Int32](repeating: 4096, count: 1000)
    weights[0] = 1
    weights[1] = 4095
    let fixture = BalancingFixture(.staticRoundRobin, weights: weights)
    let counts = fixture.counts(66_000, servers: 1000)
    #expect(counts[0] >= 1)
    for count in counts.dropFirst() { #expect((60...70).contains(count)) }
  }
}
