import Foundation
import Geo
import TestRandom
import Testing
import Topology

@testable import GeoDatabase

/// The 128-bit form of an address.
func address(_ text: String) throws -> (high: UInt64, low: UInt64) {
  let network = try Network(parsing: text)
  return (network.high, network.low)
}

// Made anew each time: LeakSanitizer does not see the marked pointer of a global enumeration.
var london: Value { .city(51.51, -0.13, "EU", "GB", ["ENG", "LND"]) }
var tokyo: Value { .city(35.68, 139.69, "AS", "JP") }

@Suite struct LookupTests {
  @Test(arguments: [24, 28, 32], [4, 6]) func everyRecordSizeAndIPVersion(recordBits: Int, ipVersion: Int) throws {
    var writer = DatabaseWriter(recordBits: recordBits, ipVersion: ipVersion)
    writer.entries = [("1.0.0.0/8", london), ("1.2.3.0/24", tokyo), ("1.2.3.4", london)]
    if ipVersion == 6 { writer.entries.append(("2001:db8::/32", tokyo)) }
    let folder = try Folder()
    try folder.replace("db", writer.file())
    let database = try GeoDatabase(path: folder.path("db"))
    #expect(database.metadata.recordBits == recordBits && database.metadata.ipVersion == ipVersion)
    #expect(database.metadata.type == "Test-City" && database.metadata.languages == ["en", "de"])
    func country(_ text: String) throws -> String? {
      let (high, low) = try address(text)
      return try database.place(high: high, low: low)?.country?.description
    }
    #expect(try country("1.1.1.1") == "GB")
    #expect(try country("1.2.3.3") == "JP")
    #expect(try country("1.2.3.4") == "GB")
    #expect(try country("1.2.4.0") == "GB")
    #expect(try country("2.0.0.0") == nil)
    #expect(try country("0.0.0.0") == nil)
    #expect(try country("255.255.255.255") == nil)
    #expect(try country("2001:db8::1") == (ipVersion == 6 ? "JP" : nil))
    #expect(try country("2001:db9::1") == nil)
    let (high, low) = try address("1.2.3.0")
    #expect(try database.find(high: high, low: low)?.prefixLength == 96 + 30)
    #expect(database.records.count == 2)
  }

  @Test func aPlaceHasAllThatTheRecordSays() throws {
    let folder = try Folder()
    try folder.replace("db", DatabaseWriter(entries: [("1.0.0.0/8", london)]).file())
    let (high, low) = try address("1.1.1.1")
    let place = try #require(try GeoDatabase(path: folder.path("db")).place(high: high, low: low))
    var expected = ClientPlace(location: Location(latitude: 51.51, longitude: -0.13))
    expected.accuracyKilometres = 50
    expected.continent = RegionCode("EU")
    expected.country = RegionCode("GB")
    expected.subdivision = RegionCode("ENG")
    expected.secondSubdivision = RegionCode("LND")
    #expect(place == expected)
  }

  @Test(
    arguments: [
      [:], "text", ["location": "somewhere"], ["location": ["latitude": 1.0]], ["location": []],
      ["location": ["latitude": .double(.nan), "longitude": 1.0]],
      ["location": ["latitude": .double(91), "longitude": 1.0]], ["country": ["iso_code": "far too long a code"]],
      ["country": ["iso_code": .uint32(5)]], ["country": ["iso_code": ""]], ["subdivisions": ["iso_code": "X"]],
      ["subdivisions": [[:]]],
    ] as [Value]) func whatARecordDoesNotSayIsNil(record: Value) throws
  {
    let folder = try Folder()
    try folder.replace("db", DatabaseWriter(entries: [("1.0.0.0/8", record)]).file())
    let (high, low) = try address("1.1.1.1")
    let place = try GeoDatabase(path: folder.path("db")).place(high: high, low: low)
    #expect(place == ClientPlace())
  }

  @Test func aWholeRecordBecomesJSON() throws {
    let record: Value = [
      "text": "a\"b\\c\n\u{1}é日", "double": 1.5, "float": .float(0.25), "bytes": .bytes([0, 171, 255]),
      "uint16": .uint16(65535), "zero": .uint32(0), "uint32": .uint32(.max), "uint64": .uint64(.max),
      "uint128": .uint128(.max), "int32": .int32(-5), "positive": .int32(77), "yes": .boolean(true),
      "no": .boolean(false), "list": ["a", [:], []], "infinite": .double(.infinity),
      "long": .string(String(repeating: "x", count: 300)), "longer": .string(String(repeating: "y", count: 70_000)),
    ]
    let folder = try Folder()
    try folder.replace("db", DatabaseWriter(entries: [("1.0.0.0/8", record)]).file())
    let database = try GeoDatabase(path: folder.path("db"))
    var text: [UInt8] = []
    try database.appendJSON(of: database.records[0], to: &text)
    let expected =
      #"{"text":"a\"b\\c\u000a\u0001é日","double":1.5,"float":0.25,"bytes":"00abff","uint16":65535,"zero":0,"#
      + #""uint32":4294967295,"uint64":18446744073709551615,"uint128":340282366920938463463374607431768211455,"#
      + #""int32":-5,"positive":77,"yes":true,"no":false,"list":["a",{},[]],"infinite":null,"long":""#
      + String(repeating: "x", count: 300) + #"","longer":""# + String(repeating: "y", count: 70_000) + #""}"#
    #expect(String(decoding: text, as: UTF8.self) == expected)
    #expect(try database.text(of: database.records[0], ["longer"])?.count == 70_000)
    #expect(try database.text(of: database.records[0], ["double"]) == nil)
    #expect(try database.text(of: database.records[0], ["text", "more"]) == nil)
  }

  @Test func theTableOfListsAnswersAsTheRulesDo() throws {
    var random = Generator(seed: 3)
    var writer = DatabaseWriter()
    for number in 0..<2000 {
      let (latitude, longitude) = (Double.random(in: -90...90, using: &random), Double(number % 360) - 180)
      writer.entries.append(
        (
          "\(number % 223 + 1).\(number / 223).0.0/16",
          .city(latitude, longitude, "EU", ["FR", "DE", "PL"][number % 3])
        ))
    }
    let folder = try Folder()
    try folder.replace("db", writer.file())
    let sites = [(50.85, 4.35), (40.71, -74.01), (1.35, 103.82)].enumerated().map { number, place -> Site in
      var site = Site(id: number, name: "S\(number)")
      site.place = Location(latitude: place.0, longitude: place.1)
      return site
    }
    var geo = GeoSettings()
    geo.regions = [GeoRegion(kind: .country, code: Located("PL"), sites: [Located("S2")])]
    geo.networks = [
      GeoNetwork(network: Located(try Network(parsing: "7.0.0.0/8")), sites: [Located("S1")])
    ]
    let preference = SitePreference(sites: sites, geo: geo)
    let database = try GeoDatabase(path: folder.path("db"))
    let compiled = ClientSites(preference, database: database)
    for _ in 0..<20_000 {
      let low = 0xFFFF_0000_0000 | UInt64(UInt32.random(in: 0...0x0C00_0000, using: &random))
      let decided = preference.decide(address: (0, low), place: try database.place(high: 0, low: low))
      #expect(compiled.compiled.lists.sites(of: compiled.list(high: 0, low: low)) == decided.order)
    }
    let alone = ClientSites(preference, database: nil)
    #expect(alone.list(high: 0, low: 0xFFFF_0800_0000) == .configured)
    #expect(alone.compiled.lists.sites(of: alone.list(high: 0, low: 0xFFFF_0700_0001)) == [1, 0, 2])
  }
}
