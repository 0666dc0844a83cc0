import Testing
import Topology
import TopologyFile

private func load(_ notify: String) -> (topology: Topology?, diagnostics: [Diagnostic]) {
  TopologyLoader.load(
    text: """
      geodirector: 1
      time-scale: 0.5
      \(notify)
      relays: [{name: R, listen: "10.0.0.1:25", servers: [{name: A, host: 10.0.0.2}]}]
      """, file: "network.yaml")
}

@Suite struct NotifyTests {
  @Test(
    arguments: [
      ("", nil),
      ("notify: {command: /bin/tell}", NotifyPlan(command: ["/bin/tell"], interval: .seconds(5))),
      (
        "notify: {command: [/bin/tell, -x, \"a b\"], interval: 1m}",
        NotifyPlan(command: ["/bin/tell", "-x", "a b"], interval: .seconds(30))
      ),
    ] as [(String, NotifyPlan?)])
  func aCommandAndHowOftenItIsRun(text: String, plan: NotifyPlan?) throws {
    #expect(try #require(load(text).topology).plan(for: "R").notify == plan)
  }

  @Test(arguments: [
    ("notify: {interval: 1s}", "notify has no command"),
    ("notify: {command: tell}", "command: \"tell\" is no absolute path"),
    ("notify: {command: [/bin/tell], shell: true}", "unknown key \"shell\" in notify"),
    ("notify: /bin/tell", "notify must be a mapping, not a single value"),
  ])
  func whatCannotBeRunIsRefused(text: String, message: String) {
    let (topology, diagnostics) = load(text)
    #expect(topology == nil && diagnostics.map(\.message) == [message])
  }
}
