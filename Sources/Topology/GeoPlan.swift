/// What a node goes by that treats clients by where they are.
public struct GeoPlan: Sendable, Equatable {
  /// A site that the node may use.
  public struct Candidate: Sendable, Equatable {
    /// Its name.
    public var name: String
    /// Where it is. Nil: unknown.
    public var place: Location?
    /// Where the public reaches it, scheme and authority. Nil: nowhere.
    public var url: String?

    /// The host of `url`, lower case and without the port. Nil: there is none.
    public var urlHost: String? {
      guard let url, let slashes = url.firstIndex(of: "/") else { return nil }
      let authority = url[slashes...].drop { $0 == "/" }.lowercased()
      guard authority.hasPrefix("[") else { return String(authority.prefix { $0 != ":" }) }
      return authority.firstIndex(of: "]").map { String(authority[...$0]) }
    }
  }

  /// What the clients' order of sites is for.
  public enum Use: Sendable, Equatable {
    /// The node's tiers are taken in that order.
    case tiers
    /// The public is sent to a nearer site's own address; tiers keep their order.
    case redirects
  }

  /// What the clients' order of sites is for.
  public var use: Use

  /// The sites in the configured order, which clients get whose place is not known.
  public var sites: [Candidate]
  /// The rules.
  public var settings: GeoSettings
  /// The MaxMind DB file; a relative path starts at the working directory. Nil: there is none, the topology's networks decide.
  public var databasePath: String?
  /// Between two looks whether the file changed.
  public var checkInterval: Duration
}

extension Topology {
  /// Between two looks at the database file, before the time scale: it changes a few times a month, and a look costs one stat.
  static let databaseCheckInterval = Duration.seconds(10)

  /// The geography of a node with these sites; nil without `geo`.
  func geoPlan(_ sites: [Site], for use: GeoPlan.Use) -> GeoPlan? {
    geo.map { settings in
      GeoPlan(
        use: use, sites: sites.map { GeoPlan.Candidate(name: $0.name, place: $0.place, url: $0.url?.value) },
        settings: settings,
        databasePath: databasePath, checkInterval: Self.databaseCheckInterval.scaled(by: timeScale))
    }
  }
}
