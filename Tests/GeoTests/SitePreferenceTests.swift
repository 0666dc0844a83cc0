import TestRandom
import Testing
import Topology

@testable import Geo

private func site(_ name: String, _ place: (Double, Double)?) -> Site {
  var site = Site(id: 0, name: name)
  site.place = place.map { Location(latitude: $0.0, longitude: $0.1) }
  return site
}

private let world = [
  site("BRUSSELS", (50.85, 4.35)), site("NEW-YORK", (40.71, -74.01)), site("SINGAPORE", (1.35, 103.82)),
]

private func names(_ sites: [String]) -> [Located<String>] { sites.map { Located($0) } }

private func network(_ text: String, _ sites: [String]?, at place: Location? = nil) throws -> GeoNetwork {
  GeoNetwork(network: Located(try Network(parsing: text)), sites: sites.map(names), place: place)
}

private func region(_ kind: GeoRegion.Kind, _ code: String, _ sites: [String]) -> GeoRegion {
  GeoRegion(kind: kind, code: Located(code), sites: names(sites))
}

private let paris = Location(latitude: 48.85, longitude: 2.35)
private let boston = Location(latitude: 42.36, longitude: -71.06)
private let tokyo = Location(latitude: 35.68, longitude: 139.69)

@Suite struct SitePreferenceTests {
  @Test func theNearestSiteComesFirst() {
    let preference = SitePreference(sites: world, geo: GeoSettings())
    #expect(preference.decide(place: ClientPlace(location: paris)).order == [0, 1, 2])
    #expect(preference.decide(place: ClientPlace(location: boston)).order == [1, 0, 2])
    #expect(preference.decide(place: ClientPlace(location: tokyo)).order == [2, 0, 1])
    #expect(preference.decide(place: ClientPlace(location: tokyo)).reason == .distance)
  }

  @Test func whatIsUnknownKeepsTheConfiguredOrder() {
    let preference = SitePreference(sites: world, geo: GeoSettings())
    #expect(preference.decide(place: nil) == .init(order: [0, 1, 2], reason: .unknownAddress, location: nil))
    #expect(preference.decide(place: ClientPlace()).reason == .unknownLocation)
    #expect(preference.decide(place: ClientPlace()).order == [0, 1, 2])
    let nowhere = SitePreference(sites: [site("A", nil), site("B", nil)], geo: GeoSettings())
    #expect(nowhere.decide(place: ClientPlace(location: paris)).reason == .sitesWithoutLocation)
    #expect(nowhere.decide(place: ClientPlace(location: paris)).order == [0, 1])
  }

  @Test func sitesWithoutAPlaceComeLastInTheirOrder() {
    let preference = SitePreference(sites: [site("X", nil), world[0], site("Y", nil), world[1]], geo: GeoSettings())
    #expect(preference.decide(place: ClientPlace(location: boston)).order == [3, 1, 0, 2])
  }

  @Test func nearlyEqualSitesKeepTheConfiguredOrder() {
    let sites = [site("LYON", (45.76, 4.84)), site("PARIS", (48.86, 2.35)), site("LILLE", (50.63, 3.07))]
    func order(_ gain: Double, _ place: Location) -> [Int] {
      var geo = GeoSettings()
      geo.minimumGainKilometres = gain
      return SitePreference(sites: sites, geo: geo).decide(place: ClientPlace(location: place)).order
    }
    // From Brussels: Lille 93 km, Paris 264 km, Lyon 567 km.
    let brussels = Location(latitude: 50.85, longitude: 4.35)
    #expect(order(0, brussels) == [2, 1, 0])
    #expect(order(170, brussels) == [2, 1, 0])
    #expect(order(172, brussels) == [1, 2, 0])
    #expect(order(475, brussels) == [0, 1, 2])
  }

  @Test func equallyFarSitesKeepTheConfiguredOrder() {
    let sites = [site("EAST", (0, 10)), site("WEST", (0, -10)), site("HERE", (0, 0))]
    let preference = SitePreference(sites: sites, geo: GeoSettings())
    #expect(preference.decide(place: ClientPlace(location: Location(latitude: 0, longitude: 0))).order == [2, 0, 1])
  }

  @Test func theNarrowestRegionWins() {
    var geo = GeoSettings()
    geo.regions = [
      region(.continent, "NA", ["SINGAPORE"]), region(.country, "US", ["BRUSSELS"]),
      region(.subdivision, "US-CA", ["SINGAPORE", "BRUSSELS"]), region(.country, "NA", ["NEW-YORK"]),
    ]
    let preference = SitePreference(sites: world, geo: geo)
    var place = ClientPlace(location: boston)
    place.continent = RegionCode("NA")
    #expect(preference.decide(place: place).order == [2, 1, 0])
    #expect(preference.decide(place: place).reason == .region(.continent, "NA"))
    place.country = RegionCode("US")
    #expect(preference.decide(place: place).order == [0, 1, 2])
    place.subdivision = RegionCode("CA")
    #expect(preference.decide(place: place).order == [2, 0, 1])
    #expect(preference.decide(place: place).reason == .region(.subdivision, "US-CA"))
    // A part's part is looked at first, and one of another country of the same code is another.
    place.subdivision = RegionCode("XX")
    place.secondSubdivision = RegionCode("CA")
    #expect(preference.decide(place: place).reason == .region(.subdivision, "US-CA"))
    place.country = RegionCode("MX")
    #expect(preference.decide(place: place).reason == .region(.continent, "NA"))
    // The country Namibia is not the continent North America.
    place.country = RegionCode("NA")
    place.continent = RegionCode("AF")
    #expect(preference.decide(place: place).reason == .region(.country, "NA"))
  }

  @Test func aRegionWorksWithoutALocation() {
    var geo = GeoSettings()
    geo.regions = [region(.country, "JP", ["SINGAPORE"])]
    var place = ClientPlace()
    place.country = RegionCode("JP")
    #expect(SitePreference(sites: world, geo: geo).decide(place: place).order == [2, 0, 1])
  }

  @Test func aNetworkGoesBeforeTheDatabase() throws {
    var geo = GeoSettings()
    geo.networks = [
      try network("10.0.0.0/8", ["NEW-YORK"]), try network("10.1.0.0/16", nil, at: tokyo),
      try network("10.2.0.0/16", ["BRUSSELS"], at: tokyo), try network("10.3.0.0/16", ["ELSEWHERE"]),
    ]
    let preference = SitePreference(sites: world, geo: geo)
    func decide(_ text: String) throws -> SitePreference.Decision {
      let address = try Network(parsing: text)
      return preference.decide(address: (address.high, address.low), place: ClientPlace(location: paris))
    }
    #expect(try decide("10.9.9.9").order == [1, 0, 2])
    #expect(try decide("10.9.9.9").reason == .network(Network(parsing: "10.0.0.0/8")))
    #expect(try decide("10.1.9.9").order == [2, 0, 1])
    #expect(try decide("10.1.9.9").reason == .networkLocation(Network(parsing: "10.1.0.0/16")))
    #expect(try decide("10.2.9.9").order == [0, 2, 1])
    // An entry that names none of these sites does not count.
    #expect(try decide("10.3.9.9").order == [1, 0, 2])
    #expect(try decide("11.0.0.0").order == [0, 1, 2])
    #expect(try decide("11.0.0.0").reason == .distance)
  }

  @Test(arguments: 0..<100) func everySiteIsInEveryOrderOnceAndTheGainHolds(seed: UInt64) {
    var random = Generator(seed: seed)
    func place() -> Location {
      Location(latitude: .random(in: -90...90, using: &random), longitude: .random(in: -180...180, using: &random))
    }
    let sites = (0..<Int.random(in: 1...12, using: &random)).map { number -> Site in
      var site = Site(id: number, name: "S\(number)")
      if Int.random(in: 0..<4, using: &random) > 0 { site.place = place() }
      return site
    }
    var geo = GeoSettings()
    geo.minimumGainKilometres = [0, 100, 3000, 20_000].randomElement(using: &random) ?? 0
    let preference = SitePreference(sites: sites, geo: geo)
    for _ in 0..<20 {
      let client = place()
      let order = preference.decide(place: ClientPlace(location: client)).order
      #expect(order.sorted() == Array(sites.indices))
      let kilometres = preference.distances(from: client)
      let placed = order.filter { kilometres[$0] != nil }
      #expect(order == placed + sites.indices.filter { kilometres[$0] == nil })
      for (rank, number) in placed.enumerated() {
        let left = placed[rank...]
        let nearest = left.compactMap { kilometres[$0] }.min() ?? 0
        let near = left.filter { (kilometres[$0] ?? 0) <= nearest + geo.minimumGainKilometres }
        #expect(number == near.min())
      }
    }
  }
}

@Suite struct CompiledPreferenceTests {
  @Test func everyRecordAndNetworkHasTheListOfItsDecision() throws {
    var geo = GeoSettings()
    geo.networks = [try network("10.0.0.0/8", ["NEW-YORK"])]
    geo.regions = [region(.country, "JP", ["SINGAPORE", "NEW-YORK"])]
    let preference = SitePreference(sites: world, geo: geo)
    var random = Generator(seed: 7)
    var places: [UInt32: ClientPlace] = [:]
    for number in 0..<5000 {
      var place = ClientPlace(
        location: Location(
          latitude: .random(in: -90...90, using: &random), longitude: .random(in: -180...180, using: &random)))
      if number % 7 == 0 { place.country = RegionCode("JP") }
      if number % 11 == 0 { place.location = nil }
      places[UInt32(number * 97)] = place
    }
    // One cannot be read.
    let records = places.keys.sorted() + [.max]
    let compiled = CompiledPreference(preference, records: records) { places[$0] }
    for (record, place) in places {
      #expect(compiled.lists.sites(of: compiled.list(record: record)) == preference.decide(place: place).order)
    }
    #expect(compiled.list(record: .max) == .configured)
    #expect(compiled.list(record: 1) == .configured)
    #expect(compiled.lists.count <= 6)
    let office = try Network(parsing: "10.1.1.1")
    let list = try #require(compiled.list(high: office.high, low: office.low))
    #expect(compiled.lists.sites(of: list) == [1, 0, 2])
    #expect(compiled.list(high: 1, low: 1) == nil)
  }

  @Test func listsKeepTheirNumbersInLaterDatabases() {
    let preference = SitePreference(sites: world, geo: GeoSettings())
    var random = Generator(seed: 8)
    var before = CompiledPreference(preference, records: []) { _ in nil }
    #expect(before.lists.count == 1)
    for _ in 0..<6 {
      var places: [UInt32: ClientPlace] = [:]
      for number in 0..<2 as Range<UInt32> {
        places[number] = ClientPlace(
          location: Location(
            latitude: .random(in: -90...90, using: &random), longitude: .random(in: -180...180, using: &random)))
      }
      let after = CompiledPreference(preference, after: before.lists, records: [0, 1]) { places[$0] }
      for number in 0..<before.lists.count {
        #expect(after.lists.sites(of: after.lists.list(number)) == before.lists.sites(of: before.lists.list(number)))
      }
      for (record, place) in places {
        #expect(after.lists.sites(of: after.list(record: record)) == preference.decide(place: place).order)
      }
      before = after
    }
    // Three sites have six orders, however many databases there were.
    #expect(before.lists.count > 2 && before.lists.count <= 6)
  }
}

@Suite struct RegionCodeTests {
  @Test(arguments: ["E", "EU", "ENG", "ABCDEFGH"]) func aCodeIsItsText(text: String) {
    #expect(RegionCode(text)?.description == text)
  }

  @Test(arguments: ["", "ABCDEFGHI", "É", "A B", "A\u{7F}"]) func otherTextsAreNone(text: String) {
    #expect(RegionCode(text) == nil)
  }
}
