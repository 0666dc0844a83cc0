import Testing
import Topology

@testable import Routing

/// Rule C3: an error comes only after a try.
@Suite struct LastResortTests {
  @Test("C3: all believed down: the best one not in maintenance is tried before any 503")
  func bestIsTried() {
    let core = CoreFixture(PlanBuilder.director())
    core.believe(.maintenance, of: "S1L1")
    core.believe(.down, of: "S1L2", "S2L1", "S2L2")
    #expect(core.serve() == "S1L2 last-resort")
    #expect(core.takeEvidence() == ["S1L2 trialSucceeded"])
  }

  @Test("C3: all of them are tried in order, then comes the 503")
  func thenTheOthers() {
    let core = CoreFixture(PlanBuilder.director())
    core.believe(.down, of: "S1L1", "S1L2", "S2L1", "S2L2")
    var exchange = Exchange()
    #expect(core.begin(&exchange) == "connect S1L1")
    #expect(core.refuse(&exchange) == "connect S1L2")
    #expect(core.refuse(&exchange) == "connect S2L1")
    #expect(core.refuse(&exchange) == "connect S2L2")
    #expect(core.refuse(&exchange) == "answer destinationUnavailable")
    #expect(core.holdsNothing)
    // Within the second a further request still tries the best one, and no more than that.
    #expect(core.begin(&exchange) == "connect S1L1")
    #expect(core.refuse(&exchange) == "answer destinationUnavailable")
  }

  @Test("C3: an office takes a director that says itself that its site has nobody before one that is silent")
  func heardBeforeSilent() {
    let core = CoreFixture(PlanBuilder.office())
    core.believe(.down, of: "SD1")
    core.believe(.declaredDead, of: "SD2")
    for _ in 0..<3 { #expect(core.serve() == "SD2 last-resort") }
    #expect(core.serve(cookie: "SITE2") == "SD2 last-resort")
  }

  @Test("C3: an office whose directors all say they have nobody follows the one that answers for another site")
  func followsWhoAnswers() {
    let core = CoreFixture(PlanBuilder.office())
    core.believe(.declaredDead, of: "SD1", "SD2")
    var trial = Exchange()
    var second = Exchange()
    #expect(core.begin(&trial) == "connect SD1")
    #expect(core.refuse(&trial) == "connect SD2")
    core.connect(&trial)
    // The second one waits for the other's trial rather than give up.
    #expect(core.begin(&second, cookie: "SITE2") == "connect SD1")
    #expect(core.refuse(&second) == "await trial of SD2")
    #expect(core.respond(&trial) == "relay")
    // The answer came from another site: nothing is learned of SD2's own.
    #expect(core.takeEvidence() == ["SD1 connectFailed", "SD1 connectFailed"])
    #expect(core.trialResolved(&second) == "connect SD2")
    #expect(second.reason == .lastResort)
    core.finish(&trial)
    core.finish(&second)
    #expect(core.holdsNothing)
    // Users of SITE1 are not sent there as if it were back.
    core.believe(.up, of: "SD1")
    #expect(core.serve(cookie: "SITE2") == "SD1 failover")
  }

  @Test("C3: nobody left but those in maintenance is a 503")
  func onlyMaintenance() {
    let core = CoreFixture(PlanBuilder.balancer())
    core.believe(.maintenance, of: "W11", "W12", "W13", "W14")
    #expect(core.choice() == "answer destinationUnavailable")
    #expect(core.choice(cookie: "W11", session: "s") == "answer destinationUnavailable")
    #expect(core.holdsNothing)
  }

  @Test("C3: before an error a request waits for the trials that others make just now")
  func awaitsOthersTrials() {
    let core = CoreFixture(PlanBuilder.director())
    core.believe(.maintenance, of: "S1L2", "S2L2")
    core.believe(.down, of: "S1L1", "S2L1")
    var first = Exchange()
    var second = Exchange()
    #expect(core.begin(&first) == "connect S1L1")
    #expect(core.refuse(&first) == "connect S2L1")
    #expect(core.begin(&second) == "connect S1L1")
    #expect(core.refuse(&second) == "await trial of S2L1")
    core.connect(&first)
    #expect(core.trialResolved(&second) == "connect S2L1", "the trial succeeded")
    core.finish(&first)
    core.finish(&second)
    #expect(core.holdsNothing)
  }

  @Test("C3: a last resort taken beside somebody's trial does not end that trial")
  func othersTrialGoesOn() {
    let core = CoreFixture(PlanBuilder.balancer())
    core.believe(.down, of: "W11", "W12", "W13", "W14")
    var trial = Exchange()
    var beside = Exchange()
    #expect(core.begin(&trial, cookie: "W11", session: "s") == "connect W11")
    #expect(core.begin(&beside) == "connect W11")
    _ = core.refuse(&beside)
    core.finish(&beside)
    #expect(core.trialIsPending("W11"))
    core.finish(&trial)
    #expect(core.holdsNothing)
  }
}
