/// The first server, in order of index, that has a free slot; if all are full, the first, where the request queues.
///
/// Lets the later servers be shut down while load is low. Weights play no part. Free slots are read from one bit a
/// server and one for 64 of them, so 2,000 full servers are passed over in one step.
public struct First: BalanceStrategy {
  /// One bit for each usable server, from index 0.
  private var usable: [UInt64] = []
  /// One bit for each word of `usable` that is not 0.
  private var usableWords: [UInt64] = []

  /// A balancer over no servers.
  public init() {}

  /// See `BalanceStrategy`.
  public mutating func rebuild(_ usable: [WeightedServer]) {
    let words = usable.reduce(into: 0) { $0 = max($0, Int($1.index) / 64 + 1) }
    self.usable = [UInt64](repeating: 0, count: words)
    usableWords = [UInt64](repeating: 0, count: (words + 63) / 64)
    for server in usable {
      let word = Int(server.index) / 64
      self.usable[word] |= 1 << UInt64(server.index & 63)
      usableWords[word / 64] |= 1 << UInt64(word & 63)
    }
  }

  /// See `BalanceStrategy`.
  @inline(__always)
  public mutating func select(
    _ key: SelectionKey, loads: LoadTable, excluding: TriedServers, random: inout SplitMix64
  ) -> Int32 {
    for summary in usableWords.indices {
      var words = usableWords[summary] & ~loads.fullWordBits(summary: summary)
      while words != 0 {
        let word = summary * 64 + words.trailingZeroBitCount
        let server = lowest(usable[word] & ~loads.fullBits(word: word), of: word, excluding)
        if server >= 0 { return server }
        words &= words - 1
      }
    }
    return firstOfFull(excluding)
  }

  @inline(never)
  private func firstOfFull(_ excluding: TriedServers) -> Int32 {
    for word in usable.indices {
      let server = lowest(usable[word], of: word, excluding)
      if server >= 0 { return server }
    }
    return -1
  }

  /// The lowest server not tried among the bits of a word, or -1.
  @inline(__always)
  private func lowest(_ bits: UInt64, of word: Int, _ excluding: TriedServers) -> Int32 {
    var bits = bits
    while bits != 0 {
      let server = Int32(word * 64 + bits.trailingZeroBitCount)
      if excluding.isEmpty || !excluding.contains(server) { return server }
      bits &= bits - 1
    }
    return -1
  }
}
