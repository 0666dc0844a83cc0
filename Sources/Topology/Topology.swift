/// A network of sites and offices: the value of a topology file.
///
/// Ids are dense integers in declaration order, the index into the array that holds the entity. Names of directors,
/// balancers, application servers, offices and sites are unique among all of them.
public struct Topology: Sendable, Equatable {
  /// The network's name.
  public var name: String
  /// Digest of the bytes of all files, 16 hexadecimal digits.
  public var digest: String
  /// Every duration is multiplied by this when a plan is made, but those of cookies and sessions.
  public var timeScale: Double
  /// Between two resolutions of host names.
  public var resolveInterval: Duration
  /// The applications, in declaration order.
  public var applications: [Application]
  /// The sites, in declaration order.
  public var sites: [Site]
  /// The offices, in declaration order.
  public var offices: [Office]
  /// The links, in declaration order.
  public var links: [Link]
  /// Settings by role.
  public var defaults: TierDefaults
  /// Where clients are and which sites they get. Nil: the file says nothing.
  public var geo: GeoSettings?
  /// Addresses that several nodes share, in declaration order.
  public var sharedAddresses: [SharedAddress]
  /// Where nodes take commands. Nil: nowhere.
  public var admin: AdminSettings?
  /// Whom nodes tell of servers that go down or come back. Nil: their logs alone.
  public var notify: NotifyPlan?
  /// TCP services, in declaration order.
  public var relays: [Relay]
  /// Stories to simulate, in declaration order.
  public var scenarios: [Scenario]
  /// What users do, where an office or a site says nothing else.
  public var traffic: TrafficSettings
  /// How application servers answer, where one says nothing else.
  public var service: ServiceSettings
  /// Where the file begins.
  public var location: SourceLocation

  /// An empty network.
  public init(name: String, location: SourceLocation = .none) {
    self.name = name
    digest = "0000000000000000"
    timeScale = 1
    resolveInterval = .seconds(30)
    applications = []
    sites = []
    offices = []
    links = []
    defaults = TierDefaults()
    sharedAddresses = []
    relays = []
    scenarios = []
    traffic = TrafficSettings()
    service = ServiceSettings()
    self.location = location
  }

  /// The site of a name.
  public func site(named name: String) -> Site? { sites.first { $0.name == name } }
  /// The office of a name.
  public func office(named name: String) -> Office? { offices.first { $0.name == name } }
  /// The application of a name.
  public func application(named name: String) -> Application? { applications.first { $0.name == name } }

  /// Every proxy node with its role and site, offices first, then site by site directors and balancers, then relays.
  public var nodes: [NodeReference] {
    offices.map { NodeReference(name: $0.name, role: .officeProxy, site: nil, listen: $0.listen.map(\.address.value)) }
      + sites.flatMap { site in
        site.directors.map {
          NodeReference(name: $0.name, role: .siteDirector, site: site.name, listen: $0.listen.map(\.address.value))
        }
          + site.balancers.map {
            NodeReference(name: $0.name, role: .siteBalancer, site: site.name, listen: $0.listen.map(\.address.value))
          }
      }
      + relays.map { NodeReference(name: $0.name, role: .relay, site: nil, listen: $0.listen.map(\.address.value)) }
  }

  /// Every application server, site by site.
  public var servers: [AppServer] { sites.flatMap(\.servers) }

  /// The applications in the order in which hosts are matched: as declared, one without hosts last.
  public var applicationsInMatchingOrder: [Application] {
    applications.filter { !$0.hosts.isEmpty } + applications.filter(\.hosts.isEmpty)
  }
}

/// A proxy node in a list of nodes.
public struct NodeReference: Sendable, Equatable {
  /// Its name.
  public var name: String
  /// Its role.
  public var role: NodeRole
  /// The site it stands at; nil for an office proxy or a relay.
  public var site: String?
  /// Where it takes requests.
  public var listen: [Address]
}

/// A place on the Earth, in degrees.
public struct Location: Sendable, Hashable {
  /// -90 to 90, north positive.
  public var latitude: Double
  /// -180 to 180, east positive.
  public var longitude: Double

  /// A place.
  public init(latitude: Double, longitude: Double) {
    self.latitude = latitude
    self.longitude = longitude
  }
}
