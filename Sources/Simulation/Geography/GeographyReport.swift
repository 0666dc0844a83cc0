/// What geography is worth to clients all over the world.
public struct GeographyReport: Sendable, Equatable {
  /// A way to bring clients to sites.
  public enum Way: Sendable, Equatable {
    /// By the topology's own preference: networks, regions, distance, minimum gain.
    case preference
    /// Each client to the next site in turn.
    case roundRobin
    /// All clients to this site.
    case oneSite(String)
  }

  /// Percentiles of a quantity over all clients (nearest rank) and its mean.
  public struct Spread: Sendable, Equatable {
    /// In the quantity's own unit.
    public var p50, p90, p99, mean: Double

    /// Of values in any order; at least one.
    init(_ values: [Double]) {
      let sorted = values.sorted()
      func rank(_ percent: Int) -> Double { sorted[max(0, (sorted.count * percent + 99) / 100 - 1)] }
      (p50, p90, p99) = (rank(50), rank(90), rank(99))
      mean = sorted.reduce(0, +) / Double(sorted.count)
    }
  }

  /// A site's part of the clients.
  public struct Share: Sendable, Equatable {
    /// Its name.
    public var site: String
    /// How many it gets.
    public var clients: Int
  }

  /// What comes out of one way.
  public struct Outcome: Sendable, Equatable {
    /// Which.
    public var way: Way
    /// There and back, see `PathModel`.
    public var roundTripMilliseconds: Spread
    /// The great circle between client and site.
    public var kilometres: Spread
    /// In the order of preference of an unknown client.
    public var shares: [Share]
  }

  /// A country and the site that most of its clients are brought to.
  public struct CountryRow: Sendable, Equatable {
    /// ISO 3166-1 alpha-2.
    public var code: String
    /// Its English name.
    public var name: String
    /// Drawn.
    public var clients: Int
    /// By the topology's preference.
    public var site: String
    /// Mean, by the topology's preference.
    public var roundTripMilliseconds: Double
  }

  /// The network's name.
  public var network: String
  /// Of its file.
  public var digest: String
  /// The office whose preference it is; nil: that of a network without such an office, all sites in the file's order.
  public var entry: String?
  /// Of the random numbers.
  public var seed: UInt64
  /// How many were drawn.
  public var clients: Int
  /// The topology's preference first, then round-robin, then each site alone.
  public var outcomes: [Outcome]
  /// Countries in which clients were drawn, those with most clients first.
  public var countries: [CountryRow]
}
