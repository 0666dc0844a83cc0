/// Turns of weighted servers laid out in time: server i has a turn every `period` = total weight / its weight, and turns
/// are sorted by time. One unit of time holds one turn on average, whatever the weights.
///
/// Laying out and sorting costs a constant per turn: turns are counted into buckets of one unit and then put in exact
/// order by insertion, which has next to nothing left to do.
struct SmoothSequence {
  /// Bits of a time after the binary point.
  static let fractionBits: UInt64 = 24
  /// Bits for the member in a packed turn; the time is in the bits above.
  private static let memberBits: UInt64 = 20
  /// The most members.
  static let membersMax = 1 << 20

  /// The turns of the last window, in order; the first `count` are valid.
  private(set) var turns: [UInt64] = []
  /// How many turns the last window has.
  private(set) var count = 0
  /// The next window's turns are those of the last one.
  private(set) var isRepeated = false
  private var unsorted: [UInt64] = []
  private var ends: [Int32] = []

  /// Makes room for windows of `units` units over `members` members, so that `lay` allocates nothing.
  mutating func reserve(units: Int, members: Int) {
    precondition(members <= Self.membersMax)
    turns = [UInt64](repeating: 0, count: units + members)
    unsorted = turns
    ends = [Int32](repeating: 0, count: units)
    count = 0
    isRepeated = false
  }

  /// Lays out the window of `units` units that begins now, and moves each member's `next` to the following window.
  mutating func lay(units: Int, members: inout [Member]) {
    let length = UInt64(units) << Self.fractionBits
    for bucket in 0..<units { ends[bucket] = 0 }
    var written = 0
    isRepeated = true
    for member in members.indices {
      let period = members[member].period
      let first = members[member].next
      var time = first
      while time < length && written < unsorted.count {
        unsorted[written] = (time << Self.memberBits) | UInt64(member)
        ends[Int(time >> Self.fractionBits)] += 1
        written += 1
        time += period
      }
      members[member].next = time >= length ? time - length : 0
      if members[member].next != first { isRepeated = false }
    }
    sort(units: units, written: written)
    count = written
  }

  private mutating func sort(units: Int, written: Int) {
    var sum: Int32 = 0
    for bucket in 0..<units {
      let size = ends[bucket]
      ends[bucket] = sum
      sum += size
    }
    for position in 0..<written {
      let turn = unsorted[position]
      let bucket = Int(turn >> (Self.memberBits + Self.fractionBits))
      turns[Int(ends[bucket])] = turn
      ends[bucket] += 1
    }
    guard written > 1 else { return }
    for position in 1..<written {
      let turn = turns[position]
      var hole = position
      while hole > 0 && turns[hole - 1] > turn {
        turns[hole] = turns[hole - 1]
        hole -= 1
      }
      turns[hole] = turn
    }
  }

  /// Brings the turn at `position` forward to `earlier`; the turns between wait one place longer.
  mutating func advance(_ position: Int, to earlier: Int) {
    isRepeated = false
    let turn = turns[position]
    var hole = position
    while hole > earlier {
      turns[hole] = turns[hole - 1]
      hole -= 1
    }
    turns[earlier] = turn
  }

  /// The member whose turn is at `position`.
  @inline(__always)
  func member(_ position: Int) -> Int {
    Int(turns[position] & ((1 << Self.memberBits) - 1))
  }

  /// The time of the turn at `position`, from the window's beginning.
  func time(_ position: Int) -> UInt64 {
    turns[position] >> Self.memberBits
  }

  /// One server in the sequence.
  struct Member {
    var server: Int32
    /// Time between two of its turns, at least one unit.
    var period: UInt64
    /// Its next turn, from the beginning of the window to come.
    var next: UInt64
  }

  /// The members for `usable`, first turns placed so that servers of equal weight follow each other evenly: with weights
  /// 2, 1, 1 the turns are a b a c and not a b c a.
  static func members(_ usable: [WeightedServer]) -> [Member] {
    let total = usable.reduce(into: UInt64(0)) { $0 += UInt64($1.weight) }
    let order = usable.indices.sorted {
      (usable[$0].weight, usable[$0].index) < (usable[$1].weight, usable[$1].index)
    }
    var members = usable.map {
      Member(server: $0.index, period: (total << fractionBits) / UInt64($0.weight), next: 0)
    }
    var start = 0
    while start < order.count {
      var end = start
      while end < order.count && usable[order[end]].weight == usable[order[start]].weight { end += 1 }
      let size = UInt64(end - start)
      for rank in start..<end {
        let period = members[order[rank]].period
        members[order[rank]].next = period / (2 * size) * (2 * UInt64(rank - start) + 1)
      }
      start = end
    }
    return members
  }
}
