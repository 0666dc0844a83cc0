/// Weighted rendezvous hashing: each server has a score for the key, the highest wins. All processes that know the same
/// servers by the same names choose alike, in whatever order they hold them; a server that goes moves only its own
/// keys, and its keys are spread over the others (rule B5).
///
/// Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998); weights as in Schindelhauer and
/// Schomaker, "Weighted distributed hash tables" (2005): the score is weight / -ln(u), u the hash as a fraction.
///
/// Keys fall into buckets, 4,096 for up to 32 servers, else 65,536; a bucket's winner is worked out when it is first
/// asked for and kept. When servers change, only the buckets they win or lose are worked out again.
public struct Rendezvous: BalanceStrategy {
  private static let unknown: Int32 = -2
  private static let bucketBitsFew = 12
  private static let bucketBitsMany = 16
  private static let serversFew = 32

  /// By server index: what it is called, hashed.
  private let identities: [UInt64]
  private let bucketShift: UInt64
  private var members: [WeightedServer] = []
  /// By bucket: the winning server's index, or `unknown`. Empty until there is a server.
  private var winners: [Int32] = []
  /// By server index: its weight, 0 while it is not usable.
  private var weights: [Int32]

  /// A balancer over no servers.
  /// - Parameter identities: by server index, the hash of the server's name (`StableHash.hash`). The number of servers
  ///   decides the number of buckets, so processes agree only if they know equally many.
  public init(identities: [UInt64]) {
    self.identities = identities
    let bits = identities.count <= Self.serversFew ? Self.bucketBitsFew : Self.bucketBitsMany
    bucketShift = UInt64(64 - bits)
    weights = [Int32](repeating: 0, count: identities.count)
  }

  /// See `BalanceStrategy`.
  public mutating func rebuild(_ usable: [WeightedServer]) {
    var updated = [Int32](repeating: 0, count: weights.count)
    for server in usable { updated[Int(server.index)] = server.weight }
    let changed = updated.indices.filter { updated[$0] != weights[$0] }
    let previous = weights
    members = usable
    weights = updated
    // A changed server costs one score a bucket, a bucket worked out anew one score a server.
    if winners.isEmpty || changed.count > max(1, usable.count / 8) {
      winners = [Int32](repeating: Self.unknown, count: 1 << (64 - Int(bucketShift)))
      return
    }
    // Losses first: what a server has lost may fall to one that has not changed, which only a search finds.
    for server in changed where updated[server] < previous[server] { forget(Int32(server)) }
    for server in changed where updated[server] > previous[server] { contest(Int32(server)) }
  }

  /// After the server's weight went down, each bucket it won may have another winner, and no other bucket.
  private mutating func forget(_ server: Int32) {
    for bucket in winners.indices where winners[bucket] == server { winners[bucket] = Self.unknown }
  }

  /// After the server's weight went up, it may win further buckets, and nobody else can.
  private mutating func contest(_ server: Int32) {
    for bucket in winners.indices {
      let winner = winners[bucket]
      if winner == Self.unknown || winner == server { continue }
      if beats(server, cost(server, bucket), winner, cost(winner, bucket)) { winners[bucket] = server }
    }
  }

  /// See `BalanceStrategy`. The key is the session's hash, or the client's if there is no session.
  @inline(__always)
  public mutating func select(
    _ key: SelectionKey, loads: LoadTable, excluding: TriedServers, random: inout SplitMix64
  ) -> Int32 {
    select(hash: key.sessionHash != 0 ? key.sessionHash : key.clientHash, excluding: excluding)
  }

  /// The index of the server for a hash, or -1 if no usable server is left.
  @inline(__always)
  public mutating func select(hash: UInt64, excluding: TriedServers) -> Int32 {
    if members.isEmpty { return -1 }
    let bucket = Int(hash >> bucketShift)
    var winner = winners[bucket]
    if winner == Self.unknown {
      winner = search(bucket, TriedServers())
      winners[bucket] = winner
    }
    if excluding.isEmpty || !excluding.contains(winner) { return winner }
    return search(bucket, excluding)
  }

  @inline(never)
  private func search(_ bucket: Int, _ excluding: TriedServers) -> Int32 {
    var best: Int32 = -1
    var bestCost = Double.infinity
    for server in members where excluding.isEmpty || !excluding.contains(server.index) {
      let cost = cost(server.index, bucket)
      if best < 0 || beats(server.index, cost, best, bestCost) {
        best = server.index
        bestCost = cost
      }
    }
    return best
  }

  /// Equal costs are decided by identity, which is the same everywhere, while the index is not.
  @inline(__always)
  private func beats(_ server: Int32, _ cost: Double, _ other: Int32, _ otherCost: Double) -> Bool {
    cost < otherCost || (cost == otherCost && identities[Int(server)] > identities[Int(other)])
  }

  /// The inverse of the score: -ln(u) / weight; the lowest wins.
  @inline(__always)
  private func cost(_ server: Int32, _ bucket: Int) -> Double {
    Self.negativeLogarithm(StableHash.combine(identities[Int(server)], UInt64(bucket))) / Double(weights[Int(server)])
  }

  /// -ln of the hash as a fraction of 2^64, by additions, multiplications and divisions only: those are exact to the bit
  /// on every machine, as no library's logarithm is.
  static func negativeLogarithm(_ hash: UInt64) -> Double {
    let value = hash | 1
    let zeros = value.leadingZeroBitCount
    // The fraction is 2^-(zeros + 1) * mantissa, the mantissa from 1 up to 2; ln(m) = 2 artanh((m - 1) / (m + 1)),
    // with m brought around 1 so that the series is short.
    var mantissa = Double((value << UInt64(zeros)) >> 11) * 0x1p-52
    var halvings = Double(zeros + 1)
    if mantissa > 1.4142135623730951 {
      mantissa *= 0.5
      halvings -= 1
    }
    let ratio = (mantissa - 1) / (mantissa + 1)
    let square = ratio * ratio
    var series = 1.0 / 15
    series = series * square + 1.0 / 13
    series = series * square + 1.0 / 11
    series = series * square + 1.0 / 9
    series = series * square + 1.0 / 7
    series = series * square + 1.0 / 5
    series = series * square + 1.0 / 3
    series = series * square + 1
    return halvings * 0.6931471805599453 - 2 * ratio * series
  }
}
