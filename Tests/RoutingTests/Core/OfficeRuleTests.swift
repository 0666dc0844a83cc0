import Testing
import Topology

@testable import Routing

/// Rules of part E: what an office learns; and the walk of part A as an office decides it.
@Suite struct OfficeRuleTests {
  let interval = 30 * CoreFixture.second

  @Test("E2: admit=0 sends new users to the next site and leaves the own ones")
  func admitZero() {
    let core = CoreFixture(PlanBuilder.office())
    core.believe(.ownUsersOnly, of: "SD1")
    #expect(core.serve() == "SD2 new")
    #expect(core.serve(cookie: "SITE1") == "SD1 cookie")
  }

  @Test("E2: alive=0 sends its own users to the next site, too, but for one request a check interval")
  func aliveZero() {
    let core = CoreFixture(PlanBuilder.office())
    core.believe(.declaredDead, of: "SD1")
    #expect(core.serve() == "SD2 new")
    #expect(core.serve(cookie: "SITE1") == "SD2 failover", "it has just said so")
    core.now += interval
    #expect(core.serve(cookie: "SITE1", movedTo: "SITE2") == "SD1 trial")
    core.now += interval - 1
    #expect(core.serve(cookie: "SITE1") == "SD2 failover")
    core.now += 1
    #expect(core.choice(cookie: "SITE1") == "connect SD1")
  }

  @Test("E2: a director skips the balancers of a site that says it is dead")
  func deadSiteIsSkipped() {
    let core = CoreFixture(PlanBuilder.director())
    core.believe(.declaredDead, of: "S2L1", "S2L2")
    core.believe(.maintenance, of: "S1L1", "S1L2")
    #expect(core.serve().hasSuffix("last-resort"), "only before an error")
    core.believe(.up, of: "S1L2")
    core.now += 100 * CoreFixture.second
    #expect((0..<5).allSatisfy { _ in core.serve(cookie: "SITE2") == "S1L2 failover" }, "not even its own users")
    core.believe(.maintenance, of: "S1L2")
    core.believe(.up, of: "S1L1")
    #expect((0..<5).allSatisfy { _ in core.serve() == "S1L1 new" })
  }

  @Test("E3: a new user answered from another site is a hint: new users pass the site by for one check interval")
  func hintForNewUsers() {
    let core = CoreFixture(PlanBuilder.office())
    #expect(core.serve(movedTo: "SITE2") == "SD1 new")
    #expect(core.takeEvidence() == ["SD1 hinted"])
    #expect(core.serve() == "SD2 hint")
    #expect(core.serve(cookie: "SITE1") == "SD1 cookie", "its own users go on")
    core.now += interval
    // The hint is due: one request finds out, the others go on passing by.
    var probe = Exchange()
    #expect(core.begin(&probe) == "connect SD1")
    #expect(core.serve() == "SD2 hint")
    core.connect(&probe)
    _ = core.respond(&probe)
    probe.learned(moved: false, pool: &core.pool, now: core.now)
    core.finish(&probe)
    #expect(core.serve() == "SD1 new")
  }

  @Test("E3: a user of the site answered from another is a hint for its own users, too")
  func hintForOwnUsers() {
    let core = CoreFixture(PlanBuilder.office())
    #expect(core.serve(cookie: "SITE1", movedTo: "SITE2") == "SD1 cookie")
    #expect(core.serve(cookie: "SITE1") == "SD2 hint")
    #expect(core.serve() == "SD2 hint")
    core.now += interval
    #expect(core.serve(cookie: "SITE1", movedTo: "SITE2") == "SD1 cookie", "one request finds out")
    #expect(core.serve(cookie: "SITE1") == "SD2 hint")
    core.now += interval
    #expect(core.serve(cookie: "SITE1") == "SD1 cookie")
    #expect(core.serve(cookie: "SITE1") == "SD1 cookie")
    #expect(core.serve() == "SD1 new")
  }

  @Test("E3: a hint only reorders: without another site the user goes there all the same", arguments: [nil, "SITE1"])
  func hintOnlyReorders(cookie: String?) {
    let core = CoreFixture(PlanBuilder.office())
    core.serve(cookie: cookie, movedTo: "SITE2")
    core.believe(.down, of: "SD2")
    var exchange = Exchange()
    #expect(core.begin(&exchange, cookie: cookie) == "connect SD1")
    core.finish(&exchange)
    core.believe(.up, of: "SD2")
    #expect(core.begin(&exchange, cookie: cookie) == "connect SD2")
    #expect(core.refuse(&exchange) == "connect SD1")
    core.finish(&exchange)
  }

  @Test("E3: a hint holds while any director of the site lives, not only the first", arguments: [nil, "SITE1"])
  func hintWithADeadDirector(cookie: String?) {
    let core = CoreFixture(PlanBuilder.office(directors: 2))
    core.believe(.maintenance, of: "SD1a")
    #expect(core.serve(cookie: cookie, movedTo: "SITE2").hasPrefix("SD1b"))
    #expect(core.serve(cookie: cookie).hasPrefix("SD2"))
  }

  @Test("E3: a retry is never the request that finds out")
  func retryIsNoProbe() {
    let core = CoreFixture(PlanBuilder.office(directors: 2))
    core.serve(movedTo: "SITE2")
    var exchange = Exchange()
    #expect(core.begin(&exchange).hasPrefix("connect SD2"))
    core.now += interval
    #expect(core.refuse(&exchange).hasPrefix("connect SD2"))
    core.finish(&exchange)
    #expect(core.choice().hasPrefix("connect SD1"))
  }

  @Test("E3: a director that passes a user on to the site of the cookie, with a new date in it, gives no hint")
  func newDateIsNoHint() {
    let core = CoreFixture(PlanBuilder.office())
    core.believe(.declaredDead, of: "SD2")
    #expect(core.serve(cookie: "SITE2", movedTo: "SITE2") == "SD1 failover")
    #expect(core.serve() == "SD1 new")
    #expect(!core.takeEvidence().contains("SD1 hinted"))
  }

  @Test("E3: a user of another site is never the request that finds out, as the answer would tell nothing")
  func userOfAnotherSiteIsNoProbe() {
    let core = CoreFixture(PlanBuilder.office())
    core.serve(movedTo: "SITE2")
    core.now += interval
    core.believe(.declaredDead, of: "SD2")
    #expect(core.serve(cookie: "SITE2") == "SD1 failover")
    core.believe(.up, of: "SD2")
    #expect(core.serve(movedTo: "SITE2") == "SD1 new", "the next new user finds out")
    #expect(core.serve() == "SD2 hint")
  }

  @Test("E3: an answer from the site that was asked is no hint, and directors learn none")
  func noHint() {
    let office = CoreFixture(PlanBuilder.office())
    office.serve(cookie: "SITE2", movedTo: "SITE2")
    office.serve(movedTo: "SITE1")
    #expect(office.serve() == "SD1 new")
    #expect(office.takeEvidence().isEmpty)
    let director = CoreFixture(PlanBuilder.director())
    director.serve(movedTo: "SITE2")
    #expect(director.serve().hasPrefix("S1L"))
  }

  @Test("E4: after a site's failure one request per check interval crosses between the sites, whatever the users")
  func crossings() {
    let core = CoreFixture(PlanBuilder.office())
    var crossed = 0
    for step in 0..<600 {
      // SITE1 answers everything from SITE2; ten requests a second, with and without its cookie.
      var exchange = Exchange()
      _ = core.begin(&exchange, cookie: step.isMultiple(of: 3) ? nil : "SITE1", client: UInt64(step))
      core.connect(&exchange)
      _ = core.respond(&exchange)
      let isCrossing = core.name(exchange.server) == "SD1"
      if isCrossing { crossed += 1 }
      exchange.learned(moved: isCrossing, pool: &core.pool, now: core.now)
      core.finish(&exchange)
      core.now += CoreFixture.second / 10
    }
    // A minute: the first of each kind, and one an interval.
    #expect(crossed <= 2 + 2)
  }

  @Test("E4: the directors of a site that say they have nobody share one trial per check interval", arguments: 1...3)
  func sharedTrials(directors: Int) {
    let core = CoreFixture(PlanBuilder.office(directors: directors))
    let names = directors == 1 ? ["SD1"] : Array(["SD1a", "SD1b", "SD1c"].prefix(directors))
    for name in names { core.believe(.declaredDead, of: name) }
    var trials: [Int64] = []
    // 95 seconds, two requests a second; the office checks SITE1's directors every 30 seconds.
    for _ in 0..<190 {
      core.now += CoreFixture.second / 2
      var exchange = Exchange()
      let action = core.begin(&exchange, cookie: "SITE1")
      if names.contains(where: { action == "connect \($0)" }) { trials.append(core.now) }
      core.finish(&exchange)
    }
    #expect(trials.count == 3)
  }

  @Test("A: the walk, as the office decides it")
  func walk() {
    let core = CoreFixture(PlanBuilder.office())
    // 1. The link is cut and not yet known: the session goes on by way of the other site.
    var exchange = Exchange()
    #expect(core.begin(&exchange, cookie: "SITE1") == "connect SD1")
    #expect(core.refuse(&exchange) == "connect SD2")
    core.finish(&exchange)
    // 2. Known: a new user goes to SITE2.
    core.believe(.down, of: "SD1")
    #expect(core.serve(movedTo: "SITE2") == "SD2 new")
    // 3. Healed: the first goes to SITE1 again, the second stays.
    core.believe(.up, of: "SD1")
    #expect(core.serve(cookie: "SITE1") == "SD1 cookie")
    #expect(core.serve(cookie: "SITE2") == "SD2 cookie")
    // 4. SITE2 cannot be reached from here.
    core.believe(.down, of: "SD2")
    #expect(core.begin(&exchange, cookie: "SITE2") == "connect SD2")
    #expect(core.refuse(&exchange) == "connect SD1")
    core.connect(&exchange)
    #expect(core.respond(&exchange) == "relay")
    exchange.learned(moved: false, pool: &core.pool, now: core.now)
    core.finish(&exchange)
    #expect(core.serve(cookie: "SITE2") == "SD1 failover")
    // 5. All servers of SITE1 dead: its users are moved once and then go to SITE2 directly, also when SITE1 is back.
    core.believe(.up, of: "SD2")
    #expect(core.serve(cookie: "SITE1", movedTo: "SITE2") == "SD1 cookie")
    #expect(core.serve(cookie: "SITE2") == "SD2 cookie")
    core.now += 2 * interval
    #expect(core.serve(cookie: "SITE2") == "SD2 cookie")
  }
}
