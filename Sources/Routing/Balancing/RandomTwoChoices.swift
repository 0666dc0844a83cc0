/// Two servers drawn at random in proportion to weight; the one with fewer requests in flight for its weight is taken.
///
/// Mitzenmacher, "The power of two choices in randomized load balancing" (1996): nearly as even as looking at all
/// servers, and many processes that decide at once do not all run to the same server.
public struct RandomTwoChoices: BalanceStrategy {
  /// Draws in search of a server not tried before the rest is searched in order.
  private static let drawsMax = 16

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
    if !excluding.isEmpty { return selectOther(loads, excluding, &random) }
    let first = table.position(random.next())
    let second = table.position(random.next())
    return lighter(first, second, loads)
  }

  @inline(__always)
  private func lighter(_ first: Int, _ second: Int, _ loads: LoadTable) -> Int32 {
    let one = table.members[first]
    let other = table.members[second]
    let oneLoad = Int64(loads.inFlight(one.index)) &* Int64(other.weight)
    let otherLoad = Int64(loads.inFlight(other.index)) &* Int64(one.weight)
    return otherLoad < oneLoad ? other.index : one.index
  }

  @inline(never)
  private func selectOther(_ loads: LoadTable, _ excluding: TriedServers, _ random: inout SplitMix64) -> Int32 {
    let first = draw(excluding, &random)
    if first < 0 { return -1 }
    return lighter(first, draw(excluding, &random), loads)
  }

  /// The position of a server not tried, or -1 if there is none.
  private func draw(_ excluding: TriedServers, _ random: inout SplitMix64) -> Int {
    for _ in 0..<Self.drawsMax {
      let position = table.position(random.next())
      if !excluding.contains(table.members[position].index) { return position }
    }
    let start = Int(random.below(UInt32(table.members.count)))
    for offset in 0..<table.members.count {
      let position = (start + offset) % table.members.count
      if !excluding.contains(table.members[position].index) { return position }
    }
    return -1
  }
}
