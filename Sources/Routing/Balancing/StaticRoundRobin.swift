/// Weighted round robin over a fixed sequence that holds each server as often as its weight says, evenly spread.
///
/// The sequence is made anew when servers come, go or change weight, and then begins again. Weights that would need more
/// than 65,536 places are scaled down to fit; no server falls below one place.
public struct StaticRoundRobin: BalanceStrategy {
  private static let placesMax: UInt64 = 65_536

  private var sequence: [Int32] = []
  private var cursor = 0

  /// A round robin over no servers.
  public init() {}

  /// See `BalanceStrategy`.
  public mutating func rebuild(_ usable: [WeightedServer]) {
    let reduced = Self.reduced(usable)
    let places = reduced.reduce(into: 0) { $0 += Int($1.weight) }
    var members = SmoothSequence.members(reduced)
    var whole = SmoothSequence()
    whole.reserve(units: places, members: members.count)
    whole.lay(units: places, members: &members)
    sequence = (0..<whole.count).map { members[whole.member($0)].server }
    cursor = 0
  }

  /// See `BalanceStrategy`.
  @inline(__always)
  public mutating func select(
    _ key: SelectionKey, loads: LoadTable, excluding: TriedServers, random: inout SplitMix64
  ) -> Int32 {
    // At most once around: only servers tried are passed over.
    for _ in 0..<sequence.count {
      let server = sequence[cursor]
      cursor += 1
      if cursor == sequence.count { cursor = 0 }
      if excluding.isEmpty || !excluding.contains(server) { return server }
    }
    return -1
  }

  /// Where it stands: the servers of the sequence, as a turn each, and how many of them have been given.
  var position: BalancePosition {
    BalancePosition(turns: sequence.map { BalancePosition.Turn(server: $0, left: 0) }, next: cursor)
  }

  /// Goes on where another stood, if that had the same sequence. To be called after `rebuild`.
  mutating func goOn(from position: BalancePosition) {
    guard position.turns.map(\.server) == sequence, position.next < sequence.count else { return }
    cursor = max(0, position.next)
  }

  /// The weights without their common divisor, and scaled to fit.
  private static func reduced(_ usable: [WeightedServer]) -> [WeightedServer] {
    let divisor = WeightedServer.commonDivisor(usable)
    guard divisor > 0 else { return usable }
    var reduced = usable
    for position in reduced.indices { reduced[position].weight /= divisor }
    let total = reduced.reduce(into: UInt64(0)) { $0 += UInt64($1.weight) }
    guard total > placesMax else { return reduced }
    for position in reduced.indices {
      let scaled = (UInt64(reduced[position].weight) * placesMax + total / 2) / total
      reduced[position].weight = Int32(max(1, scaled))
    }
    return reduced
  }
}
