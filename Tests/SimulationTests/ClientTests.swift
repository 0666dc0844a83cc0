import Geo
import Testing
import Topology
import TopologyFile

@testable import Simulation

/// Users of an office that orders the sites for each client.
@Suite("Clients at their places")
struct ClientTests {
  private static func site(_ name: String, _ number: Int, _ location: String) -> String {
    """
      - name: \(name)
        location: \(location)
        directors: [{name: \(name)-D, listen: "127.\(number).1.1:8080", monitor: "127.\(number).1.1:8081"}]
        balancers: [{name: \(name)-L, listen: "127.\(number).1.11:8080", monitor: "127.\(number).1.11:8081"}]
        servers:
          - {name: \(name)-W1, address: "127.\(number).2.1:8080"}
          - {name: \(name)-W2, address: "127.\(number).2.2:8080"}

    """
  }

  private static func topology(
    users: Int = 60, traffic: String = "", office: String = "location: [52.5, 13.4]", geo: String = ""
  ) throws -> Topology {
    let text =
      """
      geodirector: 1
      network: world
      applications: [{name: shop, cookies: {site: {name: SITE, maxidle: 1h}, session: JSESSIONID}}]
      geo:
        networks: {10.0.0.0/8: [ASIA, AMERICA]}
      \(geo)
      sites:

      """ + site("EUROPE", 7, "[50.1, 8.7]") + site("AMERICA", 8, "[38.9, -77.4]") + site("ASIA", 9, "[1.3, 103.8]")
        + """
        offices:
          - name: ENTRY
            listen: "127.11.1.1:8080"
            preference: {by: client-location, sites: [EUROPE, AMERICA, ASIA]}
            users: \(users)
            \(office)
        \(traffic)
        """
    let loaded = TopologyLoader.load(text: text, file: "world.yaml")
    return try #require(loaded.topology, "\(loaded.diagnostics)")
  }

  private static func run(
    _ topology: Topology, _ steps: [ScenarioStep] = [], seconds: Int = 300,
    _ change: (inout SimulationOptions) -> Void = { _ in }
  ) throws -> ScenarioReport {
    var options = SimulationOptions(seed: 1)
    options.tellsUsers = true
    change(&options)
    let scenario = TwoSites.scenario("clients", seconds: seconds, steps)
    return Simulation.run(try NetworkModel(topology), scenario: scenario, options: options)
  }

  /// The site of a server by its name.
  private static func site(_ server: String) -> String { String(server.prefix { $0 != "-" }) }

  private static func firstSite(_ topology: Topology, user: Int, _ change: (inout SimulationOptions) -> Void = { _ in })
    throws -> String?
  {
    let report = try run(topology, seconds: 60) { options in
      change(&options)
      options.traceUser = user
    }
    return report.trace?.requests.first?.server.map(site)
  }

  @Test func `Each user goes to the site that the data plane's preference puts first for the country`() throws {
    let topology = try Self.topology()
    let preference = SitePreference(topology, office: topology.offices[0])
    let users = try #require(try Self.run(topology, seconds: 10).perUser)
    #expect(Set(users.compactMap(\.country)).count > 10)
    for user in stride(from: 0, to: users.count, by: 4) {
      let country = try #require(CountryTable.countries.first { $0.code.description == users[user].country })
      let nearest = Set(
        country.centres.map { centre in
          preference.sites[preference.decide(place: country.place(at: centre.location)).order[0]].name
        })
      let site = try #require(try Self.firstSite(topology, user: user))
      #expect(nearest.contains(site), "\(country.name)")
    }
  }

  @Test func `Every site gets users on an ordinary day, and no property is violated`() throws {
    let report = try Self.run(Self.topology())
    #expect(report.holds)
    for site in report.series.requestsBySite { #expect(site.reduce(0, +) > 100) }
  }

  @Test func `When the nearest site fails its users go to the next of their own order and stay`() throws {
    let power = TwoSites.step(at: 60, lasts: 120, .power(TwoSites.names("EUROPE")))
    let report = try Self.run(Self.topology(users: 120), [power], seconds: 600)
    #expect(report.holds, "\(report.verdicts)")
    let moved = try #require(report.perUser).filter { !$0.moves.isEmpty }
    #expect(Set(moved.compactMap { $0.moves.first.map { Self.site($0.to) } }) == ["AMERICA", "ASIA"])
    #expect(moved.allSatisfy { $0.moves.first.map { Self.site($0.from) } == "EUROPE" })
  }

  @Test func `The same seed gives the same places, another seed others, and more users are added to those before`()
    throws
  {
    func countries(_ users: Int, seed: UInt64 = 1) throws -> [String: Int] {
      let report = try Self.run(Self.topology(users: users), seconds: 1) { $0.seed = seed }
      return Dictionary(
        try #require(report.perUser).compactMap { user in user.country.map { ($0, 1) } }, uniquingKeysWith: +)
    }
    let first = try countries(50)
    #expect(try countries(50) == first)
    #expect(try countries(50, seed: 2) != first)
    let more = try countries(80)
    #expect(first.allSatisfy { more[$0.key, default: 0] >= $0.value })
  }

  @Test func `Users by office are all where the office is, unless the office says otherwise`() throws {
    for word in ["office", "{by: office}"] {
      var topology = try Self.topology(traffic: "traffic: {clients: \(word)}", office: "location: [35.7, 139.7]")
      let counts = try Self.run(topology, seconds: 60).series.requestsBySite.map { $0.reduce(0, +) }
      #expect(counts[0] == 0 && counts[1] == 0 && counts[2] > 100)
      topology.offices[0].traffic.clients = Located(.population)
      let others = try Self.run(topology, seconds: 60).series.requestsBySite.map { $0.reduce(0, +) }
      #expect(others.allSatisfy { $0 > 10 })
    }
  }

  @Test func `Where nobody knows the place the configured order serves`() throws {
    var topology = try Self.topology(office: "")
    topology.traffic.clients = Located(.office)
    let counts = try Self.run(topology, seconds: 60).series.requestsBySite.map { $0.reduce(0, +) }
    #expect(counts[0] > 100 && counts[1] == 0 && counts[2] == 0)
  }

  @Test func `The way to the entry takes its time`() throws {
    let far = try Self.run(Self.topology(office: "location: [-36.8, 174.8]"))
    let near = try Self.run(Self.topology(office: ""))
    #expect(far.total.latency.p50Nanoseconds > near.total.latency.p50Nanoseconds + 150_000_000)
  }

  @Test func `Listed users come from where their addresses are`() throws {
    let topology = try Self.topology()
    var roll = UserRoll()
    for (name, client) in [("net", "10.1.2.3"), ("tokyo", "203.0.113.7"), ("nowhere", "8.8.8.8"), ("none", nil)] {
      var user = ListedUser(name: name, entry: "ENTRY")
      user.client = try client.map(Network.init(parsingAddress:))
      user.pages = [ListedUser.Page(atNanoseconds: 1_000_000_000)]
      roll.users.append(user)
    }
    let tokyo = try Network(parsingAddress: "203.0.113.7")
    let listed = roll
    let change: (inout SimulationOptions) -> Void = { options in
      options.roll = listed
      options.clientPlace = { high, low in
        guard (high, low) == (tokyo.high, tokyo.low) else { return nil }
        var place = ClientPlace(location: Location(latitude: 35.7, longitude: 139.7))
        place.country = RegionCode("JP")
        return place
      }
    }
    let users = try #require(try Self.run(topology, seconds: 10, change).perUser)
    var sites: [String: String] = [:]
    for user in users { sites[user.name ?? ""] = try Self.firstSite(topology, user: user.user, change) }
    #expect(sites == ["net": "ASIA", "tokyo": "ASIA", "nowhere": "EUROPE", "none": "EUROPE"])
    #expect(users.first { $0.name == "tokyo" }?.country == "JP")
  }

  @Test func `A rollout of other regions gives new users another order`() throws {
    let next = try Self.topology(geo: "  regions: {continents: {AS: AMERICA}}")
    let step = TwoSites.step(
      at: 100, .rollout(file: Located("next.yaml"), order: [Located("ENTRY")], pause: .seconds(1)))
    var scenario = TwoSites.scenario("rollout", seconds: 300, [step])
    scenario.traffic.sessionLength = .seconds(20)
    var options = SimulationOptions(seed: 1)
    options.rollouts = ["next.yaml": next]
    let report = Simulation.run(try NetworkModel(Self.topology()), scenario: scenario, options: options)
    #expect(report.holds, "\(report.verdicts)")
    func share(_ steps: Range<Int>) -> Double {
      let counts = report.series.requestsBySite.map { $0[steps].reduce(0, +) }
      return Double(counts[2]) / Double(counts.reduce(0, +))
    }
    let steps = report.series.requestsBySite[0].count
    #expect(share(0..<steps / 3) > 0.3 && share(steps * 2 / 3..<steps) < 0.2)
  }
}
