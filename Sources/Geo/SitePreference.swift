public import Topology

/// Which sites a client gets, in which order: a topology's geography, made ready for many questions.
///
/// Sites are numbered by their position in the configured order. The rules, the first that applies:
/// 1. a network of `networks:` that the address is in (the longest prefix);
/// 2. a region of `regions:` that the place is in (the narrowest);
/// 3. the distance from the place;
/// 4. the configured order.
///
/// Sites that a rule leaves out follow in the order that the next ones give. Entries that name none of the sites do not count.
public struct SitePreference: Sendable {
  /// Why a client gets its order.
  public enum Reason: Sendable, Equatable {
    /// Its address is in this network, which lists sites.
    case network(Network)
    /// Its address is in this network, which tells a location.
    case networkLocation(Network)
    /// Its place is in this region.
    case region(GeoRegion.Kind, String)
    /// The sites' distances.
    case distance
    /// Its address is not in the database.
    case unknownAddress
    /// The database has no location for its address.
    case unknownLocation
    /// No site has a location.
    case sitesWithoutLocation
  }

  /// An order of the sites and what speaks for it.
  public struct Decision: Sendable, Equatable {
    /// Every site once, the preferred one first.
    public var order: [Int]
    /// Why.
    public var reason: Reason
    /// Where the client was taken to be. Nil: unknown.
    public var location: Location?
  }

  /// A site in the configured order.
  public struct Candidate: Sendable, Equatable {
    /// Its name.
    public var name: String
    /// Where it is. Nil: unknown.
    public var place: Location?
  }

  /// A network with its sites resolved to numbers.
  struct NetworkRule: Sendable {
    var network: Network
    var sites: [Int]
    var place: Location?
  }

  /// The sites in the configured order.
  public let sites: [Candidate]
  /// See `GeoSettings.minimumGainKilometres`.
  public let minimumGainKilometres: Double
  let networks: [NetworkRule]
  private let networkTable: NetworkTable
  private let regions: [RegionKey: [Int]]
  private let points: [SpherePoint?]
  private let isPlaced: Bool

  /// Makes ready.
  ///
  /// - Parameters:
  ///   - sites: the configured order.
  ///   - geo: the topology's geography.
  public init(sites: [Site], geo: GeoSettings) {
    self.init(sites: sites.map { Candidate(name: $0.name, place: $0.place) }, geo: geo)
  }

  /// The preference of a node, by its plan.
  public init(_ plan: GeoPlan) {
    self.init(sites: plan.sites.map { Candidate(name: $0.name, place: $0.place) }, geo: plan.settings)
  }

  private init(sites: [Candidate], geo: GeoSettings) {
    self.sites = sites
    minimumGainKilometres = geo.minimumGainKilometres
    points = sites.map { $0.place.map(SpherePoint.init) }
    isPlaced = points.contains { $0 != nil }
    var numbers: [String: Int] = [:]
    for (number, site) in sites.enumerated() where numbers[site.name] == nil { numbers[site.name] = number }
    func resolved(_ names: [Located<String>]) -> [Int] {
      var found: [Int] = []
      for name in names {
        if let number = numbers[name.value], !found.contains(number) { found.append(number) }
      }
      return found
    }
    networks = geo.networks.compactMap { entry in
      let sites = resolved(entry.sites ?? [])
      guard !sites.isEmpty || entry.place != nil else { return nil }
      return NetworkRule(network: entry.network.value, sites: sites, place: entry.place)
    }
    networkTable = NetworkTable(networks.map(\.network))
    var regions: [RegionKey: [Int]] = [:]
    for region in geo.regions {
      let sites = resolved(region.sites)
      if !sites.isEmpty, let key = RegionKey(region) { regions[key] = sites }
    }
    self.regions = regions
  }

  /// The preference of an office: its sites, in its own order.
  public init(_ topology: Topology, office: Office) {
    self.init(sites: topology.siteOrder(of: office), geo: topology.geo ?? GeoSettings())
  }

  /// The preference at a site's directors: the site itself, then those that take its users.
  public init(_ topology: Topology, site: Site) {
    self.init(sites: [site] + topology.backupOrder(of: site), geo: topology.geo ?? GeoSettings())
  }

  /// The networks that say something about these sites, each with its order.
  public var networkOrders: [(network: Network, order: [Int])] {
    networks.indices.map { (networks[$0].network, decide(network: $0).order) }
  }

  /// The number of the rule for an address's network; nil: no network has it.
  @inline(__always)
  func networkRule(high: UInt64, low: UInt64) -> Int? { networkTable.number(high: high, low: low) }

  /// The order for a client.
  ///
  /// - Parameters:
  ///   - address: in the 128-bit form (IPv4-mapped).
  ///   - place: what the database says; nil when it does not have the address.
  public func decide(address: (high: UInt64, low: UInt64), place: ClientPlace?) -> Decision {
    if let rule = networkRule(high: address.high, low: address.low) { return decide(network: rule) }
    return decide(place: place)
  }

  func decide(network number: Int) -> Decision {
    let rule = networks[number]
    return Decision(
      order: order(first: rule.sites, from: rule.place),
      reason: rule.sites.isEmpty ? .networkLocation(rule.network) : .network(rule.network), location: rule.place)
  }

  /// The order for a client whose address is in no network of the topology.
  public func decide(place: ClientPlace?) -> Decision {
    guard let place else { return Decision(order: Array(sites.indices), reason: .unknownAddress, location: nil) }
    if !regions.isEmpty, let (key, sites) = region(of: place) {
      return Decision(
        order: order(first: sites, from: place.location), reason: .region(key.kind, key.text), location: place.location)
    }
    let reason: Reason = place.location == nil ? .unknownLocation : isPlaced ? .distance : .sitesWithoutLocation
    return Decision(order: order(first: [], from: place.location), reason: reason, location: place.location)
  }

  /// The distance from a place to each site in kilometres; nil where the site's place is not known.
  public func distances(from place: Location) -> [Double?] {
    let origin = SpherePoint(place)
    return points.map { $0.map(origin.kilometres) }
  }

  private func region(of place: ClientPlace) -> (RegionKey, [Int])? {
    var keys: [RegionKey] = []
    if let country = place.country {
      for part in [place.secondSubdivision, place.subdivision] {
        if let part { keys.append(RegionKey(kind: .subdivision, code: country, part: part)) }
      }
      keys.append(RegionKey(kind: .country, code: country))
    }
    if let continent = place.continent { keys.append(RegionKey(kind: .continent, code: continent)) }
    for key in keys {
      if let sites = regions[key] { return (key, sites) }
    }
    return nil
  }

  /// Some sites, then the others by distance from a place, or as configured when there is no place.
  private func order(first: [Int], from place: Location?) -> [Int] {
    let rest = sites.indices.filter { !first.contains($0) }
    guard let place, isPlaced else { return first + rest }
    let origin = SpherePoint(place)
    var far: [(distance: Double, number: Int)] = []
    for number in rest {
      if let point = points[number] { far.append((origin.kilometres(to: point), number)) }
    }
    far.sort { $0.distance != $1.distance ? $0.distance < $1.distance : $0.number < $1.number }
    return first + gained(far) + rest.filter { points[$0] == nil }
  }

  /// Again and again the first in the configured order of those that the nearest one left does not beat by more than the
  /// minimum gain.
  private func gained(_ sorted: [(distance: Double, number: Int)]) -> [Int] {
    if minimumGainKilometres == 0 { return sorted.map(\.number) }
    var left = sorted[...]
    var order: [Int] = []
    while let nearest = left.first {
      var chosen = left.startIndex
      for index in left.indices {
        if left[index].distance > nearest.distance + minimumGainKilometres { break }
        if left[index].number < left[chosen].number { chosen = index }
      }
      order.append(left[chosen].number)
      left.remove(at: chosen)
    }
    return order
  }
}

/// A region as a key.
private struct RegionKey: Hashable, Sendable {
  var kind: GeoRegion.Kind
  /// Of a subdivision: its country.
  var code: RegionCode
  var part: RegionCode?

  init(kind: GeoRegion.Kind, code: RegionCode, part: RegionCode? = nil) {
    self.kind = kind
    self.code = code
    self.part = part
  }

  init?(_ region: GeoRegion) {
    let halves = region.code.value.split(separator: "-", maxSplits: 1)
    guard let first = halves.first, let code = RegionCode(first) else { return nil }
    self.init(kind: region.kind, code: code, part: halves.count == 2 ? RegionCode(halves[1]) : nil)
  }

  var text: String { part.map { "\(code)-\($0)" } ?? "\(code)" }
}
