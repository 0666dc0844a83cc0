/// A server that may be selected now, and its share.
public struct WeightedServer: Sendable, Equatable {
  /// The server's place in `PoolPlan.servers`.
  public var index: Int32
  /// Its share, above 0, in any unit that is the same for all (after slow start: `HealthSnapshot.weight`).
  public var weight: Int32

  /// A usable server.
  public init(index: Int32, weight: Int32) {
    self.index = index
    self.weight = weight
  }

  /// The greatest number that divides all weights; 0 of none.
  static func commonDivisor(_ servers: [WeightedServer]) -> Int32 {
    servers.reduce(0) { divisor, server in
      var (larger, smaller) = (divisor, server.weight)
      while smaller != 0 { (larger, smaller) = (smaller, larger % smaller) }
      return larger
    }
  }
}

/// What a selection may depend on of the request.
public struct SelectionKey: Sendable, Equatable {
  /// Hash of the client's address.
  public var clientHash: UInt64
  /// Hash of the session id; 0: the request has none.
  public var sessionHash: UInt64

  /// The key of a request.
  public init(clientHash: UInt64, sessionHash: UInt64) {
    self.clientHash = clientHash
    self.sessionHash = sessionHash
  }
}

/// A way to spread users over the servers of a tier.
///
/// The membership of a tier changes rarely, so `rebuild` may allocate and sort, while `select` takes about the same
/// short time for 4 servers and for 2,000. Each worker has a strategy of its own; only the loads are shared.
/// Used by name or generically, never as an existential.
public protocol BalanceStrategy {
  /// Takes over the servers that are usable now, in order of index, each at most once. May allocate; O(n log n).
  mutating func rebuild(_ usable: [WeightedServer])

  /// The index of the server that takes the next request, or -1 if no usable server is left.
  ///
  /// Allocates nothing. It reserves nothing either: of two workers that select the last slot of a server one is turned
  /// away by `LoadTable.reserve`, and queues or selects again.
  /// - Parameters:
  ///   - key: what the choice may depend on.
  ///   - loads: requests in flight by server, of all workers.
  ///   - excluding: servers that this request has tried; with any in it, a selection may take O(n).
  ///   - random: the worker's random source.
  mutating func select(
    _ key: SelectionKey, loads: LoadTable, excluding: TriedServers, random: inout SplitMix64
  ) -> Int32
}
