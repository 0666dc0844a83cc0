import Testing
import Topology
import TopologyFile

private func load(_ geo: String, sites: String = "") -> (topology: Topology?, diagnostics: [Diagnostic]) {
  TopologyLoader.load(
    text: """
      geodirector: 1
      geo:
      \(geo.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n"))
      sites:
        - name: SITE1
          directors: [{name: SD1, listen: "127.0.0.1:8001", monitor: "127.0.0.1:8011"}]
          balancers: [{name: L1, listen: "127.0.0.1:8002", monitor: "127.0.0.1:8012"}]
          servers: [{name: W1, address: "127.0.0.1:9001"}]
      \(sites)
      """, file: "/etc/geodirector/network.yaml")
}

@Suite struct GeoLanguageTests {
  @Test func everyKeyIsRead() throws {
    let (topology, diagnostics) = load(
      """
      database: geo/City.mmdb
      networks:
        10.0.0.0/8: SITE1
        "2001:db8::/32": {sites: [SITE1], location: [1, 2]}
        192.168.0.0/16: {location: {latitude: 3, longitude: 4}}
      regions:
        continents: {eu: SITE1}
        countries:
          NO: [SITE1]
        subdivisions: {us-ca: [SITE1]}
      minimum-gain: 100mi
      redirect: no
      """)
    #expect(diagnostics.isEmpty)
    let read = try #require(topology)
    let geo = try #require(read.geo)
    #expect(read.databasePath == "/etc/geodirector/geo/City.mmdb")
    #expect(geo.networks.map(\.network.value.description) == ["10.0.0.0/8", "2001:db8::/32", "192.168.0.0/16"])
    #expect(geo.networks.map { $0.sites?.map(\.value) } == [["SITE1"], ["SITE1"], nil])
    #expect(
      geo.networks.map(\.place) == [nil, Location(latitude: 1, longitude: 2), Location(latitude: 3, longitude: 4)])
    #expect(geo.regions.map(\.kind) == [.continent, .country, .subdivision])
    #expect(geo.regions.map(\.code.value) == ["EU", "NO", "US-CA"])
    #expect(geo.minimumGainKilometres == 160.9344)
    #expect(geo.redirect?.value == false)
  }

  @Test func anAbsolutePathStaysAsItIs() {
    #expect(load("database: /var/lib/City.mmdb").topology?.databasePath == "/var/lib/City.mmdb")
  }

  @Test func onlyOfficesThatGoByTheirClientsAreGivenGeography() throws {
    let offices = """
      offices:
        - {name: OP1, listen: "127.0.0.1:8101", preference: client-location}
        - {name: OP2, listen: "127.0.0.1:8102", preference: [SITE1]}
      time-scale: 0.5
      """
    let topology = try #require(
      load("database: City.mmdb\nnetworks: {10.0.0.0/8: SITE1}", sites: offices).topology)
    let geo = try #require(try topology.plan(for: "OP1").geo)
    #expect(geo.databasePath == "/etc/geodirector/City.mmdb")
    #expect(geo.sites.map(\.name) == ["SITE1"])
    #expect(geo.settings.networks.count == 1)
    #expect(geo.checkInterval == .seconds(5))
    for name in ["OP2", "SD1", "L1"] { #expect(try topology.plan(for: name).geo == nil) }
  }

  @Test func directorsWithPublicListenersAreGivenGeographyForRedirects() throws {
    for (isPublic, redirect) in [(true, true), (true, false), (false, true)] {
      let other = """
          - name: SITE2
            url: "https://[2001:DB8::1]:8443"
            directors: [{name: SD2, listen: {address: "127.0.0.1:8003", public: \(isPublic)}, monitor: "127.0.0.1:8013"}]
            balancers: [{name: L2, listen: "127.0.0.1:8004", monitor: "127.0.0.1:8014"}]
            servers: [{name: W2, address: "127.0.0.1:9002"}]
        """
      let topology = try #require(load("database: City.mmdb\nredirect: \(redirect)", sites: other).topology)
      let geo = try topology.plan(for: "SD2").geo
      #expect((geo != nil) == (isPublic && redirect))
      #expect(try topology.plan(for: "SD1").geo == nil)
      guard let geo else { continue }
      #expect(geo.use == .redirects)
      #expect(geo.sites.map(\.name) == ["SITE2", "SITE1"])
      #expect(geo.sites.map(\.urlHost) == ["[2001:db8::1]", nil])
    }
  }

  private func warnings(_ geo: String, _ sites: String) -> [String] {
    load(geo, sites: sites).diagnostics.filter { $0.severity == .warning }.map(\.message)
  }

  private func redirecting(isPublic: Bool, cookie: String = "SITE") -> String {
    """
        url: "https://eu.shop.example"
      - name: SITE2
        url: "https://us.shop.example"
        directors: [{name: SD2, listen: {address: "127.0.0.1:8003", public: \(isPublic)}, monitor: "127.0.0.1:8013"}]
        balancers: [{name: L2, listen: "127.0.0.1:8004", monitor: "127.0.0.1:8014"}]
        servers: [{name: W2, address: "127.0.0.1:9002"}]
    applications: [{name: shop, cookies: {site: \(cookie)}}]
    """
  }

  @Test func aUrlThatLeadsToNoPublicListenerIsWarnedOf() {
    let text = "has a url, but none of its directors a public listener"
    let found = warnings("database: City.mmdb\nredirect: true", redirecting(isPublic: true))
    #expect(found.filter { $0.contains(text) }.count == 1)
    #expect(found.contains { $0.contains("site \"SITE1\" \(text)") })
    #expect(
      !warnings("database: City.mmdb\nredirect: false", redirecting(isPublic: true)).contains { $0.contains(text) })
  }

  @Test func aSiteCookieForOneHostIsWarnedOfWhereUsersAreSentToOthers() {
    let text = "the site cookie of \"shop\" is for one host"
    for (cookie, isWarned) in [("SITE", true), ("{name: SITE, domain: shop.example}", false), ("none", false)] {
      let found = warnings("database: City.mmdb\nredirect: true", redirecting(isPublic: true, cookie: cookie))
      #expect(found.contains { $0.contains(text) } == isWarned, "\(cookie)")
    }
  }

  @Test func officesThatReachAPublicListenerAreWarnedOf() {
    let text = "offices reach \"SD2\" at a public listener"
    for (listen, isWarned) in [
      ("listen: {address: \"127.0.0.1:8003\", public: true}", true), ("listen: \"127.0.0.1:8003\"", false),
      ("listen: [{address: \"127.0.0.1:8003\", public: true}, \"127.0.0.1:8005\"]", true),
      ("listen: [\"127.0.0.1:8005\", {address: \"127.0.0.1:8003\", public: true}]", false),
      (
        "listen: [{address: \"127.0.0.1:8003\", public: true}, \"127.0.0.1:8005\"], advertise: \"127.0.0.1:8005\"",
        false
      ),
      (
        "listen: [\"127.0.0.1:8005\", {address: \"127.0.0.1:8003\", public: true}], advertise: \"127.0.0.1:8003\"", true
      ),
    ] {
      let sites = redirecting(isPublic: true)
        .replacing("listen: {address: \"127.0.0.1:8003\", public: true}", with: listen)
      let found = warnings("networks: {10.0.0.0/8: SITE1}", sites)
      #expect(!found.contains { $0.contains(text) })
      let withOffice = warnings(
        "networks: {10.0.0.0/8: SITE1}", sites + "\noffices: [{name: OP, listen: \"127.0.0.1:8101\"}]")
      #expect(withOffice.contains { $0.contains(text) } == isWarned, "\(listen)")
    }
  }

  @Test func nothingIsTheDefault() throws {
    let geo = try #require(load("redirect: false").topology?.geo)
    #expect(geo.database == nil && geo.networks.isEmpty && geo.regions.isEmpty && geo.minimumGainKilometres == 0)
    #expect(!geo.knowsClients)
  }

  @Test(arguments: [
    ("https://eu.shop.example", "https://eu.shop.example"),
    ("http://Eu.Shop.Example:8080/", "http://eu.shop.example:8080"),
    ("https://192.0.2.1", "https://192.0.2.1"), ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
    ("https://[::1]", "https://[::1]"),
  ]) func urls(text: String, url: String) throws {
    #expect(try parseSiteURL(text) == url)
  }

  @Test(arguments: [
    "", "shop.example", "https://", "https:///", "https://a/b", "https://user@a", "https://a#b", "https://a:99999",
    "ftp://a", "https://a b", "https://unix:/run/a",
  ]) func otherTextsAreNoURL(text: String) {
    #expect(throws: TextError.self) { try parseSiteURL(text) }
  }

  @Test(arguments: [("0", 0), ("0km", 0), ("1.5km", 1.5), ("10mi", 16.09344), ("20040km", 20040)])
  func distances(text: String, kilometres: Double) throws {
    #expect(try parseDistance(text) == kilometres)
  }

  @Test(arguments: ["", "km", "-1km", "5", "5m", "5 km", "20041km", "1e3km"]) func otherTextsAreNoDistance(text: String)
  {
    #expect(throws: TextError.self) { try parseDistance(text) }
  }
}
