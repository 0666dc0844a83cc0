import Testing
import Topology

@testable import Routing

/// source and rendezvous: the algorithms that look at the key.
struct HashBasedTests {
  /// The winner's name for each of many keys.
  private func names(_ fixture: BalancingFixture, _ names: [String], keys: Int = 20_000) -> [String] {
    var random = SplitMix64(seed: 99)
    return (0..<keys).map { _ in
      let server = fixture.select(session: random.next() | 1)
      return server < 0 ? "" : names[Int(server)]
    }
  }

  @Test(arguments: [BalanceAlgorithm.source, .rendezvous])
  func `a client meets the same server while the set is the same`(_ algorithm: BalanceAlgorithm) {
    let weights: [Int32] = [3, 5, 7, 9]
    let fixture = BalancingFixture(algorithm, weights: weights)
    var random = SplitMix64(seed: 5)
    for _ in 0..<500 {
      let client = random.next()
      let server = fixture.select(client: client)
      fixture.rebuild(weights)
      #expect(fixture.select(client: client) == server)
      let other = fixture.select(client: client, excluding: [server])
      #expect(other != server)
      #expect(fixture.select(client: client, excluding: [server]) == other)
    }
  }

  @Test(arguments: [4, 40])
  func `rendezvous chooses alike in two processes that hold the servers in another order`(_ servers: Int) {
    let forward = (0..<servers).map { "W\($0)" }
    let backward = Array(forward.reversed())
    let weights = (0..<servers).map { Int32(1 + $0 % 5) }
    let one = BalancingFixture(.rendezvous, weights: weights, names: forward)
    let other = BalancingFixture(.rendezvous, weights: weights.reversed(), names: backward)
    #expect(names(one, forward) == names(other, backward))
  }

  @Test(arguments: [5, 40], [false, true])
  func `rendezvous moves only the keys of a server that goes, and moves them back when it returns`(
    _ servers: Int, _ asked: Bool
  ) {
    let all = (0..<servers).map { "W\($0)" }
    let weights = (0..<servers).map { Int32(10 + $0) }
    let fixture = BalancingFixture(.rendezvous, weights: weights)
    let before = names(fixture, all)
    for gone in 0..<servers {
      var without = weights
      without[gone] = 0
      fixture.rebuild(without)
      if asked || gone == 0 {
        let after = names(fixture, all)
        for (old, new) in zip(before, after) {
          if old == all[gone] { #expect(new != old) } else { #expect(new == old) }
        }
        let heirs = Set(zip(before, after).filter { $0.0 == all[gone] }.map { $0.1 })
        #expect(heirs.count >= servers / 2, "the keys are spread over the others")
      }
      fixture.rebuild(weights)
    }
    #expect(names(fixture, all) == before)
  }

  @Test func `rendezvous gives the second choice to a request that tried the first, as if that had gone`() {
    let weights: [Int32] = [4, 4, 4, 4, 8]
    let whole = BalancingFixture(.rendezvous, weights: weights)
    var random = SplitMix64(seed: 8)
    for _ in 0..<500 {
      let session = random.next() | 1
      let winner = whole.select(session: session)
      let rest = BalancingFixture(.rendezvous, weights: weights)
      var without = weights
      without[Int(winner)] = 0
      rest.rebuild(without)
      #expect(whole.select(session: session, excluding: [winner]) == rest.select(session: session))
    }
  }

  @Test func `what rendezvous keeps from before a change is what it would work out anew`() {
    let servers = 24
    let all = (0..<servers).map { "W\($0)" }
    var weights = [Int32](repeating: 20, count: servers)
    let fixture = BalancingFixture(.rendezvous, weights: weights)
    var random = SplitMix64(seed: 11)
    for _ in 0..<40 {
      for _ in 0...Int(random.below(3)) {
        weights[Int(random.below(UInt32(servers)))] = Int32(random.below(5)) * 10
      }
      fixture.rebuild(weights)
      let fresh = BalancingFixture(.rendezvous, weights: weights)
      #expect(names(fixture, all, keys: 3000) == names(fresh, all, keys: 3000))
    }
  }

  @Test func `rendezvous follows the session, and the client when there is none`() {
    let fixture = BalancingFixture(.rendezvous, weights: [1, 1, 1, 1])
    var random = SplitMix64(seed: 12)
    for _ in 0..<100 {
      let session = random.next() | 1
      let server = fixture.select(client: random.next(), session: session)
      #expect(fixture.select(client: random.next(), session: session) == server)
      #expect(fixture.select(client: session) == server)
    }
  }

  @Test func `rendezvous keeps the choices it has always made`() {
    // Known answers: another value here would move sessions between versions that run side by side.
    let fixture = BalancingFixture(.rendezvous, weights: [100, 100, 50, 50], names: ["W11", "W12", "W13", "W14"])
    let chosen = (0..<16).map { fixture.select(session: UInt64($0) << 60 | 1) }
    #expect(chosen == [3, 1, 2, 2, 3, 1, 3, 1, 3, 1, 3, 2, 2, 1, 0, 2])
  }

  @Test func `the logarithm of scores is right`() {
    let table: [(UInt64, Double)] = [
      (1 << 63, 0.6931471805599453), (1 << 62, 1.3862943611198906), (3 << 62, 0.2876820724517809),
      (0, 44.3614195558365), (0xB504_F333_F9DE_6484, 0.34657359027997264),
    ]
    for (hash, expected) in table { #expect(abs(Rendezvous.negativeLogarithm(hash) - expected) < 1e-11) }
    #expect(Rendezvous.negativeLogarithm(.max) >= 0)
  }
}
