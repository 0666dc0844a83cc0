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
  /// TCP services, kept as they were written.
  public var relays: [RawEntry]
  /// Scenarios of the simulation, kept as they were written.
  public var scenarios: [RawEntry]
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
    relays = []
    scenarios = []
    self.location = location
  }

  /// The site of a name.
  public func site(named name: String) -> Site? { sites.first { $0.name == name } }
  /// The office of a name.
  public func office(named name: String) -> Office? { offices.first { $0.name == name } }
  /// The application of a name.
  public func application(named name: String) -> Application? { applications.first { $0.name == name } }

  /// Every proxy node with its role and site, offices first, then site by site directors and balancers.
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
  /// The site it stands at; nil for an office proxy.
  public var site: String?
  /// Where it takes requests.
  public var listen: [Address]
}

/// A place on the Earth, in degrees.
public struct Location: Sendable, Equatable {
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

/// A place where applications run.
public struct Site: Sendable, Equatable {
  /// Dense, in declaration order.
  public var id: Int
  /// The name.
  public var name: String
  /// The value of the site cookie that names it (SEMANTICS B7).
  public var cookie: Located<String>
  /// Where it is.
  public var place: Location?
  /// Requests in flight at one director above which requests without a usable cookie are shed (SEMANTICS C6). 0: unlimited.
  public var capacity: Int
  /// The applications it serves. Nil: all.
  public var applications: [Located<String>]?
  /// How balancers choose a server for new users. Nil: as the defaults say.
  public var balance: BalanceAlgorithm?
  /// Other sites that take its users, in order. Nil: by distance or as declared.
  public var backup: [Located<String>]?
  /// The directors, in declaration order.
  public var directors: [SiteNode]
  /// The balancers, in declaration order.
  public var balancers: [SiteNode]
  /// The application servers, in declaration order.
  public var servers: [AppServer]
  /// Where it is declared.
  public var location: SourceLocation

  /// A site without anything in it.
  public init(id: Int, name: String, location: SourceLocation = .none) {
    self.id = id
    self.name = name
    cookie = Located(name, at: location)
    capacity = 0
    directors = []
    balancers = []
    servers = []
    self.location = location
  }

  /// Whether it serves an application.
  public func serves(_ application: String) -> Bool {
    applications?.contains { $0.value == application } ?? true
  }
}

/// One entry of a `listen` list.
public struct Listen: Sendable, Equatable {
  /// Where.
  public var address: Located<Address>
  /// Faces the public.
  public var isPublic: Bool

  /// A listener.
  public init(address: Located<Address>, isPublic: Bool) {
    self.address = address
    self.isPublic = isPublic
  }
}

/// A director or a balancer of a site.
public struct SiteNode: Sendable, Equatable {
  /// Dense among the nodes of its kind of all sites, in declaration order.
  public var id: Int
  /// The name.
  public var name: String
  /// Where it takes requests.
  public var listen: [Listen]
  /// Where others reach it. Nil: the first `listen` address.
  public var advertise: Located<Address>?
  /// The health listener.
  public var monitor: Located<Address>?
  /// Share of new users, 0 to 256.
  public var weight: Int
  /// Requests at once that those in front send it; 0: unlimited.
  public var maxConnections: Int
  /// Settings of this node alone.
  public var settings: Settings
  /// Where it is declared.
  public var location: SourceLocation

  /// A node without listener.
  public init(id: Int, name: String, location: SourceLocation = .none) {
    self.id = id
    self.name = name
    listen = []
    weight = 1
    maxConnections = 0
    settings = Settings()
    self.location = location
  }

  /// Where others reach its service. Nil when it has no listener (the check refuses that).
  public var serviceAddress: Address? { advertise?.value ?? listen.first?.address.value }

  /// Where others reach its monitor: a monitor on every interface is reached at the service's host.
  public var monitorAddress: Address? {
    guard let monitor = monitor?.value else { return nil }
    guard monitor.isWildcard, let port = monitor.port, let serviceAddress else { return monitor }
    return serviceAddress.with(port: port)
  }
}

/// An application server.
public struct AppServer: Sendable, Equatable {
  /// Dense among the servers of all sites, in declaration order.
  public var id: Int
  /// The name.
  public var name: String
  /// Its host, with the port of `address:`; port 0 when only `host:` was given. Nil: neither was given (the check refuses that).
  public var base: Address?
  /// The address serves every application that has no port of its own.
  public var servesAll: Bool
  /// Ports by application.
  public var ports: [ServicePort]
  /// The port that tells whether it takes new users.
  public var admissionPort: Located<UInt16>?
  /// Share of new users, 0 to 256.
  public var weight: Int
  /// Requests at once from one balancer; 0: unlimited.
  public var maxConnections: Int
  /// The value in the session cookie that names it.
  public var cookie: Located<String>
  /// Played by a demo server of ours.
  public var isDemo: Bool
  /// After recovery, new users are let in over this long. Nil: as the balancer's settings say.
  public var slowStart: Duration?
  /// Where it is declared.
  public var location: SourceLocation

  /// A server without address.
  public init(id: Int, name: String, location: SourceLocation = .none) {
    self.id = id
    self.name = name
    servesAll = false
    ports = []
    weight = 1
    maxConnections = 0
    cookie = Located(name, at: location)
    isDemo = false
    self.location = location
  }

  /// Where it serves an application; nil when it does not.
  public func address(for application: String) -> Address? {
    guard let base else { return nil }
    if let port = ports.first(where: { $0.application.value == application }) { return base.with(port: port.port) }
    return servesAll ? base : nil
  }

  /// Where its admission is asked; nil without an `admission` port.
  public var admissionAddress: Address? {
    guard let base, let admissionPort, base.port != nil else { return nil }
    return base.with(port: admissionPort.value)
  }
}

/// The port of one application at a server.
public struct ServicePort: Sendable, Equatable {
  /// The application's name.
  public var application: Located<String>
  /// The port.
  public var port: UInt16

  /// A port of an application.
  public init(application: Located<String>, port: UInt16) {
    self.application = application
    self.port = port
  }
}

/// An office and its proxy.
public struct Office: Sendable, Equatable {
  /// How the order of sites is found.
  public enum Order: String, Sendable, CaseIterable {
    /// As listed.
    case list
    /// By distance from the office.
    case nearest
    /// By distance from each client; the derived order serves clients whose place is unknown.
    case clientLocation = "client-location"
  }
  /// Dense, in declaration order.
  public var id: Int
  /// The name.
  public var name: String
  /// Where it takes requests.
  public var listen: [Listen]
  /// The health listener.
  public var monitor: Located<Address>?
  /// Where it is.
  public var place: Location?
  /// How the order of sites is found. Nil: by distance when everything has a place, else as listed or declared.
  public var order: Order?
  /// The sites it may use, in order. Nil: all.
  public var preference: [Located<String>]?
  /// Settings of this node alone.
  public var settings: Settings
  /// Where it is declared.
  public var location: SourceLocation

  /// An office without listener.
  public init(id: Int, name: String, location: SourceLocation = .none) {
    self.id = id
    self.name = name
    listen = []
    settings = Settings()
    self.location = location
  }
}

/// A network link between two offices or sites.
public struct Link: Sendable, Equatable {
  /// Dense, in declaration order.
  public var id: Int
  /// The two ends, names of offices or sites.
  public var ends: [Located<String>]
  /// One way.
  public var latency: Duration
  /// Bits per second. Nil: unlimited.
  public var bandwidth: Int?
  /// What 10^9 bytes cost, in the network's currency.
  public var costPerGigabyte: Double
  /// Where it is declared.
  public var location: SourceLocation

  /// A link.
  public init(
    id: Int, ends: [Located<String>], latency: Duration, bandwidth: Int?, costPerGigabyte: Double,
    location: SourceLocation = .none
  ) {
    self.id = id
    self.ends = ends
    self.latency = latency
    self.bandwidth = bandwidth
    self.costPerGigabyte = costPerGigabyte
    self.location = location
  }
}

/// An entry whose content is kept as it was written, for the part of the product that uses it.
public struct RawEntry: Sendable, Equatable {
  /// Its `name`.
  public var name: String
  /// Its content.
  public var content: RawValue
  /// Where it is declared.
  public var location: SourceLocation

  /// An entry.
  public init(name: String, content: RawValue, location: SourceLocation = .none) {
    self.name = name
    self.content = content
    self.location = location
  }
}

/// A piece of a file as it was written.
public indirect enum RawValue: Sendable, Equatable {
  /// A scalar's text.
  case scalar(String)
  /// A list.
  case list([RawValue])
  /// A mapping, in the order of the file.
  case mapping([RawField])
}

/// One key of a raw mapping.
public struct RawField: Sendable, Equatable {
  /// The key.
  public var key: String
  /// The value.
  public var value: RawValue

  /// A key and its value.
  public init(key: String, value: RawValue) {
    self.key = key
    self.value = value
  }
}
