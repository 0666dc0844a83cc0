import Routing
import Testing
import Topology

@testable import Simulation

/// Another file taken over by one node after the other, and the same file read again.
@Suite("Rollouts")
struct RolloutTests {
  private static let path = "next.yaml"

  private static func rollout(at seconds: Int, pause: Int = 30, _ order: String...) -> ScenarioStep {
    TwoSites.step(
      at: seconds,
      .rollout(file: Located(path), order: order.map { Located($0) }, pause: .seconds(pause)))
  }

  /// The two sites, changed.
  private static func next(_ change: (inout Topology) -> Void) -> Topology {
    var topology = TwoSites.topology
    change(&topology)
    return topology
  }

  private static func run(_ steps: [ScenarioStep], _ next: Topology, visits: Duration? = nil)
    -> ScenarioReport
  {
    var scenario = TwoSites.scenario("rollout", steps)
    scenario.traffic.sessionLength = visits
    return TwoSites.run(scenario) { $0.rollouts = [path: next] }
  }

  private static let withFifthServer = next { topology in
    var server = topology.sites[0].servers[0]
    server.name = "W15"
    server.cookie = Located("W15")
    server.base = .ipv4(127 << 24 | 1 << 16 | 2 << 8 | 5, port: 0)
    topology.sites[0].servers.append(server)
  }

  private static let withThirdSite = next { topology in
    var site = topology.sites[1]
    site.name = "SITE3"
    site.cookie = Located("SITE3")
    func rename(_ name: String) -> String { String(name.map { $0 == "2" ? "3" : $0 }) }
    for index in site.directors.indices {
      site.directors[index].name = rename(site.directors[index].name)
    }
    for index in site.balancers.indices { site.balancers[index].name = "S3L\(index + 1)" }
    for index in site.servers.indices {
      site.servers[index].name = "W3\(index + 1)"
      site.servers[index].cookie = Located("W3\(index + 1)")
    }
    topology.sites.append(site)
    topology.offices[2].preference = ["SITE3", "SITE2", "SITE1"].map { Located($0) }
  }

  @Test func `Who has the new file works by it, the others by the old one`() throws {
    // OP3 prefers the new site; the others keep to theirs.
    let report = Self.run(
      [Self.rollout(at: 120, pause: 60, "SD2", "OP3")], Self.withThirdSite, visits: .seconds(30))
    #expect(report.verdicts.filter { !$0.holds }.map(\.property) == [])
    #expect(report.total.counts.errors == 0)
    #expect(report.series.sites == ["SITE1", "SITE2", "SITE3"])
    let third = report.series.requestsBySite[2]
    let first = try #require(third.firstIndex { $0 > 0 })
    #expect(Int64(first + 1) * report.series.stepNanoseconds > 180_000_000_000)
    #expect(third.reduce(0, +) > 500)
    let none = Self.run(
      [Self.rollout(at: 120, "SD2", "OP1")], Self.withThirdSite, visits: .seconds(30))
    #expect(none.series.requestsBySite[2].reduce(0, +) == 0)
  }

  @Test
  func
    `A server that half of the balancers know loses sessions, one that all know at once does not`()
  {
    let half = Self.run([Self.rollout(at: 120, "S1L1")], Self.withFifthServer, visits: .seconds(60))
    #expect(half.total.counts.avoidableSessionsLost > 10)
    #expect(half.verdicts.first { $0.property == .noNeedlessMove }?.holds == false)
    let all = Self.run(
      [Self.rollout(at: 120, pause: 0, "S1L1", "S1L2")], Self.withFifthServer, visits: .seconds(60))
    #expect(all.total.counts.sessionsLost == 0 && all.holds)
  }

  @Test func `Users of a server that the new file has no more are moved where it is gone`() {
    let next = Self.next { $0.sites[0].servers.removeFirst() }
    let report = Self.run([Self.rollout(at: 120, pause: 0, "S1L1", "S1L2")], next)
    let counts = report.total.counts
    #expect(counts.usersMoved > 10 && counts.usersMoved < 40)
    #expect(counts.sessionsLost == counts.usersMoved && counts.avoidableSessionsLost == 0)
    #expect(counts.errors == 0)
  }

  @Test func `Checks and tiers are those of the new file`() {
    // Without their second tier, users of SITE1 get errors when its servers die.
    let next = Self.next { topology in
      topology.offices[0].preference = [Located("SITE1")]
      topology.sites[0].backup = []
    }
    let kill = TwoSites.step(at: 300, .kill(TwoSites.names("W11", "W12", "W13", "W14")))
    let alone = Self.run([Self.rollout(at: 60, pause: 10, "OP1", "SD1"), kill], next)
    #expect(alone.total.counts.errors > 500)
    #expect(Self.run([kill], next).total.counts.avoidableErrors == 0)
  }

  @Test func `A file that says the same changes nothing, and neither does a reload`() {
    let calm = TwoSites.run(TwoSites.scenario("rollout", []))
    let same = Self.run([Self.rollout(at: 120, "OP1", "SD1", "S1L1")], TwoSites.topology)
    let reload = TwoSites.run(
      TwoSites.scenario(
        "rollout", [TwoSites.step(at: 120, .reload(TwoSites.names("SD1", "SITE2")))]))
    for report in [same, reload] {
      var counts = report.total.counts
      // Sums of parts are rounded in another way.
      #expect((counts.cost - calm.total.counts.cost).magnitude < 1e-12)
      (counts.cost, counts.costOracle) = (calm.total.counts.cost, calm.total.counts.costOracle)
      #expect(counts == calm.total.counts && report.total.latency == calm.total.latency)
    }
    #expect(same.phases.map(\.phase) == [.before, .failedOver, .afterHeal])
    #expect(same.phases[1].lengthNanoseconds == 60_000_000_000)
    #expect(reload.phases.map(\.phase) == [.before, .afterHeal])
    #expect(reload.faults.first?.untilNanoseconds == 120_000_000_000)
  }

  @Test func `What is known of a candidate's life stays`() throws {
    let next = Self.next { topology in
      for index in 1..<4 { topology.sites[0].servers[index].weight = 50 }
      topology.sites[0].balancers[0].settings.check.fall = 7
    }
    var scenario = TwoSites.scenario(
      "rollout", seconds: 300,
      [
        TwoSites.step(at: 60, .power(TwoSites.names("W11"))),
        TwoSites.step(at: 60, .drain(TwoSites.names("W12"), deadline: nil)),
        Self.rollout(at: 299, "S1L1"),
      ])
    scenario.duration = .milliseconds(299_001)
    var options = SimulationOptions()
    options.rollouts = [Self.path: next]
    let network = TwoSites.network.prepared(for: scenario, options)
    var run = Run(network, scenario: scenario, options: options)
    let balancer = try #require(network.element(named: "S1L1"))
    let old = Int(run.poolOf(balancer, 0))
    run.run()
    let pool = Int(run.poolOf(balancer, 0))
    let (isActive, wasActive) = (run.poolStates[pool].isActive, run.poolStates[old].isActive)
    #expect(pool != old && isActive && !wasActive)
    var health: [ServerHealth] = []
    var kept: [Int32] = []
    var left: [Int32] = []
    for server in 0..<4 {
      health.append(run.health[Int(run.poolStates[pool].firstCandidate) + server])
      kept.append(run.candidates[Int(run.poolStates[pool].firstCandidate) + server].idleCount)
      left.append(run.candidates[Int(run.poolStates[old].firstCandidate) + server].idleCount)
    }
    #expect(health.map(\.liveness) == [.unreachable, .alive, .alive, .alive])
    #expect(health.map(\.takesNewUsers) == [false, false, true, true])
    #expect(health.map { $0.effectiveWeight(now: 0, jitterSeed: 0) } == [1_600, 800, 800, 800])
    // Kept connections go along.
    #expect(kept.contains { $0 > 0 } && left == [0, 0, 0, 0])
  }

  @Test func `A rollout can be taken back`() {
    var topology = TwoSites.topology
    topology.digest = "another"
    let back = TwoSites.step(
      at: 300,
      .rollout(file: Located("old.yaml"), order: TwoSites.names("S1L1", "S1L2"), pause: .zero))
    let scenario = TwoSites.scenario(
      "rollout", [Self.rollout(at: 120, pause: 0, "S1L1", "S1L2"), back])
    let report = TwoSites.run(scenario) {
      $0.rollouts = [Self.path: Self.withFifthServer, "old.yaml": topology]
    }
    #expect(report.total.counts.errors == 0)
    #expect(report.holds)
    let again = TwoSites.run(scenario) {
      $0.rollouts = [Self.path: Self.withFifthServer, "old.yaml": topology]
    }
    #expect(report == again)
  }

  @Test func `What runs by one file alone is started with the rollout`() {
    // W15's machine is the one that takes all new users, but it is not asked before.
    let report = Self.run(
      [
        Self.rollout(at: 120, pause: 0, "S1L1", "S1L2"),
        TwoSites.step(at: 200, .kill(TwoSites.names("W15"))),
      ],
      Self.withFifthServer, visits: .seconds(60))
    #expect(report.total.counts.sessionsLost > 0)
    #expect(report.total.counts.avoidableSessionsLost == 0 && report.total.counts.errors <= 3)
  }

  @Test func `What cannot be simulated is refused with the reason`() {
    func errors(_ order: [String] = ["OP1"], _ change: (inout Topology) -> Void) -> [String] {
      var scenario = TwoSites.scenario("rollout", [])
      scenario.steps = [
        TwoSites.step(
          at: 1, .rollout(file: Located(Self.path), order: order.map { Located($0) }, pause: .zero))
      ]
      return TwoSites.topology.rolloutErrors(in: scenario, rollouts: [Self.path: Self.next(change)])
        .map(\.message)
    }
    #expect(errors { _ in } == [])
    #expect(errors { $0.sites[0].servers[0].weight = 7 } == [])
    let cases: [(String, (inout Topology) -> Void)] = [
      ("other applications", { $0.applications.append(Application(id: 1, name: "mail")) }),
      (
        "another name or mode",
        {
          $0.applications[0].sessionCookie = CookieSettings(
            plan: CookiePlan(name: "ID", mode: .prefix))
        }
      ),
      ("cookie value of \"SITE1\"", { $0.sites[0].cookie = Located("EU") }),
      ("renaming a site", { $0.sites[0].name = "EUROPE" }),
      ("\"W11\" has other addresses", { $0.sites[0].servers[0].admissionPort = Located(9_999) }),
      ("users that come with a rollout", { $0.offices.append(Office(id: 3, name: "OP4")) }),
      ("\"W21\" is a server of SITE1", { $0.sites[0].servers[0].name = "W21" }),
    ]
    for (words, change) in cases {
      let found = errors(["OP1"], change)
      #expect(found.contains { $0.contains(words) }, "\(words): \(found)")
    }
    #expect(
      errors(["SITE1"]) { $0.sites[0].balancers.removeLast() }.contains {
        $0.contains("\"S1L2\" is not in it")
      })
    var scenario = TwoSites.scenario("rollout", [Self.rollout(at: 1, "OP1")])
    #expect(TwoSites.topology.rolloutErrors(in: scenario, rollouts: [:]).count == 1)
    scenario.steps = []
    #expect(TwoSites.topology.rolloutErrors(in: scenario, rollouts: [:]).isEmpty)
  }
}
