import Foundation
import FoundationXML
import Geo
import Testing
import Topology

@testable import geodirector

@Suite struct WorldMapTests {
  @Test(arguments: ["world", "two-sites", "three-sites", "worldwide", "bare"])
  func mapsAreWellFormedAndSpeakOfEverySite(_ name: String) throws {
    let topology = try Networks.named(name)
    let text = WorldMapSVG(topology).text
    #expect(XMLParser(data: Data(text.utf8)).parse())
    for site in topology.sites { #expect(text.contains(site.name)) }
    #expect(text == WorldMapSVG(topology).text)
    #expect(!text.contains("nan") && !text.contains("inf"))
  }

  @Test func peopleAreDrawnOnlyForAnEntryByTheClientsLocation() throws {
    let centres = CountryTable.countries.reduce(0) { $0 + $1.centres.count }
    let crowds = WorldMapSVG(try Networks.named("world")).text.components(separatedBy: "\"crowd ").count - 1
    #expect(crowds == centres)
    #expect(!WorldMapSVG(try Networks.named("three-sites")).text.contains("\"crowd "))
  }

  @Test func linesOverTheEdgeOfTheMapAreInTwoPieces() {
    let map = WorldProjection(x: 0, y: 0, width: 1000)
    let tokyo = Location(latitude: 35.68, longitude: 139.69)
    let line = map.greatCircle(tokyo, Location(latitude: 37.77, longitude: -122.42))
    #expect(line.filter { $0 == "M" }.count == 2)
    #expect(map.greatCircle(tokyo, Location(latitude: 1.35, longitude: 103.82)).filter { $0 == "M" }.count == 1)
    #expect(!map.greatCircle(tokyo, tokyo).contains("nan"))
  }
}
