import Testing
import Topology
import TopologyFile

private func loaded(_ text: String) throws -> Topology {
  let (topology, diagnostics) = TopologyLoader.load(text: text, file: "network.yaml")
  return try #require(topology, "\(diagnostics)")
}

private func relay(_ more: String) throws -> NodePlan {
  try loaded(
    """
    geodirector: 1
    relays:
      - name: desktops
        listen: ["10.0.0.1:3389", "10.0.0.1:1494"]
    \(more.split(separator: "\n").map { "    " + $0 }.joined(separator: "\n"))
    """
  ).plan(for: "desktops")
}

private let health: HTTPCheckPlan = {
  var plan = HTTPCheckPlan.standard
  plan.path = "/health"
  return plan
}()

@Suite struct RelayTests {
  @Test func aServerWithoutAPortKeepsThatOfTheClientAndIsCheckedAtTheFirstListeners() throws {
    let plan = try relay("servers: [{name: farm, host: 10.0.0.10}, {name: own, address: \"10.0.0.11:22\"}]")
    #expect(plan.role == .relay && plan.listeners.map(\.address.port) == [3389, 1494])
    let servers = try #require(plan.applications.first).pool.servers
    #expect(servers.map(\.address.serviceText) == ["10.0.0.10", "10.0.0.11:22"])
    #expect(servers.map { $0.liveness?.address.port } == [3389, 22])
    #expect(servers.allSatisfy { $0.liveness?.kind == .tcp && $0.liveness?.interval == .seconds(2) })
  }

  @Test func backupsAreTheSecondTier() throws {
    let pool = try #require(
      try relay("servers: [{name: B, host: 10.0.0.2, backup: true}, {name: A, host: 10.0.0.3, weight: 3}]")
        .applications.first
    ).pool
    #expect(pool.servers.map(\.name) == ["A", "B"] && pool.servers.map(\.tier) == [0, 1] && pool.tierCount == 2)
    #expect(pool.servers.map(\.weight) == [3, 1])
  }

  @Test func whereAllAreBackupsNoneIs() throws {
    let pool = try #require(try relay("servers: [{name: B, host: 10.0.0.2, backup: true}]").applications.first).pool
    #expect(pool.tierCount == 1 && pool.servers[0].tier == 0)
  }

  @Test(
    arguments: [
      ("none", nil, nil), ("tcp", CheckPlan.Kind.tcp, 3389), ("{port: 81, interval: 500ms}", .tcp, 81),
      ("{http: {path: /health}, port: 81, fall: 7}", .http(health), 81),
    ] as [(String, CheckPlan.Kind?, UInt16?)])
  func theCheckIsAKindAndWhenAndWhere(text: String, kind: CheckPlan.Kind?, port: UInt16?) throws {
    let plan = try relay("check: \(text)\nservers: [{name: A, host: 10.0.0.10}]")
    let check = try #require(plan.applications.first).pool.servers[0].liveness
    #expect(check?.kind == kind && check?.address.port == port)
    if text.contains("500ms") { #expect(check?.interval == .milliseconds(500)) }
    if text.contains("fall") { #expect(check?.fall == 7) }
  }

  @Test func timeOutsAreLongAndNothingEndsAServerThatReadsSlowly() throws {
    let plan = try relay("servers: [{name: A, host: 10.0.0.10}]")
    let timeouts = try #require(plan.applications.first).timeouts
    #expect(timeouts.tunnel == .seconds(3600) && timeouts.unacknowledged == .zero)
    let own = try relay("timeouts: {tunnel: 8h}\nservers: [{name: A, host: 10.0.0.10}]")
    #expect(own.applications.first?.timeouts.tunnel == .seconds(8 * 3600))
  }

  @Test func relaysAreNodesOfTheNetwork() throws {
    let topology = try loaded(
      """
      geodirector: 1
      relays: [{name: mail, listen: "10.0.0.1:25", servers: [{name: A, host: 10.0.0.2}]}]
      """)
    #expect(topology.nodes.map(\.name) == ["mail"] && topology.nodes[0].role == .relay)
  }

  @Test func poolsAreApplicationsWithNamesAndTheRelaysOwnServersTakeTheRest() throws {
    let plan = try relay(
      """
      check: tls-hello
      balance: source
      servers: [{name: C, address: "10.0.0.30:443"}]
      pools:
        - {name: shops, server-names: [Shop.example, "*.shop.example"], servers: [{name: A, address: "10.0.0.10:443"}]}
        - {name: mail, server-names: "*.mail.example", balance: first, servers: [{name: B, host: 10.0.0.20}]}
      """)
    #expect(plan.applications.map(\.name) == ["desktops", "shops", "mail"])
    #expect(plan.applications.map(\.hosts) == [[], ["shop.example", "*.shop.example"], ["*.mail.example"]])
    #expect(plan.applications.map(\.pool.algorithm) == [.source, .source, .first])
    // A handshake of ours asks for what clients ask for.
    let kinds = plan.applications.map { $0.pool.servers[0].liveness?.kind }
    #expect(kinds == [.tlsHello(name: nil), .tlsHello(name: "shop.example"), .tlsHello(name: nil)])
  }

  @Test func aServerByTLSIsVerifiedAsTheUpstreamSettingsSay() throws {
    let plan = try relay(
      """
      upstream: {tls: {ca: ca.pem, certificate: "{node}.pem"}}
      check: {http: {path: /health}}
      servers:
        - {name: A, address: "10.0.0.10:636", tls: {name: ldap.example, minimum: "1.3"}, send-proxy: v2}
        - {name: B, address: "10.0.0.11:636"}
      """)
    let servers = try #require(plan.applications.first).pool.servers
    let tls = try #require(servers[0].tls)
    #expect(tls.name == "ldap.example" && tls.verifies && tls.authorityPath == "ca.pem" && tls.minimum == .tls13)
    #expect(tls.certificate?.path == "desktops.pem" && servers[0].liveness?.tls == tls)
    #expect(servers[0].proxyProtocol == .version2 && servers[0].liveness?.proxyProtocol == .version2)
    #expect(servers[1].tls == nil && servers[1].liveness?.tls == nil)
  }

  @Test func aListenerAgreesOnNoProtocolUnlessItNamesSome() throws {
    func protocols(_ tls: String) throws -> [String]? {
      try loaded(
        """
        geodirector: 1
        relays: [{name: mail, listen: {address: "10.0.0.1:25", tls: \(tls)}, servers: [{name: A, host: 10.0.0.2}]}]
        """
      ).plan(for: "mail").listeners[0].tls?.protocols
    }
    #expect(try protocols("mail.pem") == [])
    #expect(try protocols("{certificates: mail.pem, alpn: [h2, imap]}") == ["h2", "imap"])
  }
}
