public import Topology

/// How one worker spreads users over one tier: the algorithm of the pool's plan, chosen by a switch.
///
/// A struct that holds every algorithm's state, as the payload of an enum cannot be changed in place; those not chosen
/// hold empty arrays.
public struct TierBalancer: BalanceStrategy {
  /// The algorithm of the plan.
  public let algorithm: BalanceAlgorithm

  var roundRobin = RoundRobin()
  var staticRoundRobin = StaticRoundRobin()
  var leastConnections = LeastConnections()
  private var source = Source()
  private var first = First()
  private var random = RandomTwoChoices()
  private var rendezvous: Rendezvous

  /// A balancer over no servers; `rebuild` gives it some.
  /// - Parameter identities: by server index, for every server of the pool, the hash of its name (`StableHash.hash`).
  public init(algorithm: BalanceAlgorithm, identities: [UInt64]) {
    self.algorithm = algorithm
    rendezvous = Rendezvous(identities: algorithm == .rendezvous ? identities : [])
  }

  /// See `BalanceStrategy`.
  public mutating func rebuild(_ usable: [WeightedServer]) {
    for server in usable { precondition(server.weight > 0 && server.index >= 0) }
    switch algorithm {
    case .roundRobin: roundRobin.rebuild(usable)
    case .staticRoundRobin: staticRoundRobin.rebuild(usable)
    case .leastConnections: leastConnections.rebuild(usable)
    case .source: source.rebuild(usable)
    case .first: first.rebuild(usable)
    case .random: random.rebuild(usable)
    case .rendezvous: rendezvous.rebuild(usable)
    }
  }

  /// See `BalanceStrategy`.
  public mutating func select(
    _ key: SelectionKey, loads: LoadTable, excluding: TriedServers, random generator: inout SplitMix64
  ) -> Int32 {
    switch algorithm {
    case .roundRobin: roundRobin.select(key, loads: loads, excluding: excluding, random: &generator)
    case .staticRoundRobin: staticRoundRobin.select(key, loads: loads, excluding: excluding, random: &generator)
    case .leastConnections: leastConnections.select(key, loads: loads, excluding: excluding, random: &generator)
    case .source: source.select(key, loads: loads, excluding: excluding, random: &generator)
    case .first: first.select(key, loads: loads, excluding: excluding, random: &generator)
    case .random: random.select(key, loads: loads, excluding: excluding, random: &generator)
    case .rendezvous: rendezvous.select(key, loads: loads, excluding: excluding, random: &generator)
    }
  }
}
