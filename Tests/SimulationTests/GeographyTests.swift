import Geo
import Simulation
import Testing
import Topology

@Suite struct GeographyTests {
  private func network() -> Topology {
    var topology = Topology(name: "world")
    for (name, latitude, longitude) in [("EUROPE", 50.11, 8.68), ("AMERICA", 38.95, -77.45), ("ASIA", 1.35, 103.82)] {
      var site = Site(id: topology.sites.count, name: name)
      site.place = Location(latitude: latitude, longitude: longitude)
      topology.sites.append(site)
    }
    topology.geo = GeoSettings()
    return topology
  }

  private func run(_ topology: Topology, clients: Int = 5000, seed: UInt64 = 1) throws -> GeographyReport {
    try GeographySimulation.run(topology, entry: nil, clients: clients, seed: seed)
  }

  @Test func theSameSeedGivesTheSameReportAndAnotherAnother() throws {
    #expect(try run(network()) == run(network()))
    #expect(try run(network()) != run(network(), seed: 2))
  }

  @Test func nobodyIsNearerThanByGeography() throws {
    let report = try run(network())
    #expect(report.outcomes.count == 5)
    for outcome in report.outcomes {
      #expect(outcome.shares.reduce(0) { $0 + $1.clients } == report.clients)
      #expect(outcome.kilometres.mean >= report.outcomes[0].kilometres.mean)
      #expect(outcome.kilometres.p50 <= outcome.kilometres.p90 && outcome.kilometres.p90 <= outcome.kilometres.p99)
    }
  }

  @Test func sitesInTurnGetEquallyManyClients() throws {
    let counts = try run(network(), clients: 3001).outcomes[1].shares.map(\.clients)
    #expect(counts == [1001, 1000, 1000])
  }

  @Test func clientsAreDrawnByPeople() throws {
    let report = try run(network(), clients: 100_000)
    let world = CountryTable.countries.reduce(0) { $0 + $1.millions }
    for country in CountryTable.countries where country.millions > 100 {
      let drawn = Double(report.countries.first { $0.code == country.code.description }?.clients ?? 0)
      let expected = country.millions / world * 100_000
      // Five standard deviations.
      #expect(abs(drawn - expected) < 5 * expected.squareRoot(), "\(country.name)")
    }
  }

  @Test func regionsComeBeforeDistance() throws {
    var topology = network()
    topology.geo?.regions = [GeoRegion(kind: .country, code: Located("IN"), sites: [Located("AMERICA")])]
    let report = try run(topology)
    #expect(report.countries.first { $0.code == "IN" }?.site == "AMERICA")
    #expect(report.countries.first { $0.code == "DE" }?.site == "EUROPE")
  }

  @Test func aGainTooSmallKeepsTheConfiguredOrder() throws {
    var topology = network()
    topology.geo?.minimumGainKilometres = 30_000
    let shares = try run(topology).outcomes[0].shares
    #expect(shares.map(\.clients) == [5000, 0, 0])
  }

  @Test func aSiteWithoutLocationIsNamed() {
    var topology = network()
    topology.sites[1].place = nil
    #expect(throws: GeographySimulation.Failure.sitesWithoutLocation(["AMERICA"])) { try run(topology) }
  }

  @Test func timesFollowFromDistance() {
    #expect(PathModel.roundTripMilliseconds(kilometres: 0) == 10)
    #expect(PathModel.roundTripMilliseconds(kilometres: 1000) == 25)
  }
}
