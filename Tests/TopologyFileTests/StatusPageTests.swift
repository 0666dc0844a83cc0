import Testing
import Topology

@testable import TopologyFile

private func loaded(_ text: String) throws -> Topology {
  let (topology, diagnostics) = TopologyLoader.load(text: text, file: "network.yaml")
  return try #require(topology, "\(diagnostics)")
}

@Suite struct StatusPageTests {
  private let network = """
    geodirector: 1
    network: net
    sites:
      - name: S
        directors: [{name: D, listen: "127.0.0.1:80"}]
        balancers:
          - {name: L1, listen: "127.0.0.2:80", status-page: {listen: "127.0.0.2:1936"}}
          - {name: L2, listen: "127.0.0.3:80", status-page: {listen: "127.0.0.3:1936", user: own, path: /x}}
        servers: [{name: W, address: "127.0.0.4:80"}]
    defaults:
      site-balancer: {status-page: {user: all, password: "file:/etc/password"}}
    """

  @Test func userAndPasswordMayStandInTheDefaultsAndTheListenerAtTheNode() throws {
    let topology = try loaded(network)
    #expect(
      try topology.plan(for: "L1").statusPage
        == StatusPagePlan(address: .ipv4(0x7F00_0002, port: 1936), user: "all", password: .file("/etc/password")))
    let second = try topology.plan(for: "L2").statusPage
    #expect(second?.user == "own" && second?.path == "/x")
    #expect(try topology.plan(for: "D").statusPage == nil)
  }

  @Test func aListenerInTheDefaultsIsOneForSeveralNodes() {
    let text = network.replacing("{user: all,", with: "{listen: \"127.0.0.9:1936\", user: all,")
      .replacing(", status-page: {listen: \"127.0.0.2:1936\"}", with: "")
      .replacing("listen: \"127.0.0.3:1936\", ", with: "")
    let (topology, diagnostics) = TopologyLoader.load(text: text, file: "network.yaml")
    #expect(topology == nil && diagnostics.contains { $0.message.contains("the status page of \"L1\"") })
  }

  @Test(arguments: ["env:A_1", "file:x"])
  func aSecretStandsElsewhere(text: String) throws { #expect(try parseSecret(text).text == text) }

  @Test(arguments: ["", "pass", "env:", "env:1A", "env:A-B", "file:", "File:x"])
  func aSecretInTheFileIsRefusedAndNotRepeated(text: String) {
    #expect {
      try parseSecret(text)
    } throws: { error in
      let error = error as? TextError
      return error?.message == "a secret does not stand in the topology"
    }
  }

  @Test func aMonitorBehindARelayIsAskedThere() throws {
    let topology = try loaded(
      network.replacing(
        "{name: L1, listen: \"127.0.0.2:80\", ",
        with: "{name: L1, listen: \"127.0.0.2:80\", monitor: {address: \"127.0.0.2:82\", advertise: \"127.0.0.2:81\"}, "
      ))
    #expect(try topology.plan(for: "L1").monitor == .ipv4(0x7F00_0002, port: 82))
    let check = try topology.plan(for: "D").applications[0].pool.servers[0].liveness
    #expect(check?.kind == .monitor && check?.address == .ipv4(0x7F00_0002, port: 81))
  }

  @Test(arguments: [
    (UInt32(0), [:], "/run"), (1000, ["XDG_RUNTIME_DIR": "/run/user/1000"], "/run/user/1000"),
    (1000, [:], "/tmp/geodirector-1000"), (1000, ["XDG_RUNTIME_DIR": "relative"], "/tmp/geodirector-1000"),
    (1000, ["XDG_RUNTIME_DIR": "/a/../b"], "/tmp/geodirector-1000"),
    (1000, ["RUNTIME_DIRECTORY": "/run/geodirector/net", "XDG_RUNTIME_DIR": "/x"], "/run"),
  ])
  func socketsLieWhereTheUserMayWrite(user: UInt32, environment: [String: String], folder: String) {
    #expect(RuntimeFolder.path(user: user, environment: environment) == folder)
  }
}
