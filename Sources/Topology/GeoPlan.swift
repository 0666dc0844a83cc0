/// What a node goes by whose order of sites is each client's own.
public struct GeoPlan: Sendable, Equatable {
  /// A site that the node may use.
  public struct Candidate: Sendable, Equatable {
    /// Its name.
    public var name: String
    /// Where it is. Nil: unknown.
    public var place: Location?
  }

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
  func geoPlan(_ sites: [Site]) -> GeoPlan? {
    geo.map { settings in
      GeoPlan(
        sites: sites.map { GeoPlan.Candidate(name: $0.name, place: $0.place) }, settings: settings,
        databasePath: databasePath, checkInterval: Self.databaseCheckInterval.scaled(by: timeScale))
    }
  }
}
