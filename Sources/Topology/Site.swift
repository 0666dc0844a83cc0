/// A place where applications run.
public struct Site: Sendable, Equatable {
  /// Dense, in declaration order.
  public var id: Int
  /// The name.
  public var name: String
  /// The value of the site cookie that names it (rule B7).
  public var cookie: Located<String>
  /// Where it is.
  public var place: Location?
  /// Where the public reaches it directly, scheme and authority without a slash at the end: `https://eu.shop.example`. Nil: nowhere.
  public var url: Located<String>?
  /// Requests in flight at one director above which requests without a usable cookie are shed (rule C6). 0: unlimited.
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
  /// What the users who enter at this site's directors do; without `users` there are none.
  public var traffic: TrafficSettings
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
    traffic = TrafficSettings()
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
  /// Client connections at most; 0: no bound of its own.
  public var maxConnections = 0
  /// Bound although this machine may not have the address: another holds it now (IP_FREEBIND, ip(7)).
  public var bindsFreely = false
  /// Networks whose connections begin with a PROXY protocol header.
  public var proxyProtocol: [Network]
  /// TLS. Nil: plain HTTP.
  public var tls: Located<ListenerTLSPlan>?
  /// Browsers are told to use https only.
  public var strictTransport: Located<StrictTransportPlan>?
  /// Clients are sent to https.
  public var secureRedirect: Located<SecureRedirectPlan>?
  /// Networks of whoever only looks whether the node is there.
  public var monitorNetworks: [Network] = []

  /// A listener.
  public init(address: Located<Address>, isPublic: Bool, proxyProtocol: [Network] = []) {
    self.address = address
    self.isPublic = isPublic
    self.proxyProtocol = proxyProtocol
  }

  /// As the node of a name has it.
  func plan(for node: String) -> ListenerPlan {
    ListenerPlan(
      address: address.value, isPublic: isPublic, connectionsMax: maxConnections, proxyProtocol: proxyProtocol,
      bindsFreely: bindsFreely, tls: tls?.value.at(node), strictTransport: strictTransport?.value,
      secureRedirect: secureRedirect?.value, monitorNetworks: monitorNetworks)
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
  /// Where others reach the health listener. Nil: where it is.
  public var monitorAdvertised: Located<Address>?
  /// TLS of the health listener. Nil: plain HTTP.
  public var monitorTLS: Located<ListenerTLSPlan>?
  /// Share of new users, 0 to 256.
  public var weight: Int
  /// Requests at once that those in front send it; 0: unlimited.
  public var maxConnections: Int
  /// The shared addresses it may hold.
  public var vrrp: [AddressHolder]
  /// How those in front reach it. Nil: by TLS when its first `listen` address has it.
  public var tls: Located<TargetTLSSettings>?
  /// Those in front begin connections with a PROXY protocol header. Nil: they do not.
  public var sendProxy: ProxyProtocolVersion?
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
    vrrp = []
    settings = Settings()
    self.location = location
  }

  /// Where others reach its service. Nil when it has no listener (the check refuses that).
  public var serviceAddress: Address? { advertise?.value ?? listen.first?.address.value }

  /// Where others reach its monitor: a monitor on every interface is reached at the service's host.
  public var monitorAddress: Address? {
    if let monitorAdvertised { return monitorAdvertised.value }
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
  /// What its demo server shows when it is reached by TLS. Nil: nothing is known of it here.
  public var demoCertificate: CertificatePlan?
  /// Played by a demo server of ours.
  public var isDemo: Bool
  /// How balancers reach it. Nil: without TLS.
  public var tls: Located<TargetTLSSettings>?
  /// Balancers begin connections with a PROXY protocol header. Nil: they do not.
  public var sendProxy: ProxyProtocolVersion?
  /// After recovery, new users are let in over this long. Nil: as the balancer's settings say.
  public var slowStart: Duration?
  /// How it answers, for simulations.
  public var service: ServiceSettings
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
    service = ServiceSettings()
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
