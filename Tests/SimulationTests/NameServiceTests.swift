import Testing
import Topology

@testable import Simulation

/// Where users go by a name (`Way.dnsFailover`).
@Suite("Name service")
struct NameServiceTests {
  private static func run(
    _ scenario: Scenario, secondsToLive: Int = 60, _ change: (inout Topology) -> Void = { _ in }
  ) throws -> ScenarioReport {
    var topology = TwoSites.topology
    change(&topology)
    topology.scenarios = [scenario]
    var options = SimulationOptions()
    options.namesLast = .seconds(secondsToLive)
    return try #require(Comparison.run(topology, options: options, threads: 2).scenarios.first)[.dnsFailover]
  }

  /// Steps of the series in which there was an error: first and last, in seconds.
  private func timeOfErrors(_ report: ScenarioReport) -> ClosedRange<Int>? {
    let steps = report.series.errors.indices.filter { report.series.errors[$0] > 0 }
    let length = Int(report.series.stepNanoseconds / 1_000_000_000)
    guard let first = steps.first, let last = steps.last else { return nil }
    return first * length...(last + 1) * length
  }

  private static let dead = TwoSites.scenario(
    "kill", seconds: 900, [TwoSites.step(at: 120, lasts: 600, .kill(TwoSites.names("SD1")))])

  @Test(arguments: [1, 60, 300])
  func `Users see errors until the checks have spoken and the answer they have is too old`(seconds: Int) throws {
    let seen = try #require(timeOfErrors(Self.run(Self.dead, secondsToLive: seconds)))
    // Three checks, 30 s apart with 8 % of jitter; then each office keeps its answer.
    #expect(seen.lowerBound >= 115)
    #expect(seen.upperBound >= 120 + 60 - 5)
    #expect(seen.upperBound <= 120 + 98 + seconds + 10)
  }

  @Test func `A longer time to live costs more`() throws {
    let short = try Self.run(Self.dead, secondsToLive: 5).total.counts.errors
    let long = try Self.run(Self.dead, secondsToLive: 300).total.counts.errors
    #expect(long > short)
  }

  @Test func `Nobody passes requests on to another site, and everybody returns when the name does`() throws {
    let report = try Self.run(Self.dead)
    #expect(report.total.counts.interSite == 0)
    #expect(report.total.counts.movedNeedlessly > 0)
    let series = report.series
    #expect(series.requestsBySite[0].last ?? 0 > 0 && series.requestsBySite[1].last ?? 0 > 0)
  }

  @Test func `A cut that the checker cannot see lasts as long as it lasts`() throws {
    let report = try Self.run(
      TwoSites.scenario("cut", [TwoSites.step(at: 120, lasts: 300, .cut(TwoSites.ends("OP1", "SITE1"), oneWay: false))])
    )
    let seen = try #require(timeOfErrors(report))
    #expect(seen.lowerBound >= 115 && seen.upperBound >= 415)
    #expect(report.total.counts.moves == 0)
  }

  @Test func `A site without living servers is not answered with`() throws {
    let report = try Self.run(
      TwoSites.scenario(
        "dead", [TwoSites.step(at: 120, lasts: 400, .kill(TwoSites.names("W11", "W12", "W13", "W14")))]))
    let seen = try #require(timeOfErrors(report))
    #expect(seen.upperBound <= 120 + 20 + 98 + 60 + 10)
  }

  @Test func `There are no office proxies that could die`() throws {
    let report = try Self.run(
      TwoSites.scenario("office", [TwoSites.step(at: 120, lasts: 60, .kill(TwoSites.names("OP1")))]))
    #expect(report.total.counts.errors == 0)
  }

  @Test func `Local users of a site go to another by the link between the sites`() throws {
    func change(_ topology: inout Topology) {
      topology.sites[0].traffic.users = 30
      for index in topology.offices.indices { topology.offices[index].traffic.users = 10 }
    }
    let calm = try Self.run(TwoSites.scenario("calm", []), change)
    #expect(calm.users == 60 && calm.total.counts.errors == 0 && calm.total.counts.interSite == 0)
    let dead = try Self.run(Self.dead, change)
    #expect(dead.total.counts.interSite > 0)
    #expect(dead.links.contains { $0.isInterSite && $0.bytes > 0 })
    let seen = try #require(timeOfErrors(dead))
    #expect(seen.upperBound <= 120 + 98 + 60 + 10)
  }

  @Test func `Listed users go by the name, too, and their cookies name no site there`() throws {
    func user(_ name: String, _ entry: String, server: String) -> ListedUser {
      var user = ListedUser(name: name, entry: entry)
      user.server = server
      user.session = "id-\(name)"
      user.site = server.hasPrefix("W1") ? 0 : 1
      user.pages = [ListedUser.Page(atNanoseconds: 5_000_000_000), ListedUser.Page(atNanoseconds: 9_000_000_000)]
      return user
    }
    var topology = TwoSites.topology
    topology.scenarios = [TwoSites.scenario("calm", seconds: 20, [])]
    var options = SimulationOptions()
    options.roll = UserRoll(users: [
      user("anna", "SITE1", server: "W13"), user("ben", "OP3", server: "W21"), user("cleo", "OP1", server: "W22"),
    ])
    let compared = try #require(Comparison.run(topology, options: options).scenarios.first)
    #expect(compared.ours.total.counts.sessionsLost == 0 && compared.ours.total.counts.requests == 6)
    let byName = compared[.dnsFailover]
    #expect(byName.users == 3 && byName.total.counts.requests == 6)
    // Cleo's session is at the site that the name does not lead to.
    #expect(byName.total.counts.sessionsLost == 1 && byName.total.counts.avoidableSessionsLost == 1)
    #expect(byName.series.requestsBySite.map { $0.reduce(0, +) } == [4, 2])
  }

  @Test func `Local users think alike by whichever way they go`() throws {
    var topology = TwoSites.topology
    topology.offices = []
    topology.links.removeAll { $0.ends.contains { $0.value.hasPrefix("OP") } }
    topology.scenarios = [TwoSites.scenario("calm", [])]
    let compared = try #require(Comparison.run(topology, options: SimulationOptions()).scenarios.first)
    let (ours, byName) = (compared.ours, compared[.dnsFailover])
    #expect(ours.users == 140 && byName.users == 140)
    #expect(abs(Int(ours.total.counts.requests) - Int(byName.total.counts.requests)) <= 50)
    // What the first seconds differ by is on its way at their end.
    for (own, other) in zip(ours.series.requestsBySite[0].prefix(3), byName.series.requestsBySite[0].prefix(3)) {
      #expect(abs(Int(own) - Int(other)) <= 2)
    }
  }
}
