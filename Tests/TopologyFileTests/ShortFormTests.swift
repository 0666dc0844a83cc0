import Testing
import Topology
import TopologyFile

private let minimal = """
  geodirector: 1
  sites:
    - name: HOME
      directors: [{name: D, listen: "127.0.0.1:8001"}]
      balancers: [{name: L, listen: "127.0.0.1:8002"}]
      servers: [{name: W, address: "127.0.0.1:9000"}]

  """

private func load(_ text: String) throws -> Topology {
  let (topology, diagnostics) = TopologyLoader.load(text: text, file: "test.yaml")
  #expect(diagnostics.filter { $0.severity == .error }.isEmpty)
  return try #require(topology)
}

@Suite struct ShortFormTests {
  @Test func aMinimalSiteHasTheDefaults() throws {
    let topology = try load(minimal)
    #expect(topology.name == "test")
    let director = try #require(try topology.plan(for: "D").applications.first)
    #expect(director.name == "default")
    #expect(director.cookie?.name == "SITE")
    #expect(director.pool.servers.map(\.cookieValue) == ["HOME"])
    #expect(director.pool.capacity == 0)
    // Without a monitor the balancer is checked at its service address.
    #expect(director.pool.servers[0].liveness?.kind == .tcp)
    #expect(director.pool.servers[0].liveness?.address.description == "127.0.0.1:8002")
    let balancer = try #require(try topology.plan(for: "L").applications.first)
    #expect(balancer.cookie?.name == "SERVERID")
    #expect(balancer.cookie?.mode == .insert)
    #expect(balancer.pool.servers[0].admission == nil)
    #expect(balancer.pool.servers[0].liveness?.interval == .seconds(4))
  }

  @Test func proxiesInFrontAreDeclaredByListenerAndField() throws {
    let plain = try load(minimal).plan(for: "D")
    #expect(plain.listeners[0].proxyProtocol.isEmpty)
    #expect(plain.applications[0].forwarding.clientField == .xForwardedFor)
    let text = minimal.replacing(
      "listen: \"127.0.0.1:8001\"",
      with:
        "listen: {address: \"127.0.0.1:8001\", proxy-protocol: [10.0.0.0/8, \"2001:db8::/32\"]}, forwarded: {client: forwarded}"
    )
    let plan = try load(text).plan(for: "D")
    #expect(plan.listeners[0].proxyProtocol.map(\.description) == ["10.0.0.0/8", "2001:db8::/32"])
    #expect(plan.applications[0].forwarding.clientField == .forwarded)
    #expect(
      try load(text.replacing("[10.0.0.0/8, \"2001:db8::/32\"]", with: "127.0.0.1")).plan(for: "D").listeners[0]
        .proxyProtocol.count == 1)
  }

  @Test func cookiesCanBeNamedAloneOrLeftOut() throws {
    let named = try load(minimal + "applications: [{name: a, cookies: {site: PLACE, session: PHPSESSID}}]\n")
    #expect(try named.plan(for: "D").applications[0].cookie?.name == "PLACE")
    #expect(try named.plan(for: "L").applications[0].cookie?.mode == .prefix)
    let none = try load(minimal + "applications: [{name: a, cookies: none}]\n")
    #expect(try none.plan(for: "D").applications[0].cookie == nil)
    #expect(try none.plan(for: "D").applications[0].pool.servers[0].cookieValue == nil)
  }

  @Test func theApplicationWithoutHostsComesLast() throws {
    let topology = try load(minimal + "applications: [all, {name: b, hosts: B.example}]\n")
    #expect(try topology.plan(for: "D").applications.map(\.name) == ["b", "all"])
    #expect(try topology.plan(for: "D").applications[0].hosts == ["b.example"])
  }

  @Test func settingsOfANodeStandAboveTheApplicationsAndTheTiers() throws {
    let text =
      minimal.replacing("name: D,", with: "name: D, timeouts: {client: 3s}, check: {fall: 9}, workers: 2,") + """
        applications: [{name: a, timeouts: {client: 2s, server: 2s}}]
        defaults: {site-director: {timeouts: {client: 1s, server: 1s, queue: 1s}, check: {rise: 7}}}

        """
    let plan = try load(text).plan(for: "D")
    let timeouts = plan.applications[0].timeouts
    #expect(timeouts.client == .seconds(3))
    #expect(timeouts.server == .seconds(2))
    #expect(timeouts.queue == .seconds(1))
    #expect(plan.applications[0].pool.servers[0].liveness?.rise == 7)
    #expect(plan.applications[0].pool.servers[0].liveness?.fall == 9)
    #expect(plan.limits.workers == 2)
  }

  @Test func anIntervalOfABalancersCheckIsForBothOfItsChecks() throws {
    let text =
      minimal.replacing(
        "address: \"127.0.0.1:9000\"", with: "host: \"127.0.0.1\", ports: {default: 9000, admission: 9001}")
      + "defaults: {site-balancer: {check: {interval: 7s, liveness: {interval: 9s}}}}\n"
    let server = try load(text).plan(for: "L").applications[0].pool.servers[0]
    #expect(server.admission?.interval == .seconds(7))
    #expect(server.liveness?.interval == .seconds(9))
  }

  @Test func theDigestTellsDifferentFilesApart() throws {
    let first = try load(minimal).digest
    #expect(first.count == 16)
    #expect(try load(minimal).digest == first)
    #expect(try load(minimal + "# more\n").digest != first)
  }

  @Test func distanceOrdersTheTiersWhereEverythingHasAPlace() throws {
    let topology = try readyMade("three-sites")
    #expect(topology.siteOrder(of: topology.offices[3]).map(\.name) == ["SINGAPORE", "VIRGINIA", "BRUSSELS"])
    let portal = try #require(try topology.plan(for: "BRU-D1").applications.first)
    #expect(
      portal.pool.servers.map(\.site) == ["BRUSSELS", "BRUSSELS", "VIRGINIA", "VIRGINIA", "SINGAPORE", "SINGAPORE"])
    #expect(portal.pool.tierCount == 3)
    #expect(portal.pool.capacity == 4000)
    let listed = try #require(try topology.plan(for: "SIN-D2").applications.first)
    #expect(listed.pool.servers.map(\.site).suffix(4) == ["BRUSSELS", "BRUSSELS", "VIRGINIA", "VIRGINIA"])
  }
}
