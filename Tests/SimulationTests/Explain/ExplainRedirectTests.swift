import Testing
import Topology
import TopologyFile

@testable import Simulation

/// A director whose own site does not serve the application: what is said on paper is what it does.
@Suite struct ExplainRedirectTests {
  private func explain(_ sites: [String]) throws -> Explanation {
    let text = """
      geodirector: 1
      applications: [{name: mail, hosts: ["*.mail.test"]}, {name: shop}]
      geo: {redirect: true, networks: {192.0.2.0/24: BRUSSELS}}
      sites:
        - name: BRUSSELS
          applications: [mail]
          directors: [{name: SD1, listen: {address: "127.0.1.1:8080", public: true}, monitor: "127.0.1.1:8081"}]
          balancers: [{name: L1, listen: "127.0.1.2:8080", monitor: "127.0.1.2:8081"}]
          servers: [{name: W1, address: "127.0.1.3:8080"}]
        - name: BOSTON
          url: "https://us.shop.test"
          directors: [{name: SD2, listen: {address: "127.0.2.1:8080", public: true}, monitor: "127.0.2.1:8081"}]
          balancers: [{name: L2, listen: "127.0.2.2:8080", monitor: "127.0.2.2:8081"}]
          servers: [{name: W2, address: "127.0.2.3:8080"}]
        - name: TOKYO
          directors: [{name: SD3, listen: {address: "127.0.3.1:8080", public: true}, monitor: "127.0.3.1:8081"}]
          balancers: [{name: L3, listen: "127.0.3.2:8080", monitor: "127.0.3.2:8081"}]
          servers: [{name: W3, address: "127.0.3.3:8080"}]
      """
    let loaded = TopologyLoader.load(text: text, file: "redirects.yaml")
    var request = Explainer.Request(entry: "SD1")
    request.host = "shop.test"
    request.geography = Explanation.Geography(client: "192.0.2.7", sites: sites, why: "as the test has it")
    return try Explainer(try #require(loaded.topology, "\(loaded.diagnostics)"), NetworkFaults(), request).explain()
  }

  @Test func aClientOfTheConfiguredOrderIsServed() throws {
    let found = try explain(["BRUSSELS", "BOSTON", "TOKYO"])
    #expect(found.visit.redirect == nil && found.visit.notes.isEmpty)
    #expect(found.result.path == ["SD1", "L2", "W2"])
  }

  @Test(arguments: [
    ["BOSTON", "TOKYO", "BRUSSELS"], ["TOKYO", "BRUSSELS", "BOSTON"], ["BOSTON", "BRUSSELS", "TOKYO"],
  ])
  func aClientOfAnotherOrderIsSentOn(sites: [String]) throws {
    let found = try explain(sites)
    #expect(found.visit.status == 307 && found.visit.redirect == "https://us.shop.test")
  }
}
