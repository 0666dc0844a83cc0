/// The server that the hash of the client's address falls on, over the total weight: the same client meets the same
/// server while the set of usable servers and their weights stay as they are.
public struct Source: BalanceStrategy {
  /// Further servers a client's hash is tried on before the rest is searched in order.
  private static let rehashesMax = 8

  private var table = AliasTable()

  /// A balancer over no servers.
  public init() {}

  /// See `BalanceStrategy`.
  public mutating func rebuild(_ usable: [WeightedServer]) {
    table.rebuild(usable)
  }

  /// See `BalanceStrategy`.
  @inline(__always)
  public mutating func select(
    _ key: SelectionKey, loads: LoadTable, excluding: TriedServers, random: inout SplitMix64
  ) -> Int32 {
    if table.members.isEmpty { return -1 }
    let position = table.position(key.clientHash)
    let server = table.members[position].index
    if excluding.isEmpty || !excluding.contains(server) { return server }
    return selectOther(key, position, excluding)
  }

  /// The client's next servers are drawn in proportion to weight too, and are the same each time.
  @inline(never)
  private func selectOther(_ key: SelectionKey, _ position: Int, _ excluding: TriedServers) -> Int32 {
    var hash = key.clientHash
    for _ in 0..<Self.rehashesMax {
      hash = StableHash.avalanche(hash &+ 1)
      let server = table.members[table.position(hash)].index
      if !excluding.contains(server) { return server }
    }
    for offset in 1...table.members.count {
      let server = table.members[(position + offset) % table.members.count].index
      if !excluding.contains(server) { return server }
    }
    return -1
  }
}
