internal import Topology

/// Spreads requests over the candidates of a tier, or over the bearers of a cookie value.
///
/// Most tiers and values of a large network have one candidate each, and an office knows hundreds of them: those need no
/// algorithm, and cost 16 bytes. The owner frees it with `deallocate`; no copy may be used after.
struct Spread {
  private let several: UnsafeMutablePointer<TierBalancer>?
  /// The only candidate, if there is but one and it is usable; -1: none.
  private var only: Int32 = -1

  /// Nobody is usable yet. `candidates`: how many there can be. `identities`: as `TierBalancer`.
  init(algorithm: BalanceAlgorithm, identities: [UInt64], candidates: Int) {
    several = candidates > 1 ? .allocate(capacity: 1) : nil
    several?.initialize(to: TierBalancer(algorithm: algorithm, identities: identities))
  }

  /// Frees it.
  func deallocate() {
    several?.deinitialize(count: 1)
    several?.deallocate()
  }

  /// See `BalanceStrategy`.
  mutating func rebuild(_ usable: [WeightedServer]) {
    if let several {
      several.pointee.rebuild(usable)
    } else {
      precondition(usable.count <= 1)
      only = usable.first?.index ?? -1
    }
  }

  /// Where the algorithm stands; nil: there is but one candidate.
  var position: BalancePosition? { several?.pointee.position }

  /// Goes on where another one stood, over these servers, which `rebuild` was given before.
  mutating func goOn(from position: BalancePosition, over usable: [WeightedServer]) {
    several?.pointee.goOn(from: position, over: usable)
  }

  /// See `BalanceStrategy`.
  @inline(__always)
  mutating func select(
    _ key: SelectionKey, loads: LoadTable, excluding: TriedServers, random: inout SplitMix64
  ) -> Int32 {
    if let several { return several.pointee.select(key, loads: loads, excluding: excluding, random: &random) }
    return only >= 0 && !excluding.contains(only) ? only : -1
  }
}
