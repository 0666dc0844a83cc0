internal import Synchronization
internal import Topology

/// Connections by source address, for the whole process. Asked only when a connection opens or ends, and only where a
/// bound is set.
///
/// An IPv6 source is its /64, which is what one customer is given. It holds at most an entry a connection.
final class SourceTable: Sendable {
  private struct Source: Hashable {
    var high, low: UInt64
  }
  /// One for the tables of all plans: connections of a former plan count on.
  private final class Counts: Sendable {
    let bySource = Mutex<[Source: Int]>([:])
  }
  private let counts: Counts
  private let limit: Int
  private let exempt: [Network]

  /// Nil: there is no bound. `before`: the table of the plan before; what it counts is counted here, too.
  init?(limit: Int, exempt: [Network], continuing before: SourceTable? = nil) {
    guard limit > 0 else { return nil }
    counts = before?.counts ?? Counts()
    self.limit = limit
    self.exempt = exempt
  }

  /// Nil: not counted, as the address is exempt or there is none (Unix sockets).
  private func source(_ high: UInt64, _ low: UInt64) -> Source? {
    if high == 0 && low == 0 { return nil }
    for network in exempt where network.contains(high: high, low: low) { return nil }
    let isIPv4 = high == 0 && low >> 32 == 0xFFFF
    return Source(high: high, low: isIPv4 ? low : 0)
  }

  /// Counts a connection; false: its source is at the bound, nothing was counted.
  func open(_ high: UInt64, _ low: UInt64) -> Bool {
    guard let source = source(high, low) else { return true }
    return counts.bySource.withLock { counts in
      let count = counts[source, default: 0]
      guard count < limit else { return false }
      counts[source] = count + 1
      return true
    }
  }

  /// A connection that `open` counted has ended.
  func close(_ high: UInt64, _ low: UInt64) {
    guard let source = source(high, low) else { return }
    counts.bySource.withLock { counts in
      guard let count = counts[source] else { return }
      counts[source] = count > 1 ? count - 1 : nil
    }
  }
}
