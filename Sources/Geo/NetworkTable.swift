internal import Topology

/// Address ranges, each with a number; an address gets that of the longest prefix it is in. Nested ranges are flattened
/// when the table is made, so that a look-up is one binary search.
struct NetworkTable: Sendable {
  /// First addresses of segments, rising; a segment ends before the next one.
  private var starts: [UInt128] = []
  /// The number of each segment; -1: none.
  private var numbers: [Int32] = []

  /// A table of ranges, numbered by their position. Of equal ranges the first counts.
  init(_ networks: [Network]) {
    let ranges = networks.enumerated().map { number, network -> (first: UInt128, last: UInt128, number: Int32) in
      let masked = network.masked
      let first = Self.key(high: masked.high, low: masked.low)
      let hostBits = UInt128(128 - network.prefixLength)
      let hosts: UInt128 = hostBits == 128 ? .max : (UInt128(1) << hostBits) - 1
      return (first, first | hosts, Int32(number))
    }
    // Wide ranges before the narrow ones in them; of equal ones the first is entered last and stays.
    let sorted = ranges.sorted { a, b in
      if a.first != b.first { return a.first < b.first }
      if a.last != b.last { return a.last > b.last }
      return a.number > b.number
    }
    var open: [(last: UInt128, number: Int32)] = []
    for range in sorted {
      while let inner = open.last, inner.last < range.first { close(&open, inner.last) }
      begin(range.first, range.number)
      open.append((range.last, range.number))
    }
    while let inner = open.last { close(&open, inner.last) }
  }

  /// After a range comes what is left of the one around it.
  private mutating func close(_ open: inout [(last: UInt128, number: Int32)], _ last: UInt128) {
    open.removeLast()
    // Ranges that end together close together.
    while let around = open.last, around.last == last { open.removeLast() }
    if last != .max { begin(last + 1, open.last?.number ?? -1) }
  }

  private mutating func begin(_ start: UInt128, _ number: Int32) {
    if starts.last == start {
      numbers[numbers.count - 1] = number
    } else {
      starts.append(start)
      numbers.append(number)
    }
  }

  private static func key(high: UInt64, low: UInt64) -> UInt128 { UInt128(high) << 64 | UInt128(low) }

  /// The number of the longest prefix around an address; nil: it is in none.
  func number(high: UInt64, low: UInt64) -> Int? {
    let key = Self.key(high: high, low: low)
    var below = 0
    var above = starts.count
    while below < above {
      let middle = (below + above) / 2
      if starts[middle] <= key { below = middle + 1 } else { above = middle }
    }
    guard below > 0, numbers[below - 1] >= 0 else { return nil }
    return Int(numbers[below - 1])
  }
}
