/// The first server, in order of index, that has a free slot; if all are full, the first, where the request queues.
///
/// Lets the later servers be shut down while load is low. Weights play no part. Free slots are read from one bit a
/// server, so 2,000 full servers are passed over in 32 steps.
public struct First: BalanceStrategy {
  /// One bit for each usable server, from index 0.
  private var usable: [UInt64] = []

  /// A balancer over no servers.
  public init() {}

  /// See `BalanceStrategy`.
  public mutating func rebuild(_ usable: [WeightedServer]) {
    let words = usable.reduce(into: 0) { $0 = max($0, Int($1.index) / 64 + 1) }
    self.usable = [UInt64](repeating: 0, count: words)
    for server in usable { self.usable[Int(server.index) / 64] |= 1 << UInt64(server.index & 63) }
  }

  /// See `BalanceStrategy`.
  @inline(__always)
  public mutating func select(
    _ key: SelectionKey, loads: LoadTable, excluding: TriedServers, random: inout SplitMix64
  ) -> Int32 {
    let free = first(excluding) { loads.fullBits(word: $0) }
    return free >= 0 ? free : first(excluding) { _ in 0 }
  }

  /// The lowest usable server not tried whose bit is not set in what `passedOver` gives for its word.
  @inline(__always)
  private func first(_ excluding: TriedServers, _ passedOver: (Int) -> UInt64) -> Int32 {
    for word in usable.indices {
      var bits = usable[word] & ~passedOver(word)
      while bits != 0 {
        let server = Int32(word * 64 + bits.trailingZeroBitCount)
        if excluding.isEmpty || !excluding.contains(server) { return server }
        bits &= bits - 1
      }
    }
    return -1
  }
}
