import Testing
import Topology
import TopologyFile

/// Bounds of connections in the topology file, and what becomes of them in a node's plan.
@Suite struct ConnectionLimitTests {
  private func plan(
    for node: String, listen: String = "\"127.0.0.1:8002\"", limits: String = "{}"
  ) throws -> NodePlan {
    let text = """
      geodirector: 1
      sites:
        - name: HOME
          directors: [{name: D, listen: "127.0.0.7:8001"}]
          balancers: [{name: L, listen: \(listen), limits: \(limits)}]
          servers: [{name: W, address: "127.0.0.1:9000"}]
      offices:
        - {name: O, listen: "127.0.0.8:8000", limits: \(limits)}

      """
    let (topology, diagnostics) = TopologyLoader.load(text: text, file: "test.yaml")
    #expect(diagnostics.filter { $0.severity == .error }.isEmpty)
    return try #require(topology).plan(for: node)
  }

  @Test func thereIsNoBoundOfListenersAndSourcesUnlessOneIsSet() throws {
    let plan = try plan(for: "L")
    #expect(plan.listeners.map(\.connectionsMax) == [0])
    #expect(plan.limits.connectionsPerSourceMax == 0)
  }

  @Test func eachListenerHasItsOwnBound() throws {
    let plan = try plan(
      for: "L",
      listen: """
        [{address: "127.0.0.1:8002", max-connections: 7}, "127.0.0.1:8003", \
        {address: "127.0.0.1:8004", public: true, max-connections: 0}]
        """)
    #expect(plan.listeners.map(\.connectionsMax) == [7, 0, 0])
    #expect(plan.listeners.map(\.isPublic) == [false, false, true])
  }

  @Test func nodesInFrontAreSparedBesideTheNetworksThatTheFileNames() throws {
    let limits = "{connections-per-source: 20, exempt-sources: [10.0.0.0/8, 192.168.1.7]}"
    let balancer = try plan(for: "L", limits: limits).limits
    #expect(balancer.connectionsPerSourceMax == 20)
    #expect(balancer.sourcesExempt.map(\.description) == ["10.0.0.0/8", "192.168.1.7/32", "127.0.0.7/32"])
    // Nobody of ours is in front of an office.
    let office = try plan(for: "O", limits: limits).limits
    #expect(office.sourcesExempt.map(\.description) == ["10.0.0.0/8", "192.168.1.7/32"])
  }

  @Test func aNodeInFrontIsKnownByTheAddressThatItsConnectionsLeaveFrom() throws {
    let text = """
      geodirector: 1
      defaults: {office-proxy: {source: ["10.0.0.8", "2001:db8::8"]}}
      sites:
        - name: HOME
          directors:
            - {name: D, listen: "127.0.0.7:8001", source: "10.0.0.7"}
            - {name: E, listen: "127.0.0.6:8001", source: "2001:db8::6"}
          balancers: [{name: L, listen: "127.0.0.1:8002", limits: {connections-per-source: 1}}]
          servers: [{name: W, address: "127.0.0.1:9000"}]
        - name: AWAY
          directors: [{name: F, listen: "127.0.0.5:8001"}]
          balancers: [{name: M, listen: "127.0.0.2:8002"}]
          servers: [{name: V, address: "127.0.0.2:9000"}]
      offices:
        - {name: O, listen: "127.0.0.8:8000"}
        - {name: P, listen: "127.0.0.9:8000", source: "10.0.0.9"}

      """
    let (topology, diagnostics) = TopologyLoader.load(text: text, file: "test.yaml")
    #expect(diagnostics.filter { $0.severity == .error }.isEmpty)
    let found = try #require(topology)
    // What has no source of a kind speaks from where it serves, as far as anybody knows.
    let directors = ["10.0.0.7/32", "2001:db8::6/128", "127.0.0.6/32", "127.0.0.5/32"]
    let balancer = try found.plan(for: "L")
    #expect(balancer.limits.sourcesExempt.map(\.description) == directors)
    #expect(balancer.applications.first?.forwarding.trusted.map(\.description) == directors)
    let director = try #require(found.plan(for: "F").applications.first).forwarding
    let offices = ["10.0.0.8/32", "2001:db8::8/128", "10.0.0.9/32"] + directors.dropLast()
    #expect(director.trusted.map(\.description) == offices)
    #expect(director.forwardedForExcept.map(\.description) == offices)
  }

  @Test func aSingleNetworkNeedsNoList() throws {
    let limits = try plan(for: "O", limits: "{connections-per-source: 1, exempt-sources: 2001:db8::/32}").limits
    #expect(limits.sourcesExempt.map(\.description) == ["2001:db8::/32"])
  }

  @Test func aNodesLimitStandsAboveTheTiersAndKeepsItsOtherLimits() throws {
    let text = """
      geodirector: 1
      sites:
        - name: HOME
          directors: [{name: D, listen: "127.0.0.1:8001", limits: {connections-per-source: 3}}]
          balancers: [{name: L, listen: "127.0.0.1:8002"}]
          servers: [{name: W, address: "127.0.0.1:9000"}]
      defaults: {site-director: {limits: {connections: 50, connections-per-source: 9, exempt-sources: 10.0.0.0/8}}}

      """
    let limits = try #require(TopologyLoader.load(text: text, file: "test.yaml").topology).plan(for: "D").limits
    #expect(limits.connectionsPerSourceMax == 3)
    #expect(limits.connectionsMax == 50)
    #expect(limits.sourcesExempt.map(\.description) == ["10.0.0.0/8"])
  }
}
