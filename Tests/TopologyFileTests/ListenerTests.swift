import Testing
import Topology
import TopologyFile

private func check(_ listen: String, _ more: String = "") -> (topology: Topology?, diagnostics: [Diagnostic]) {
  TopologyLoader.load(
    text: """
      geodirector: 1
      sites:
        - name: S
          balancers: [{name: L, listen: \(listen)\(more)}]
          servers: [{name: W, address: "10.0.0.9:80"}]
      """, file: "network.yaml")
}

@Suite struct ListenerTests {
  @Test func whoOnlyLooksIsTheListenersOwn() throws {
    let listen = "[{address: \"10.0.0.1:80\", monitor-net: [192.168.1.252/31, \"fd00::/8\"]}, \"10.0.0.1:81\"]"
    let plan = try #require(check(listen).topology).plan(for: "L")
    #expect(plan.listeners.map { $0.monitorNetworks.map(\.description) } == [["192.168.1.252/31", "fd00::/8"], []])
  }

  @Test func aNetworkOfEverybodyWouldServeNobody() throws {
    let (topology, diagnostics) = check("{address: \"10.0.0.1:80\", monitor-net: 0.0.0.0/0}")
    #expect(topology != nil)
    #expect(diagnostics.map(\.message) == ["0.0.0.0/0 in monitor-net is everyone: nobody is served there"])
  }

  @Test func behindWhoEndsTLSAListenerWithoutItMayTellBrowsersOfHTTPS() throws {
    let behind = "{address: \"10.0.0.1:80\", proxy-protocol: 192.168.1.0/24, hsts: 365d, redirect: https}"
    let (topology, diagnostics) = check(behind)
    #expect(diagnostics.isEmpty)
    let listener = try #require(topology).plan(for: "L").listeners.first
    #expect(listener?.strictTransport?.fieldValue == "max-age=31536000" && listener?.secureRedirect?.port == 443)
    #expect(check("{address: \"10.0.0.1:80\", hsts: 365d}").topology == nil)
  }

  @Test func theOriginalDestinationIsTheNodesOwnChoice() throws {
    let plain = try #require(check("\"10.0.0.1:80\"").topology).plan(for: "L")
    let told = try #require(check("\"10.0.0.1:80\"", ", forwarded: {original-to: true}").topology).plan(for: "L")
    #expect(plain.applications.map(\.forwarding.originalTo) == [false])
    #expect(told.applications.map(\.forwarding.originalTo) == [true])
  }
}
