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
  /// TLS of the health listener. Nil: plain HTTP.
  public var monitorTLS: Located<ListenerTLSPlan>?
  /// Where it is.
  public var place: Location?
  /// How the order of sites is found. Nil: by distance when everything has a place, else as listed or declared.
  public var order: Order?
  /// The sites it may use, in order. Nil: all.
  public var preference: [Located<String>]?
  /// The shared addresses it may hold.
  public var vrrp: [AddressHolder]
  /// Settings of this node alone.
  public var settings: Settings
  /// What the users who sit here do.
  public var traffic: TrafficSettings
  /// Where it is declared.
  public var location: SourceLocation

  /// An office without listener.
  public init(id: Int, name: String, location: SourceLocation = .none) {
    self.id = id
    self.name = name
    listen = []
    vrrp = []
    settings = Settings()
    traffic = TrafficSettings()
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
  /// Share of packets lost at all times, 0 to 1.
  public var loss: Double
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
    loss = 0
    self.costPerGigabyte = costPerGigabyte
    self.location = location
  }
}
