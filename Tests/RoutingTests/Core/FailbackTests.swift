import Testing
import Topology

@testable import Routing

/// Rules F1 and F2: when users of a backup tier go home, and when those of a drained node have to leave.
@Suite struct FailbackTests {
  private func director(_ failback: Failback) -> CoreFixture {
    CoreFixture(PlanBuilder.director { $0.pool.failback = failback })
  }

  @Test("F1: with failback immediate users of a backup tier go home as soon as it admits, and with session they stay")
  func failback() {
    for (failback, expected) in [(Failback.session, "S2L"), (.immediate, "S1L")] {
      let core = director(failback)
      #expect(core.serve(cookie: "SITE2").hasPrefix(expected))
      core.believe(.declaredDead, of: "S1L1", "S1L2")
      #expect(core.serve(cookie: "SITE2").hasPrefix("S2L"))
    }
  }

  @Test("F1: with failback after users go home once home has admitted for so long without a break")
  func after() {
    let core = director(.after(.seconds(60)))
    #expect(core.serve(cookie: "SITE2").hasPrefix("S2L"), "a process that has just begun knows of no stable home")
    core.now += 60 * CoreFixture.second - 1
    #expect(core.serve(cookie: "SITE2").hasPrefix("S2L"))
    core.now += 1
    #expect(core.serve(cookie: "SITE2").hasPrefix("S1L"))
    #expect(core.serve(cookie: "SITE2").hasSuffix("failback"))

    core.believe(.declaredDead, of: "S1L1", "S1L2")
    #expect(core.serve(cookie: "SITE2").hasPrefix("S2L"))
    core.now += 120 * CoreFixture.second
    core.believe(.up, of: "S1L1")
    #expect(core.serve(cookie: "SITE2").hasPrefix("S2L"), "the time of the outage does not count")
    core.now += 30 * CoreFixture.second
    core.believe(.ownUsersOnly, of: "S1L1")
    core.believe(.up, of: "S1L1")
    core.now += 30 * CoreFixture.second
    #expect(core.serve(cookie: "SITE2").hasPrefix("S2L"), "the break began the time anew")
    core.now += 30 * CoreFixture.second
    #expect(core.serve(cookie: "SITE2").hasPrefix("S1L1"))
  }

  @Test(
    "F1, E3: nobody goes home to a site that just sent a user on, until its hint is over",
    arguments: [Failback.immediate, .after(.seconds(1))])
  func hinted(failback: Failback) {
    let core = CoreFixture(PlanBuilder.office { $0.pool.failback = failback })
    core.now += 2 * CoreFixture.second
    #expect(core.serve(cookie: "SITE2").hasPrefix("SD1"), "home is stable")
    #expect(core.serve(movedTo: "SITE2").hasPrefix("SD1"))
    for _ in 0..<10 { #expect(core.serve(cookie: "SITE2").hasPrefix("SD2")) }
    core.now += 61 * CoreFixture.second
    #expect(core.serve(cookie: "SITE2").hasPrefix("SD1"))
  }

  @Test("F1: one of several that comes and goes does not break the stability of home")
  func oneOfSeveral() {
    let core = director(.after(.seconds(60)))
    core.now += 50 * CoreFixture.second
    core.believe(.down, of: "S1L1")
    core.believe(.up, of: "S1L1")
    core.now += 10 * CoreFixture.second
    #expect(core.serve(cookie: "SITE2").hasPrefix("S1L"))
  }

  @Test("F1: failback after is for users of later tiers alone, and sends nobody on to one")
  func onlyHome() {
    let core = director(.after(.seconds(1)))
    core.now += 10 * CoreFixture.second
    #expect((0..<6).allSatisfy { _ in core.serve(cookie: "SITE1").hasPrefix("S1L") })
    core.believe(.ownUsersOnly, of: "S1L1", "S1L2")
    #expect(core.serve(cookie: "SITE1").hasPrefix("S1L"))
  }

  @Test("E4: attempts at another site are counted, those in vain too")
  func attemptsAway() {
    let core = CoreFixture(PlanBuilder.director())
    var exchange = Exchange()
    #expect(core.begin(&exchange, cookie: "SITE2").hasPrefix("connect S2L"))
    #expect(core.refuse(&exchange).hasPrefix("connect S2L"))
    #expect(core.refuse(&exchange).hasPrefix("connect S1L"))
    #expect((exchange.attempts, exchange.attemptsAway) == (3, 2))
    core.connect(&exchange)
    _ = core.respond(&exchange)
    core.finish(&exchange)
    _ = core.begin(&exchange)
    #expect(exchange.attemptsAway == 0)
  }

  // MARK: Drains

  private func drain(_ core: CoreFixture, _ name: String, until deadline: Int64?, admit: Bool = false) {
    core.shared.publish(
      core.server(name), HealthSnapshot(admit: admit, weight: 16, drainDeadline: deadline, isChecked: true))
    core.pool.refreshIfNeeded(now: core.now)
  }

  @Test("F2: own users stay at a drained node up to its deadline, by the time of day, and are moved then")
  func deadline() {
    let core = CoreFixture(PlanBuilder.office())
    core.pool.realtimeOffset = 1_000_000 * CoreFixture.second
    let end: Int64 = 1_000_000 + core.now / CoreFixture.second + 30
    drain(core, "SD1", until: end)
    #expect(core.serve() == "SD2 new")
    #expect(core.serve(cookie: "SITE1") == "SD1 cookie")
    core.now += 30 * CoreFixture.second - 1
    core.pool.refreshIfNeeded(now: core.now)
    #expect(core.serve(cookie: "SITE1") == "SD1 cookie")
    core.now += 1
    core.pool.refreshIfNeeded(now: core.now)
    #expect(core.serve(cookie: "SITE1") == "SD2 failover", "without any news from the node")
    #expect(core.serve() == "SD2 new")
    drain(core, "SD1", until: nil, admit: true)
    #expect(core.serve(cookie: "SITE1") == "SD1 cookie")
  }

  @Test("F2: a drain without a deadline moves nobody, and a deadline of a node that admits says nothing")
  func noDeadline() {
    let core = CoreFixture(PlanBuilder.office())
    drain(core, "SD1", until: nil)
    core.now += 1_000_000 * CoreFixture.second
    core.pool.refreshIfNeeded(now: core.now)
    #expect(core.serve(cookie: "SITE1") == "SD1 cookie")
    drain(core, "SD1", until: 1, admit: true)
    #expect(core.serve(cookie: "SITE1") == "SD1 cookie")
    #expect(core.serve() == "SD1 new")
  }

  @Test("F2: a node past its deadline is still better than an error")
  func lastResort() {
    let core = CoreFixture(PlanBuilder.office())
    drain(core, "SD1", until: 1)
    core.believe(.maintenance, of: "SD2")
    #expect(core.serve(cookie: "SITE1") == "SD1 last-resort")
  }

  @Test("F2: past all deadlines a session stays where it is")
  func ownLastResort() {
    let core = CoreFixture(PlanBuilder.balancer())
    for name in ["W11", "W12", "W13", "W14"] { drain(core, name, until: 1) }
    for _ in 0..<3 {
      #expect(core.serve(cookie: "W13", session: "s") == "W13 last-resort")
      #expect(core.serve() == "W11 last-resort")
    }
  }

  @Test("C3: who lives past a deadline comes before who is silent, for every request")
  func livingBeforeSilent() {
    let core = CoreFixture(PlanBuilder.office())
    core.believe(.down, of: "SD1")
    drain(core, "SD2", until: 1)
    // The first of a second finds out about its own director by a trial.
    #expect(core.choice(cookie: "SITE1") == "connect SD1")
    for _ in 0..<3 { #expect(core.choice(cookie: "SITE1") == "connect SD2") }
    for _ in 0..<3 { #expect(core.choice() == "connect SD2") }
  }
}
