/// A TCP service as a file declares it: a node that passes connections on, byte for byte, whatever they carry.
public struct Relay: Sendable, Equatable {
  /// The node's name.
  public var name: String
  /// Where it takes connections.
  public var listen: [Listen]
  /// The health listener.
  public var monitor: Located<Address>?
  /// Where connections go, in declaration order.
  public var servers: [RelayServer]
  /// How servers are checked. Nil: not at all, they are believed alive until a connection to them fails.
  public var check: ApplicationCheck?
  /// The port that is checked. Nil: the server's own, or that of the first listener.
  public var checkPort: UInt16?
  /// Settings of this node alone.
  public var settings: Settings
  /// Where it is declared.
  public var location: SourceLocation

  /// A relay without listener and servers, whose servers are checked by a connection.
  public init(name: String, location: SourceLocation = .none) {
    self.name = name
    listen = []
    servers = []
    check = .tcp
    settings = Settings()
    self.location = location
  }
}

/// Where a relay's connections go.
public struct RelayServer: Sendable, Equatable {
  /// Its name, unique in the relay.
  public var name: String
  /// Its address; port 0: the port that the client used. Nil: none was given (the check refuses that).
  public var address: Located<Address>?
  /// Takes connections only when no other server can.
  public var isBackup: Bool
  /// Share of connections, 0 to 256.
  public var weight: Int
  /// Connections at once; 0: unlimited.
  public var maxConnections: Int
  /// Where it is declared.
  public var location: SourceLocation

  /// A server without address.
  public init(name: String, location: SourceLocation = .none) {
    self.name = name
    isBackup = false
    weight = 1
    maxConnections = 0
    self.location = location
  }
}

extension Address {
  /// The address as people read it: the host alone where the port is the client's.
  public var serviceText: String { port == 0 ? hostText : description }
}

extension Topology {
  /// The relay of a name.
  public func relay(named name: String) -> Relay? { relays.first { $0.name == name } }

  /// The plan of a relay: one application without cookies, its backups a second tier.
  func plan(of relay: Relay) -> NodePlan {
    let settings = settings(relay.settings, role: .relay)
    let first = relay.listen.lazy.compactMap(\.address.value.port).first
    let isOnlyBackups = relay.servers.allSatisfy(\.isBackup)
    let servers: [ServerPlan] = relay.servers.compactMap { server -> ServerPlan? in
      guard let address = server.address?.value else { return nil }
      let tier = server.isBackup && !isOnlyBackups ? 1 : 0
      let port = relay.checkPort ?? (address.port == 0 ? first : nil)
      let check = relay.check.map {
        settings.check.plan(
          kind: $0.kind(name: nil), address: port.map(address.with(port:)) ?? address, isBackup: tier > 0,
          scale: timeScale)
      }
      return ServerPlan(
        name: server.name, site: relay.name, address: address, cookieValue: nil, tier: tier, weight: server.weight,
        maxConnections: server.maxConnections, isNode: false, admission: nil, liveness: check,
        slowStart: (settings.slowStart ?? .zero).scaled(by: timeScale))
    }
    let pool = PoolPlan(
      algorithm: settings.balance ?? .roundRobin,
      servers: servers.filter { $0.tier == 0 } + servers.filter { $0.tier > 0 },
      tierCount: (servers.map(\.tier).max() ?? 0) + 1, persist: false, spill: false, queueMax: settings.queue ?? 0,
      failback: .session)
    let application = ApplicationPlan(
      name: relay.name, hosts: [], cookie: nil, pool: pool, timeouts: settings.timeouts.plan(scale: timeScale),
      forwarding: settings.forwarded.plan(role: .relay, downstream: []), retries: settings.retries.plan)
    return NodePlan(
      name: relay.name, role: .relay, network: name, site: nil, digest: digest,
      listeners: relay.listen.map { $0.plan(for: relay.name) },
      monitor: relay.monitor?.value, applications: servers.isEmpty ? [] : [application],
      limits: settings.limits.plan(downstream: [], listen: relay.listen),
      grace: (settings.grace?.value ?? Settings.graceWithoutCheckers).scaled(by: timeScale),
      shutdown: (settings.shutdown ?? .zero).scaled(by: timeScale), timeScale: timeScale, downstreamNodes: [],
      resolveInterval: resolveInterval.scaled(by: timeScale), admin: admin?.plan(for: relay.name),
      user: settings.user, group: settings.group)
  }

  /// Whether a relay on a server's machine makes the server's admission port: the server itself does not listen there.
  public func isAdmissionRelayed(_ server: AppServer) -> Bool {
    guard let admission = server.admissionAddress, let host = server.base?.hostText else { return false }
    return relays.contains { relay in
      relay.listen.contains { $0.address.value == admission }
        && relay.servers.contains { $0.address?.value.hostText == host }
    }
  }

  /// Relays that have nowhere to go, or come back to themselves.
  func relayErrors() -> [Diagnostic] {
    var found: [Diagnostic] = []
    for relay in relays {
      for listen in relay.listen {
        guard let place = (listen.tls?.location ?? listen.strictTransport?.location ?? listen.secureRedirect?.location)
        else { continue }
        found.append(
          Diagnostic(
            .error, at: place, "relay \"\(relay.name)\" passes bytes on as they come, and speaks no TLS itself",
            mend: "let the servers speak it"))
      }
      let listeners = relay.listen.map(\.address.value)
      for server in relay.servers {
        guard let address = server.address else { continue }
        if address.value.port == 0, let unix = relay.listen.first(where: { $0.address.value.port == nil }) {
          found.append(
            Diagnostic(
              .error, at: address.location,
              "server \"\(server.name)\" has no port, and who comes by \(unix.address.value) used none",
              mend: "give its address a port"))
        }
        let loops = listeners.contains { listener in
          let reached = address.value.port == 0 ? listener.port.map(address.value.with(port:)) : address.value
          return reached == listener
        }
        if loops {
          found.append(
            Diagnostic(
              .error, at: address.location, "relay \"\(relay.name)\" passes connections to itself",
              mend: "give the server's own address"))
        }
      }
    }
    return found
  }

  /// Relays without any server.
  func relaysWithoutServers() -> [Diagnostic] {
    relays.filter(\.servers.isEmpty).map { relay in
      Diagnostic(
        .error, at: relay.location, "relay \"\(relay.name)\" has no server",
        mend: "add \"servers:\" with at least one")
    }
  }
}
