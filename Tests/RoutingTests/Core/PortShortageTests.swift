import Testing
import Topology

@testable import Routing

/// Local ports are used up towards one server, not towards the others (rules C4, D1 and D2).
@Suite struct PortShortageTests {
  @Test("C4, D2: another candidate takes who has no session, and nobody is blamed")
  func othersTakeFreeUsers() {
    let core = CoreFixture(PlanBuilder.balancer())
    var exchange = Exchange()
    let first = core.begin(&exchange)
    let second = core.runOutOfPorts(&exchange)
    #expect(first.hasPrefix("connect ") && second.hasPrefix("connect ") && first != second)
    core.connect(&exchange)
    #expect(core.respond(&exchange) == "relay")
    core.finish(&exchange)
    #expect(core.takeEvidence().isEmpty)
    #expect(core.holdsNothing)
  }

  @Test("D4: what was not tried costs no retry")
  func shortagesCostNothing() {
    let core = CoreFixture(
      PlanBuilder.balancer {
        $0.retries.budgetPercent = 0
        $0.retries.budgetMinimum = 1
      })
    // Has the only right to a retry there is.
    var other = Exchange()
    _ = core.begin(&other)
    _ = core.refuse(&other)
    var exchange = Exchange()
    _ = core.begin(&exchange, attemptsMax: 1)
    for _ in 0..<3 { #expect(core.runOutOfPorts(&exchange).hasPrefix("connect ")) }
    #expect(core.runOutOfPorts(&exchange) == "answer internalShortage")
    // A server that was tried, and failed, does.
    _ = core.begin(&exchange, attemptsMax: 2)
    _ = core.runOutOfPorts(&exchange)
    #expect(core.refuse(&exchange) == "await budget")
    #expect(core.waitedTooLong(&exchange) == "answer internalShortage")
    core.finish(&other)
    #expect(core.holdsNothing)
  }

  @Test("D3: a node without ports does not say that there is no server")
  func shortageIsNoAbsence() {
    let core = CoreFixture(PlanBuilder.balancer())
    var exchange = Exchange()
    _ = core.begin(&exchange)
    _ = core.runOutOfPorts(&exchange)
    for _ in 0..<2 { #expect(core.refuse(&exchange).hasPrefix("connect ")) }
    #expect(core.refuse(&exchange) == "answer internalShortage")
  }

  @Test("C2: a session stays with its server until there is a port again")
  func sessionsStay() {
    let core = CoreFixture(PlanBuilder.balancer())
    var exchange = Exchange()
    #expect(core.begin(&exchange, cookie: "W12", session: "s") == "connect W12")
    #expect(core.runOutOfPorts(&exchange) == "answer internalShortage")
    #expect(core.holdsNothing && core.takeEvidence().isEmpty)
    #expect(core.choice(cookie: "W12", session: "s") == "connect W12")
  }

  @Test("B1: the site's other balancer leads to the same session, another site does not")
  func directorsKeepToTheSite() {
    let core = CoreFixture(PlanBuilder.director())
    var exchange = Exchange()
    let first = core.begin(&exchange, cookie: "SITE1")
    let second = core.runOutOfPorts(&exchange)
    #expect(Set([first, second]) == ["connect S1L1", "connect S1L2"])
    #expect(core.runOutOfPorts(&exchange) == "answer internalShortage")
    // Who has no session has nothing to lose.
    _ = core.begin(&exchange)
    _ = core.runOutOfPorts(&exchange)
    #expect(core.runOutOfPorts(&exchange).hasPrefix("connect S2L"))
    core.finish(&exchange)
    // A balancer that is believed down is no way.
    core.believe(.down, of: "S1L2")
    #expect(core.begin(&exchange, cookie: "SITE1") == "connect S1L1")
    #expect(core.runOutOfPorts(&exchange) == "answer internalShortage")
    #expect(core.holdsNothing)
  }

  @Test("B1: an office has another way to the session, by the other site's director")
  func officesGoAnotherWay() {
    let core = CoreFixture(PlanBuilder.office())
    var exchange = Exchange()
    #expect(core.begin(&exchange, cookie: "SITE1") == "connect SD1")
    #expect(core.runOutOfPorts(&exchange) == "connect SD2")
    core.finish(&exchange)
    #expect(core.holdsNothing)
  }

  @Test("Attempts without a port end where no more servers can be told apart")
  func attemptsAreBounded() {
    let servers = (1...40).map {
      PlanBuilder.server("W\($0)", site: "SITE1", cookie: "W\($0)", isNode: false)
    }
    let core = CoreFixture(PlanBuilder.application(servers, mode: .prefix))
    var exchange = Exchange()
    _ = core.begin(&exchange)
    var attempts = 1
    while core.runOutOfPorts(&exchange) != "answer internalShortage" { attempts += 1 }
    #expect(attempts == TriedServers.capacity)
    #expect(core.holdsNothing)
  }
}
