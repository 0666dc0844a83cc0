/// A TCP service as a file declares it: a node that passes connections on, byte for byte, whatever they carry.
public struct Relay: Sendable, Equatable {
  /// The node's name.
  public var name: String
  /// Where it takes connections.
  public var listen: [Listen]
  /// The health listener.
  public var monitor: Located<Address>?
  /// TLS of the health listener. Nil: plain HTTP.
  public var monitorTLS: Located<ListenerTLSPlan>?
  /// Where connections go, in declaration order: all, or with `pools` those that no pool is for. None, with pools: these are closed.
  public var servers: [RelayServer]
  /// Further servers, chosen by the name that a client's TLS asks for.
  public var pools: [RelayPool]
  /// How servers are checked. Nil: not at all, they are believed alive until a connection to them fails.
  public var check: ApplicationCheck?
  /// Whether http checks use TLS. Nil: of servers that are reached by it.
  public var checkUsesTLS: Bool?
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
    pools = []
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
  /// How it is reached. Nil: bytes go to it as they come.
  public var tls: Located<TargetTLSSettings>?
  /// Connections to it begin with a PROXY protocol header. Nil: they do not.
  public var sendProxy: ProxyProtocolVersion?
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

/// Servers of a relay for those whose TLS asks for certain names (SNI, RFC 6066 section 3).
public struct RelayPool: Sendable, Equatable {
  /// Its name, unique in the relay.
  public var name: String
  /// Host names, lower case, `*.example.com` for every name below; the longest that fits decides.
  public var serverNames: [Located<String>]
  /// Where connections go, in declaration order.
  public var servers: [RelayServer]
  /// How connections are spread. Nil: as the relay's settings say.
  public var balance: BalanceAlgorithm?
  /// Where it is declared.
  public var location: SourceLocation

  /// A pool without names and servers.
  public init(name: String, location: SourceLocation = .none) {
    self.name = name
    serverNames = []
    servers = []
    self.location = location
  }
}

extension Address {
  /// The address as people read it: the host alone where the port is the client's.
  public var serviceText: String { port == 0 ? hostText : description }
}
