internal import Topology

/// Where an algorithm stands between two selections, for another that goes on in its place.
struct BalancePosition: Sendable, Equatable {
  /// A server's turn.
  struct Turn: Sendable, Equatable {
    var server: Int32
    /// The part of the time between two of its turns, 0 to 1, that is left until its next one.
    var left: Double
  }
  var turns: [Turn] = []
  /// Of a fixed sequence: how many turns of it have been given.
  var next = 0
}

extension TierBalancer {
  /// Where it stands. Algorithms that choose by hash, by chance or by order alone stand nowhere.
  var position: BalancePosition {
    switch algorithm {
    case .roundRobin: roundRobin.position
    case .staticRoundRobin: staticRoundRobin.position
    case .leastConnections: leastConnections.position
    case .source, .first, .random, .rendezvous: BalancePosition()
    }
  }

  /// Goes on where another one stood, over these servers.
  mutating func goOn(from position: BalancePosition, over usable: [WeightedServer]) {
    switch algorithm {
    case .roundRobin:
      roundRobin.goOn(from: position)
      roundRobin.rebuild(usable)
    case .staticRoundRobin: staticRoundRobin.goOn(from: position)
    case .leastConnections: leastConnections.goOn(from: position)
    case .source, .first, .random, .rendezvous: break
    }
  }
}
