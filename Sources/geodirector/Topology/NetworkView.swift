import Topology

/// The network as JSON: what the file declares, with its short forms written out.
struct NetworkView: Encodable {
  struct Place: Encodable {
    var latitude, longitude: Double
  }
  struct App: Encodable {
    var name: String
    var hosts: [String]
    var siteCookie, sessionCookie: PlanView.Cookie?
    var check: String
    var sessionTimeoutMilliseconds: Double?
  }
  struct Node: Encodable {
    var name: String
    var listen: [String]
    var monitor: String?
    var weight: Int
  }
  struct Server: Encodable {
    var name, cookie: String
    var addresses: [String: String]
    var admission: String?
    var weight: Int
    var isDemo: Bool
    var service: ScenariosView.Service?
  }
  struct SiteView: Encodable {
    var name, cookie: String
    var location: Place?
    var url: String?
    var capacity: Int
    var backup: [String]
    var directors, balancers: [Node]
    var servers: [Server]
    var traffic: ScenariosView.Traffic?
  }
  struct OfficeView: Encodable {
    var name: String
    var listen: [String]
    var monitor: String?
    var location: Place?
    var siteOrder: [String]
    var traffic: ScenariosView.Traffic?
  }
  struct GeoView: Encodable {
    struct NetworkOrder: Encodable {
      var network: String
      var sites: [String]?
      var location: Place?
    }
    struct RegionOrder: Encodable {
      var kind, code: String
      var sites: [String]
    }
    var database: String?
    var networks: [NetworkOrder]
    var regions: [RegionOrder]
    var minimumGainKilometres: Double
    var redirect: Bool
  }
  struct RelayView: Encodable {
    struct Server: Encodable {
      var name, address: String
      var isBackup: Bool
      var weight: Int
    }
    var name: String
    var listen: [String]
    var monitor: String?
    var check: String
    var servers: [Server]
  }
  struct LinkView: Encodable {
    var between: [String]
    var latencyMilliseconds, costPerGigabyte, loss: Double
    var bandwidthBitsPerSecond: Int?
  }
  var network, digest: String
  var timeScale: Double
  var applications: [App]
  var sites: [SiteView]
  var offices: [OfficeView]
  var links: [LinkView]
  var relays: [RelayView]
  var geo: GeoView?
  var traffic: ScenariosView.Traffic?
  var service: ScenariosView.Service?
  var scenarios: [ScenariosView.Story]
}

extension NetworkView {
  init(_ topology: Topology) {
    network = topology.name
    digest = topology.digest
    timeScale = topology.timeScale
    applications = topology.applicationsInMatchingOrder.map { application in
      App(
        name: application.name, hosts: application.hosts.map(\.value),
        siteCookie: application.siteCookie.map { PlanView.Cookie($0.plan) },
        sessionCookie: application.sessionCookie.map { PlanView.Cookie($0.plan) }, check: application.check.text,
        sessionTimeoutMilliseconds: application.sessionTimeout?.inMilliseconds)
    }
    sites = topology.sites.map { site in
      SiteView(
        name: site.name, cookie: site.cookie.value, location: site.place.map(Place.init), url: site.url?.value,
        capacity: site.capacity,
        backup: topology.backupOrder(of: site).map(\.name), directors: site.directors.map(Node.init),
        balancers: site.balancers.map(Node.init),
        servers: site.servers.map { server in
          let served = topology.applications.compactMap { application in
            server.address(for: application.name).map { (application.name, $0.description) }
          }
          return Server(
            name: server.name, cookie: server.cookie.value,
            addresses: Dictionary(served, uniquingKeysWith: { first, _ in first }),
            admission: server.admissionAddress?.description, weight: server.weight, isDemo: server.isDemo,
            service: ScenariosView.Service(server.service))
        }, traffic: ScenariosView.Traffic(site.traffic))
    }
    relays = topology.relays.map { relay in
      RelayView(
        name: relay.name, listen: relay.listen.map(\.address.value.description),
        monitor: relay.monitor?.value.description,
        check: relay.check?.text ?? "none",
        servers: relay.servers.map { server in
          RelayView.Server(
            name: server.name, address: server.address?.value.serviceText ?? "", isBackup: server.isBackup,
            weight: server.weight)
        })
    }
    offices = topology.offices.map { office in
      OfficeView(
        name: office.name, listen: office.listen.map(\.address.value.description),
        monitor: office.monitor?.value.description, location: office.place.map(Place.init),
        siteOrder: topology.siteOrder(of: office).map(\.name), traffic: ScenariosView.Traffic(office.traffic))
    }
    links = topology.links.map {
      LinkView(
        between: $0.ends.map(\.value), latencyMilliseconds: $0.latency.inMilliseconds,
        costPerGigabyte: $0.costPerGigabyte, loss: $0.loss, bandwidthBitsPerSecond: $0.bandwidth)
    }
    geo = topology.geo.map { geo in
      GeoView(
        database: topology.databasePath,
        networks: geo.networks.map {
          GeoView.NetworkOrder(
            network: $0.network.value.description, sites: $0.sites?.map(\.value), location: $0.place.map(Place.init))
        },
        regions: geo.regions.map {
          GeoView.RegionOrder(kind: $0.kind.rawValue, code: $0.code.value, sites: $0.sites.map(\.value))
        }, minimumGainKilometres: geo.minimumGainKilometres, redirect: geo.redirect?.value ?? false)
    }
    traffic = ScenariosView.Traffic(topology.traffic)
    service = ScenariosView.Service(topology.service)
    scenarios = topology.scenarios.map(ScenariosView.Story.init)
  }
}

extension NetworkView.Place {
  init(_ location: Location) { self.init(latitude: location.latitude, longitude: location.longitude) }
}

extension NetworkView.Node {
  init(_ node: SiteNode) {
    self.init(
      name: node.name, listen: node.listen.map(\.address.value.description),
      monitor: node.monitor?.value.description, weight: node.weight)
  }
}

extension ApplicationCheck {
  /// The check in words.
  var text: String {
    switch self {
    case .tcp: "tcp"
    case .tlsHello: "tls-hello"
    case .http(let http): "http \(http.method) \(http.path) \(http.version)"
    }
  }
}
