import Testing
import Topology
import TopologyFile

private let base = """
  geodirector: 1
  sites:
    - name: SITE1
      users: 5
      directors: [{name: SD1, listen: "127.0.0.1:8001"}]
      balancers: [{name: L1, listen: "127.0.0.1:8002"}]
      servers: [{name: W1, address: "127.0.0.1:9001", service: {time: 5ms, concurrency: 8, queue: 9}}]
    - name: SITE2
      directors: [{name: SD2, listen: "127.0.0.2:8001"}]
      balancers: [{name: L2, listen: "127.0.0.2:8002"}]
      servers: [{name: W2, address: "127.0.0.2:9001"}]
  offices:
    - {name: OP1, listen: "127.0.0.1:8000", preference: [SITE1, SITE2], traffic: {users: 7, think-time: 3s}}
  links:
    - {between: [OP1, SITE1], latency: 10ms, bandwidth: 1Gbit, loss: 0.001}

  """

private func load(_ text: String) throws -> Topology {
  let (topology, diagnostics) = TopologyLoader.load(text: base + text, file: "test.yaml")
  #expect(diagnostics.filter { $0.severity == .error }.isEmpty)
  return try #require(topology)
}

@Suite struct ScenarioTests {
  @Test func usersAndServersAreReadWhereTheyStand() throws {
    let hours = Array(repeating: "0.5", count: 12) + Array(repeating: "1.5", count: 12)
    let topology = try load(
      """
      traffic:
        {users: 50, think-time: 10s, session-length: 15m, idle-expiry: 30m, request-size: 1KiB, response-size: 20KiB,
         post-share: 0.1, parallel: 4, by-hour: [\(hours.joined(separator: ", "))]}
      service: {time: 20ms, concurrency: 200, queue: 1000}

      """)
    #expect(topology.traffic.users == 50)
    #expect(topology.traffic.thinkTime == .seconds(10))
    #expect(topology.traffic.sessionLength == .seconds(900))
    #expect(topology.traffic.idleExpiry == .seconds(1800))
    #expect(topology.traffic.requestSize == 1024)
    #expect(topology.traffic.responseSize == 20480)
    #expect(topology.traffic.postShare == 0.1)
    #expect(topology.traffic.parallel == 4)
    #expect(topology.traffic.byHour.count == 24 && topology.traffic.byHour[12] == 1.5)
    #expect(topology.service.serviceTime == .milliseconds(20))
    #expect(topology.service.concurrency == 200)
    #expect(topology.service.queue == 1000)
    #expect(topology.sites[0].traffic.users == 5)
    #expect(topology.offices[0].traffic.users == 7)
    #expect(topology.offices[0].traffic.thinkTime == .seconds(3))
    #expect(topology.servers[0].service.text == "time: 5ms, concurrency: 8, queue: 9")
    #expect(topology.links[0].loss == 0.001)
  }

  @Test func anElementMayBeCutOffWithinItsSite() throws {
    let topology = try load(
      """
      scenarios:
        - name: silent
          steps:
            - {at: 1m, for: 5s, cut: [SITE1, W1]}
            - {at: 2m, for: 5s, cut: "L1>SITE1"}
      """)
    #expect(topology.scenarios[0].steps.count == 2)
    let (_, diagnostics) = TopologyLoader.load(
      text: base + "scenarios: [{name: far, steps: [{at: 1m, cut: [SITE2, W1]}, {at: 2m, cut: [SITE1, SITE1]}]}]",
      file: "test.yaml")
    let errors = diagnostics.filter { $0.severity == .error }.map(\.message)
    #expect(errors.contains("\"W1\" is a server: links are between offices and sites"))
    #expect(errors.count == 2)
  }

  @Test func everyFaultIsWrittenAsItIsRead() throws {
    let steps = [
      "{at: 10s, for: 20s, kill: SD1}", "{at: 40s, for: 20s, power: [SITE1, OP1]}", "{at: 1m, restart: W1, pause: 2s}",
      "{at: 2m, for: 20s, cut: [OP1, SITE1]}", "{at: 3m, for: 20s, cut: \"SITE1>OP1\"}",
      "{at: 4m, for: 20s, slow: {link: [OP1, SITE1]}, by: 300ms, divide-bandwidth: 2.5}",
      "{at: 4m, for: 20s, slow: [W1, L1], by: 2s}", "{at: 5m, for: 20s, lossy: [OP1, SITE1], share: 0.05}",
      "{at: 6m, for: 20s, errors: [W1, SITE2], share: 0.5, status: 503}", "{at: 7m, for: 1m, drain: L1, deadline: 30s}",
      "{at: 8m, for: 30s, check-fails: [W1, SITE2]}",
      "{at: 9m, rolling-restart: [W1, W2], pause: 5s}", "{at: 11m, reload: [SD1, SD2]}",
      "{at: 12m, rollout: \"/dev/null\", order: [OP1, SD1], pause: 15s}", "{at: 13m, kill: SITE1}",
    ]
    let expectations = [
      "{avoidable-errors: 0}", "{p99: 800ms, phase: failed-over}", "{cost: {at-most: 2.5, at-least: 1}, phase: before}",
      "{moved-back: {at-least: 3}}",
    ]
    let text = """
        - name: everything
          summary: "It \\"all\\" happens"
          duration: 20m
          traffic: {users: 200, post-share: 0.5}
          seed: 18446744073709551615
          steps:

      """
    let whole =
      text + steps.map { "      - \($0)\n" }.joined() + "    expect:\n"
      + expectations.map { "      - \($0)\n" }.joined()
    let scenario = try #require(try load("scenarios:\n" + whole).scenarios.first)
    #expect(scenario.steps.map(\.text) == steps)
    #expect(scenario.text() == whole)
    // What is printed can be pasted: it reads as the same again.
    #expect(try load("scenarios:\n" + scenario.text()).scenarios.first?.text() == whole)
  }

  @Test func shortFormsMeanWhatTheLongOnesDo() throws {
    let scenario = try #require(
      try load(
        """
        scenarios:
          - name: short
            users: 9
            steps: [{at: 0, rolling-restart: W1}, {at: 2m, restart: W1}, {at: 3m, errors: W1, for: 10s}]
            expect: {errors: 0, moved-back: 1, phase: after-heal}

        """
      ).scenarios.first)
    #expect(scenario.duration == .seconds(600))
    #expect(scenario.seed == nil)
    #expect(scenario.traffic.users == 9)
    #expect(scenario.steps.map(\.at) == [.zero, .seconds(120), .seconds(180)])
    #expect(
      scenario.steps.map(\.fault.text) == [
        "rolling-restart: W1, pause: 10s", "restart: W1, pause: 1s", "errors: W1, share: 1, status: 500",
      ])
    #expect(
      scenario.expectations.map(\.text) == ["{errors: 0, phase: after-heal}", "{moved-back: 1, phase: after-heal}"])
  }

  @Test func aSitesNameStandsForAllThatIsAtIt() throws {
    let topology = try load("")
    #expect(topology.elements(named: "SITE2") == ["SD2", "L2", "W2"])
    #expect(topology.elements(named: "OP1") == ["OP1"])
    #expect(topology.elements(named: "SITE3") == [])
    #expect(topology.element(named: "L2")?.kind == .balancer)
    #expect(topology.link(between: "SITE1", and: "OP1")?.latency == .milliseconds(10))
  }

  @Test func aRolledOutFileIsNamedFromTheFileThatNamesIt() {
    let place = SourceLocation(file: "networks/a.yaml", line: 1, column: 1)
    #expect(Located("next.yaml", at: place).pathFromItsFile == "networks/next.yaml")
    #expect(Located("/etc/next.yaml", at: place).pathFromItsFile == "/etc/next.yaml")
    #expect(Located("next.yaml").pathFromItsFile == "next.yaml")
  }
}
