import Topology

@testable import Routing

/// A balancer with servers, loads and randomness around it, freed at the end of the test.
final class BalancingFixture {
  let loads: LoadTable
  var balancer: TierBalancer
  var random = SplitMix64(seed: 42)

  init(_ algorithm: BalanceAlgorithm, weights: [Int32], limits: [Int32]? = nil, names: [String]? = nil) {
    loads = LoadTable.allocate(limits: limits ?? weights.map { _ in 0 })
    let names = names ?? weights.indices.map { "W\($0)" }
    balancer = TierBalancer(algorithm: algorithm, identities: names.map { StableHash.hash($0) })
    balancer.rebuild(Self.servers(weights))
  }

  deinit { loads.deallocate() }

  /// Usable servers: those with a weight above 0.
  static func servers(_ weights: [Int32]) -> [WeightedServer] {
    weights.indices.filter { weights[$0] > 0 }.map { WeightedServer(index: Int32($0), weight: weights[$0]) }
  }

  func rebuild(_ weights: [Int32]) { balancer.rebuild(Self.servers(weights)) }

  func select(client: UInt64? = nil, session: UInt64 = 0, excluding: [Int32] = []) -> Int32 {
    var tried = TriedServers()
    for server in excluding { tried.insert(server) }
    let key = SelectionKey(clientHash: client ?? random.next(), sessionHash: session)
    return balancer.select(key, loads: loads, excluding: tried, random: &random)
  }

  func sequence(_ count: Int) -> [Int32] { (0..<count).map { _ in select() } }

  /// How often each server was selected.
  func counts(_ selections: Int, servers: Int) -> [Int] {
    var counts = [Int](repeating: 0, count: servers)
    for _ in 0..<selections { counts[Int(select())] += 1 }
    return counts
  }
}
