public import Geo
internal import Routing
public import Topology

/// Clients drawn over the world's people, brought to sites in different ways.
public enum GeographySimulation {
  /// Why there is nothing to tell.
  public enum Failure: Error, Equatable {
    /// The sites of these names, which clients are brought to, have no location.
    case sitesWithoutLocation([String])
  }

  /// The office whose preference clients meet: the one asked for, else the first by the client's location.
  public static func entry(_ topology: Topology, named name: String? = nil) -> Office? {
    if let name { return topology.office(named: name) }
    return topology.offices.first { $0.order == .clientLocation }
  }

  /// The preference at an entry; without one that of all sites in the order of the file.
  public static func preference(_ topology: Topology, entry: Office?) -> SitePreference {
    if let entry { return SitePreference(topology, office: entry) }
    return SitePreference(sites: topology.sites, geo: topology.geo ?? GeoSettings())
  }

  /// Draws clients and brings them to sites.
  ///
  /// The result depends on the arguments alone. Clients have no address: `networks:` do not apply to them.
  ///
  /// - Parameters:
  ///   - entry: the office they enter at; nil: none, see `preference`.
  ///   - clients: how many, at least 1.
  public static func run(
    _ topology: Topology, entry: Office?, clients: Int, seed: UInt64
  ) throws(Failure) -> GeographyReport {
    precondition(clients >= 1, "nobody to bring anywhere")
    let preference = preference(topology, entry: entry)
    let places = preference.sites.compactMap(\.place)
    guard places.count == preference.sites.count else {
      throw .sitesWithoutLocation(preference.sites.filter { $0.place == nil }.map(\.name))
    }
    let centres = Centres(preference)
    var random = SplitMix64(seed: seed)
    let drawn = (0..<clients).map { _ in centres.draw(&random) }

    let names = preference.sites.map(\.name)
    var ways: [(way: GeographyReport.Way, site: (Int) -> Int)] = [
      (.preference, { centres.sites[drawn[$0]] }), (.roundRobin, { $0 % names.count }),
    ]
    for (number, name) in names.enumerated() { ways.append((.oneSite(name), { _ in number })) }
    let outcomes = ways.map { way, site in
      var counts = [Int](repeating: 0, count: names.count)
      let kilometres = drawn.indices.map { client in
        counts[site(client)] += 1
        return centres.kilometres[drawn[client]][site(client)]
      }
      return GeographyReport.Outcome(
        way: way, roundTripMilliseconds: .init(kilometres.map(PathModel.roundTripMilliseconds)),
        kilometres: .init(kilometres), shares: zip(names, counts).map { .init(site: $0, clients: $1) })
    }
    return GeographyReport(
      network: topology.name, digest: topology.digest, entry: entry?.name, seed: seed, clients: clients,
      outcomes: outcomes, countries: centres.countries(drawn, names))
  }
}

/// Every centre of the world's people with the site its clients get.
private struct Centres {
  private let people = WorldPeople.shared
  /// By centre: the number of the site that comes first.
  var sites: [Int] = []
  /// By centre and site.
  var kilometres: [[Double]] = []

  init(_ preference: SitePreference) {
    for place in people.places {
      sites.append(preference.decide(place: place).order[0])
      kilometres.append(place.location.map(preference.distances)?.map { $0 ?? 0 } ?? [])
    }
  }

  func draw(_ random: inout SplitMix64) -> Int { people.draw(&random) }

  func countries(_ drawn: [Int], _ names: [String]) -> [GeographyReport.CountryRow] {
    let table = CountryTable.countries
    var counts = [[Int]](repeating: [Int](repeating: 0, count: names.count), count: table.count)
    var milliseconds = [Double](repeating: 0, count: table.count)
    for centre in drawn {
      counts[people.countries[centre]][sites[centre]] += 1
      milliseconds[people.countries[centre]] += PathModel.roundTripMilliseconds(
        kilometres: kilometres[centre][sites[centre]])
    }
    let rows = table.indices.compactMap { number -> GeographyReport.CountryRow? in
      let clients = counts[number].reduce(0, +)
      guard clients > 0 else { return nil }
      let most = counts[number].indices.reduce(0) { counts[number][$1] > counts[number][$0] ? $1 : $0 }
      return GeographyReport.CountryRow(
        code: table[number].code.description, name: table[number].name, clients: clients, site: names[most],
        roundTripMilliseconds: milliseconds[number] / Double(clients))
    }
    return rows.sorted { $0.clients != $1.clients ? $0.clients > $1.clients : $0.code < $1.code }
  }
}
