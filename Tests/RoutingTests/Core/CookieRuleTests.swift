import Testing
import Topology

@testable import Routing

/// Rules of part B, as far as the core decides it.
@Suite struct CookieRuleTests {
  @Test("B1: a cookie value selects among all candidates that bear it, in any tier")
  func allBearers() {
    let core = CoreFixture(PlanBuilder.director())
    #expect(Set((0..<8).map { _ in core.serve(cookie: "SITE1") }) == ["S1L1 cookie", "S1L2 cookie"])
    #expect(Set((0..<8).map { _ in core.serve(cookie: "SITE2") }) == ["S2L1 cookie", "S2L2 cookie"])
  }

  @Test("B1: returning users go to the bearers that live, whatever tier they stand in")
  func livingBearers() {
    let core = CoreFixture(PlanBuilder.director())
    core.believe(.down, of: "S2L1")
    _ = core.serve(cookie: "SITE2")  // the trial of S2L1 is spent elsewhere
    #expect((0..<4).allSatisfy { _ in core.serve(cookie: "SITE2") == "S2L2 cookie" })
  }

  @Test("B1: bearers of one value may stand in different tiers")
  func bearersInTwoTiers() {
    let servers = [
      PlanBuilder.server("A", site: "X", cookie: "V", tier: 0, isNode: false),
      PlanBuilder.server("B", site: "X", cookie: "V", tier: 1, isNode: false),
    ]
    let core = CoreFixture(PlanBuilder.application(servers, mode: .insert))
    #expect(Set((0..<4).map { _ in core.serve(cookie: "V") }) == ["A cookie", "B cookie"])
    #expect((0..<4).allSatisfy { _ in core.serve() == "A new" })
  }

  @Test("B3: a value nobody bears goes the way of a new user, and the log tells the two apart")
  func unknownValue() {
    let core = CoreFixture(PlanBuilder.office())
    #expect(core.serve(cookie: "SITE9") == "SD1 unknown-cookie")
    #expect(core.serve() == "SD1 new")
  }

  @Test("B4: two or more other sites are tiers in order")
  func orderedTiers() {
    let core = CoreFixture(PlanBuilder.director(sites: 3))
    core.believe(.declaredDead, of: "S1L1", "S1L2")
    #expect(core.serve().hasPrefix("S2L"))
    core.believe(.declaredDead, of: "S2L1", "S2L2")
    #expect(core.serve().hasPrefix("S3L"))
    core.believe(.up, of: "S1L1")
    #expect(core.serve() == "S1L1 new")
  }

  @Test("B5: parallel requests of a session meet on one replacement, on any worker and balancer")
  func oneReplacement() {
    let first = CoreFixture(PlanBuilder.balancer(), seed: 1)
    let second = CoreFixture(PlanBuilder.balancer(), seed: 99)
    for core in [first, second] { core.believe(.maintenance, of: "W14") }
    // One of the two has served many others before.
    for client in 0..<37 as Range<UInt64> { second.serve(client: client) }
    var met: Set<String> = []
    for session in 0..<200 {
      let chosen = first.serve(cookie: "W14", session: "session-\(session)", client: 1)
      #expect(second.serve(cookie: "W14", session: "session-\(session)", client: 2) == chosen)
      met.insert(chosen)
    }
    #expect(met == ["W11 failover", "W12 failover", "W13 failover"], "the sessions are spread over the others")
  }

  @Test("B5: a replacement found by a failed attempt is the one that health would have led to")
  func replacementAfterAttempt() {
    let attempting = CoreFixture(PlanBuilder.balancer())
    let knowing = CoreFixture(PlanBuilder.balancer())
    knowing.believe(.maintenance, of: "W14")
    for session in 0..<100 {
      var exchange = Exchange()
      #expect(attempting.begin(&exchange, cookie: "W14", session: "s\(session)") == "connect W14")
      let moved = attempting.refuse(&exchange)
      attempting.finish(&exchange)
      #expect(moved == knowing.choice(cookie: "W14", session: "s\(session)"))
    }
  }

  @Test("B5: a session under a prefix nobody bears has one server, too")
  func unknownPrefix() {
    let first = CoreFixture(PlanBuilder.balancer(), seed: 1)
    let second = CoreFixture(PlanBuilder.balancer(), seed: 2)
    second.serve()
    for session in 0..<50 {
      #expect(first.serve(cookie: "ZZ", session: "s\(session)") == second.serve(cookie: "ZZ", session: "s\(session)"))
    }
  }

  @Test("B5: a server that comes back slowly takes no replaced session away from another")
  func slowStartMovesNobody() {
    let core = CoreFixture(PlanBuilder.balancer())
    core.believe(.maintenance, of: "W14")
    let before = (0..<300).map { core.serve(cookie: "W14", session: "s\($0)") }
    core.shared.publish(core.server("W12"), HealthSnapshot(weight: 2))
    core.pool.refreshIfNeeded(now: core.now)
    #expect((0..<300).map { core.serve(cookie: "W14", session: "s\($0)") } == before)
  }

  @Test("B5: when no server takes new users, parallel requests still meet on one, and sessions are spread")
  func replacementAmongThoseThatOnlyLive() {
    let first = CoreFixture(PlanBuilder.balancer(), seed: 1)
    let second = CoreFixture(PlanBuilder.balancer(), seed: 2)
    for core in [first, second] {
      core.believe(.ownUsersOnly, of: "W11", "W12", "W13")
      core.believe(.maintenance, of: "W14")
    }
    var met: Set<String> = []
    for session in 0..<60 {
      let chosen = first.serve(cookie: "W14", session: "s\(session)", client: 1)
      #expect(second.serve(cookie: "W14", session: "s\(session)", client: 2) == chosen)
      met.insert(chosen)
    }
    #expect(met.count == 3)
  }
}
