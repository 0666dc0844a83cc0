/// The server with the fewest requests in flight in proportion to its weight; ties are broken round robin.
///
/// Loads are compared as they would be with this request, an idle server before any busy one, as the reference does.
/// Up to 64 servers are all looked at. Of more, a selection looks at the next 4 in turn and at the 2 best that it
/// remembers, so its cost does not grow: an idle server is found within n/4 + 1 selections, and a server with room for more
/// than one request is remembered until it is as full as the others, so the proportions come out all the same.
public struct LeastConnections: BalanceStrategy {
  private static let scannedMax = 64
  private static let window = 4

  private var members: [WeightedServer] = []
  private var cursor = 0
  /// Laps over many servers begin at 0, 1, 2, 3 in turn: so each server is the first of a window once in n selections,
  /// which keeps ties round robin.
  private var lapStart = 0
  /// Positions in `members` of the best two seen; -1: none.
  private var remembered: (Int, Int) = (-1, -1)

  /// A balancer over no servers.
  public init() {}

  /// See `BalanceStrategy`.
  public mutating func rebuild(_ usable: [WeightedServer]) {
    let next = cursor < members.count ? members[cursor].index : 0
    members = usable
    cursor = usable.firstIndex { $0.index >= next } ?? 0
    remembered = (-1, -1)
  }

  /// Where it stands: the server that ties are broken for next.
  var position: BalancePosition {
    guard cursor < members.count else { return BalancePosition() }
    return BalancePosition(turns: [BalancePosition.Turn(server: members[cursor].index, left: 0)])
  }

  /// Goes on where another stood. To be called after `rebuild`.
  mutating func goOn(from position: BalancePosition) {
    guard let next = position.turns.first?.server else { return }
    cursor = members.firstIndex { $0.index >= next } ?? 0
  }

  /// See `BalanceStrategy`.
  @inline(__always)
  public mutating func select(
    _ key: SelectionKey, loads: LoadTable, excluding: TriedServers, random: inout SplitMix64
  ) -> Int32 {
    if members.count <= Self.scannedMax || !excluding.isEmpty { return scan(loads, excluding) }
    return selectOfMany(loads)
  }

  @inline(__always)
  private mutating func scan(_ loads: LoadTable, _ excluding: TriedServers) -> Int32 {
    var best = Candidate.none
    var position = cursor
    for _ in 0..<members.count {
      let server = members[position]
      if excluding.isEmpty || !excluding.contains(server.index) {
        let candidate = Candidate(position: position, server: server, loads: loads)
        if candidate.isBetter(than: best) { best = candidate }
      }
      position += 1
      if position == members.count { position = 0 }
    }
    guard best.position >= 0 else { return -1 }
    cursor = best.position + 1 == members.count ? 0 : best.position + 1
    return members[best.position].index
  }

  @inline(__always)
  private mutating func selectOfMany(_ loads: LoadTable) -> Int32 {
    var best = Candidate.none
    var second = Candidate.none
    for offset in 0..<Self.window {
      let position = cursor + offset
      consider(position < members.count ? position : position - members.count, &best, &second, loads)
    }
    if isOutsideWindow(remembered.0) { consider(remembered.0, &best, &second, loads) }
    if isOutsideWindow(remembered.1) { consider(remembered.1, &best, &second, loads) }
    remembered = (best.position, second.position)
    cursor += Self.window
    if cursor >= members.count {
      lapStart = (lapStart + 1) % Self.window
      cursor = lapStart
    }
    return members[best.position].index
  }

  /// A remembered position that has not been looked at in this window already.
  @inline(__always)
  private func isOutsideWindow(_ position: Int) -> Bool {
    if position < 0 { return false }
    let distance = position >= cursor ? position - cursor : position + members.count - cursor
    return distance >= Self.window
  }

  @inline(__always)
  private func consider(_ position: Int, _ best: inout Candidate, _ second: inout Candidate, _ loads: LoadTable) {
    let candidate = Candidate(position: position, server: members[position], loads: loads)
    if candidate.isBetter(than: best) {
      second = best
      best = candidate
    } else if candidate.isBetter(than: second) {
      second = candidate
    }
  }

  private struct Candidate {
    var position: Int
    /// Requests it would have with this one; 0 for an idle server.
    var load: Int64
    var weight: Int64

    /// Worse than any server.
    static let none = Candidate(position: -1, load: 1, weight: 0)

    @inline(__always)
    init(position: Int, load: Int64, weight: Int64) {
      self.position = position
      self.load = load
      self.weight = weight
    }

    @inline(__always)
    init(position: Int, server: WeightedServer, loads: LoadTable) {
      let inFlight = loads.inFlight(server.index)
      self.init(position: position, load: inFlight == 0 ? 0 : Int64(inFlight) + 1, weight: Int64(server.weight))
    }

    /// load / weight below the other's, without dividing.
    @inline(__always)
    func isBetter(than other: Candidate) -> Bool {
      load &* other.weight < other.load &* weight
    }
  }
}
