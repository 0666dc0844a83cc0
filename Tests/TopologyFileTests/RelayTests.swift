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
      try relay("servers: [{name: B, host: 10.0.0.2, backup: true}, {name: A, host: 10.0.0.1, weight: 3}]")
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
}
