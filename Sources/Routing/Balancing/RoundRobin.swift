/// Smooth weighted round robin: every server has its turns evenly spread over time. Weights may change while it runs; a
/// server that stays keeps its place between its last turn and its next, so nobody is served twice or left out.
///
/// Turns are laid out a lap at a time, which makes the cost of a selection independent of the number of servers but for
/// one selection in a lap.
public struct RoundRobin: BalanceStrategy {
  /// Turns in a lap at least, so that laying them out is cheap per turn also with few servers.
  private static let turnsMin = 64
  /// Turns in a lap at most: bounds the time one selection can take. Up to here a lap holds every server as often as its weight says, once
  /// or several times, so that laps are alike.
  private static let turnsMax = 4096

  private var members: [SmoothSequence.Member] = []
  private var lap = SmoothSequence()
  private var units = 0
  private var cursor = 0

  /// A round robin over no servers.
  public init() {}

  /// See `BalanceStrategy`.
  public mutating func rebuild(_ usable: [WeightedServer]) {
    windBack()
    let previous = members
    members = SmoothSequence.members(usable)
    // Both lists are in order of index: one walk finds the servers that stay.
    var old = 0
    for position in members.indices {
      while old < previous.count && previous[old].server < members[position].server { old += 1 }
      guard old < previous.count, previous[old].server == members[position].server else { continue }
      let left = min(Double(previous[old].next) / Double(previous[old].period), 1)
      // To the nearest: turns at the same time keep their order.
      members[position].next = UInt64((left * Double(members[position].period)).rounded())
    }
    let cycle = usable.reduce(0) { $0 + Int($1.weight) } / Int(max(1, WeightedServer.commonDivisor(usable)))
    units =
      cycle > 0 && cycle <= Self.turnsMax
      ? cycle * max(1, Self.turnsMin / cycle) : min(max(members.count, Self.turnsMin), Self.turnsMax)
    lap.reserve(units: units, members: members.count)
    cursor = 0
  }

  /// See `BalanceStrategy`.
  @inline(__always)
  public mutating func select(
    _ key: SelectionKey, loads: LoadTable, excluding: TriedServers, random: inout SplitMix64
  ) -> Int32 {
    if cursor == lap.count {
      if members.isEmpty { return -1 }
      layLap()
    }
    if !excluding.isEmpty { return selectOther(excluding) }
    let server = members[lap.member(cursor)].server
    cursor += 1
    return server
  }

  @inline(never)
  private mutating func layLap() {
    cursor = 0
    if lap.isRepeated { return }
    repeat { lap.lay(units: units, members: &members) } while lap.count == 0
  }

  /// Takes the first turn of the lap that belongs to a server not tried; those that are passed over keep theirs.
  @inline(never)
  private mutating func selectOther(_ excluding: TriedServers) -> Int32 {
    var position = cursor
    while position < lap.count {
      let server = members[lap.member(position)].server
      if !excluding.contains(server) {
        lap.advance(position, to: cursor)
        cursor += 1
        return server
      }
      position += 1
    }
    // Nobody else has a turn in the rest of the lap: begin to look at the server whose turn it is.
    let first = lap.member(cursor)
    for offset in 0..<members.count {
      let server = members[(first + offset) % members.count].server
      if !excluding.contains(server) { return server }
    }
    return -1
  }

  /// Where it stands: of each server the part of the time between two of its turns that is left until the next.
  var position: BalancePosition {
    var still = self
    still.windBack()
    return BalancePosition(
      turns: still.members.map {
        BalancePosition.Turn(server: $0.server, left: min(1, Double($0.next) / Double($0.period)))
      })
  }

  /// Goes on where another stood. `rebuild` follows, which takes over the turns of the servers that are usable.
  mutating func goOn(from position: BalancePosition) {
    // As fine as the numbers told.
    let unit = UInt64(1) << 52
    members = position.turns.sorted { $0.server < $1.server }.map {
      SmoothSequence.Member(server: $0.server, period: unit, next: UInt64(min(max($0.left, 0), 1) * Double(unit)))
    }
    lap = SmoothSequence()
    cursor = 0
  }

  /// Gives back the turns of the lap that were not taken, so that each `next` counts from now.
  private mutating func windBack() {
    guard lap.count > 0 else { return }
    let lapLength = UInt64(units) << SmoothSequence.fractionBits
    let now = cursor == 0 ? 0 : lap.time(cursor - 1)
    for member in members.indices { members[member].next += lapLength }
    for position in cursor..<lap.count {
      members[lap.member(position)].next -= members[lap.member(position)].period
    }
    for member in members.indices {
      members[member].next = members[member].next > now ? members[member].next - now : 0
    }
  }
}
