import Testing
import Topology

@testable import Routing

/// Rules of part C, as far as the core decides it; the state machines of checks have tests of their own.
@Suite struct HealthRuleTests {
  @Test("C2: a request bound to a server believed down tries it, once a second in the process")
  func oneTrialASecond() {
    let core = CoreFixture(PlanBuilder.office())
    let otherWorker = CoreFixture(core.plan, sharing: core)
    core.believe(.down, of: "SD1")
    otherWorker.pool.refreshIfNeeded(now: otherWorker.now)
    var trial = Exchange()
    #expect(core.begin(&trial, cookie: "SITE1") == "connect SD1")
    #expect(trial.reason == .trial)
    #expect(core.refuse(&trial) == "connect SD2")
    #expect(core.serve(cookie: "SITE1") == "SD2 failover")
    #expect(otherWorker.serve(cookie: "SITE1") == "SD2 failover")
    otherWorker.now += CoreFixture.second
    #expect(otherWorker.choice(cookie: "SITE1") == "connect SD1")
    core.finish(&trial)
    #expect(core.holdsNothing)
  }

  @Test("C2: a trial takes a new connection, as a kept one would prove nothing")
  func trialOverNewConnection() {
    let core = CoreFixture(PlanBuilder.office())
    core.believe(.down, of: "SD1")
    var trial = Exchange()
    _ = core.begin(&trial, cookie: "SITE1")
    #expect(core.action == .connect(core.server("SD1"), .none))
    core.finish(&trial)
  }

  @Test("C2: the other requests of the session's server await the outcome where the session would be lost")
  func othersAwait() {
    let core = CoreFixture(PlanBuilder.balancer())
    core.believe(.down, of: "W14")
    var trial = Exchange()
    var other = Exchange()
    #expect(core.begin(&trial, cookie: "W14", session: "s") == "connect W14")
    #expect(core.begin(&other, cookie: "W14", session: "t") == "await trial of W14")
    #expect(core.choice() != "connect W14", "a new user waits for nothing")
    core.connect(&trial)
    core.believe(.ownUsersOnly, of: "W14")
    #expect(core.trialResolved(&other) == "connect W14")
    #expect(core.takeEvidence() == ["W14 trialSucceeded"])
    core.finish(&trial)
    core.finish(&other)
    #expect(core.holdsNothing)
  }

  @Test("C2: those who waited follow a trial that reached the server, before the checks have caught up")
  func followersOfASuccess() {
    let core = CoreFixture(PlanBuilder.balancer())
    core.believe(.down, of: "W14")
    var trial = Exchange()
    var waiting = Exchange()
    _ = core.begin(&trial, cookie: "W14", session: "s")
    _ = core.begin(&waiting, cookie: "W14", session: "t")
    core.connect(&trial)
    // Health says down still: the prober has not yet heard of it.
    #expect(!core.trialIsPending("W14"), "the outcome is known with the connection")
    #expect(core.trialResolved(&waiting) == "connect W14")
    #expect(core.choice(cookie: "W14", session: "u") == "connect W14")
    #expect(core.respond(&trial) == "relay")
    core.finish(&trial)
    #expect(core.choice(cookie: "W14", session: "v") == "connect W14")
    // A failure ends the trust.
    #expect(core.refuse(&waiting) != "connect W14")
    #expect(core.choice(cookie: "W14", session: "w") != "connect W14")
    core.finish(&waiting)
    #expect(core.holdsNothing)
  }

  @Test("C2: those who waited for a trial that failed go to another server")
  func followersOfAFailure() {
    let core = CoreFixture(PlanBuilder.balancer())
    core.believe(.down, of: "W14")
    var trial = Exchange()
    var waiting = Exchange()
    _ = core.begin(&trial, cookie: "W14", session: "s")
    _ = core.begin(&waiting, cookie: "W14", session: "s")
    let replacement = core.refuse(&trial)
    #expect(!core.trialIsPending("W14"))
    #expect(core.trialResolved(&waiting) == replacement)
    core.finish(&trial)
    core.finish(&waiting)
    #expect(core.holdsNothing)
  }

  @Test("C2: a trial that began since a request came tells it as much as its own would, of several servers at once")
  func nobodyWaitsForMoreThanTwoTrials() {
    let core = CoreFixture(PlanBuilder.director())
    core.believe(.down, of: "S1L1", "S1L2")
    var trials = [Exchange(), Exchange()]
    func begin() {
      for index in trials.indices {
        #expect(core.begin(&trials[index], cookie: "SITE1", attemptsMax: 1).hasPrefix("connect S1L"))
      }
    }
    func refuse() {
      for index in trials.indices { #expect(core.refuse(&trials[index]).hasPrefix("answer")) }
    }
    begin()
    core.now += CoreFixture.second / 3
    var waiting = Exchange()
    let awaited = core.begin(&waiting, cookie: "SITE1")
    #expect(awaited.hasPrefix("await trial of S1L"))
    // Those that were under way when it came fail, others take their places at once: one of them could still find the site.
    core.now += CoreFixture.second
    refuse()
    begin()
    #expect(core.isAwaiting(&waiting, awaited))
    // Further ones tell it nothing that those have not told, neither of this server nor of the other.
    core.now += CoreFixture.second
    refuse()
    begin()
    #expect(!core.isAwaiting(&waiting, awaited))
    #expect(core.trialResolved(&waiting).hasPrefix("connect S2L"))
    core.finish(&waiting)
    for index in trials.indices { core.finish(&trials[index]) }
    #expect(core.holdsNothing)
  }

  @Test("C2: a session is not given up while the trial of any server of its site is under way")
  func everyTrialIsAwaited() {
    let core = CoreFixture(PlanBuilder.director())
    core.believe(.down, of: "S1L1", "S1L2")
    var first = Exchange()
    var second = Exchange()
    var waiting = Exchange()
    #expect(core.begin(&first, cookie: "SITE1") == "connect S1L1")
    #expect(core.begin(&second, cookie: "SITE1") == "connect S1L2")
    let awaited = core.begin(&waiting, cookie: "SITE1")
    #expect(awaited.hasPrefix("await trial of S1L"))
    // The one it waits for fails, the other is still under way.
    if awaited.hasSuffix("S1L1") { _ = core.refuse(&first) } else { _ = core.refuse(&second) }
    let next = core.trialResolved(&waiting)
    #expect(next.hasPrefix("await trial of S1L") && next != awaited)
    if next.hasSuffix("S1L1") { _ = core.refuse(&first) } else { _ = core.refuse(&second) }
    #expect(core.trialResolved(&waiting).hasPrefix("connect S2L"), "each is awaited once")
    for exchange in [first, second, waiting] {
      var exchange = exchange
      core.finish(&exchange)
    }
    #expect(core.holdsNothing)
  }

  @Test("C2: an office awaits no trial: another way to the same session is left")
  func officeDoesNotAwait() {
    let core = CoreFixture(PlanBuilder.office())
    core.believe(.down, of: "SD1")
    var trial = Exchange()
    _ = core.begin(&trial, cookie: "SITE1")
    #expect(core.serve(cookie: "SITE1") == "SD2 failover")
    core.finish(&trial)
  }

  @Test("C2: waiting for a trial ends after a bound")
  func waitIsBounded() {
    let core = CoreFixture(PlanBuilder.balancer())
    core.believe(.down, of: "W14")
    var trial = Exchange()
    var waiting = Exchange()
    _ = core.begin(&trial, cookie: "W14", session: "s")
    _ = core.begin(&waiting, cookie: "W14", session: "s")
    core.now += CoreFixture.second / 2
    #expect(core.waitedTooLong(&waiting).hasPrefix("connect W1"))
    core.finish(&trial)
    core.finish(&waiting)
    #expect(core.holdsNothing)
  }

  @Test("C2: reaching a node that says it has nobody proves nothing; an answer of its servers does")
  func trialOfADeclaredDead() {
    let core = CoreFixture(PlanBuilder.director())
    core.believe(.declaredDead, of: "S1L1", "S1L2")
    var trial = Exchange()
    var waiting = Exchange()
    #expect(core.begin(&trial, cookie: "SITE1") == "connect S1L1")
    core.connect(&trial)
    #expect(core.takeEvidence().isEmpty)
    #expect(core.trialIsPending("S1L1"))
    #expect(core.begin(&waiting, cookie: "SITE1") == "connect S1L2")
    core.connect(&waiting)
    #expect(core.respond(&trial, .destinationUnavailable) == "await trial of S1L2")
    #expect(core.takeEvidence() == ["S1L1 declaredDead"])
    #expect(core.respond(&waiting) == "relay")
    #expect(core.takeEvidence() == ["S1L2 trialSucceeded"])
    #expect(core.trialResolved(&trial) == "connect S1L2")
    core.finish(&trial)
    core.finish(&waiting)
    #expect(core.holdsNothing)
  }

  @Test("C2: a refusal after a long wait at the nodes behind does not undo what others have found out since")
  func lateRefusal() {
    let core = CoreFixture(PlanBuilder.office())
    core.believe(.declaredDead, of: "SD1", "SD2")
    var late = Exchange()
    #expect(core.begin(&late) == "connect SD1")
    core.connect(&late)
    // Checks see it alive while the request still waits there.
    core.now += CoreFixture.second
    core.believe(.ownUsersOnly, of: "SD1")
    _ = core.respond(&late, .destinationUnavailable)
    #expect(core.takeEvidence().isEmpty)
    core.finish(&late)
    // The refusal of an attempt that began later is news.
    core.now += CoreFixture.second
    var next = Exchange()
    #expect(core.begin(&next, cookie: "SITE1") == "connect SD1")
    core.connect(&next)
    _ = core.respond(&next, .destinationUnavailable)
    #expect(core.takeEvidence() == ["SD1 declaredDead"])
    core.finish(&next)
  }

  @Test("C2: persist tries the server of the cookie on every request")
  func persist() {
    let core = CoreFixture(PlanBuilder.balancer { $0.pool.persist = true })
    core.believe(.down, of: "W14")
    var first = Exchange()
    var second = Exchange()
    #expect(core.begin(&first, cookie: "W14", session: "s") == "connect W14")
    #expect(core.begin(&second, cookie: "W14", session: "t") == "connect W14")
    #expect(core.refuse(&first) != "connect W14")
    core.finish(&first)
    core.finish(&second)
  }

  @Test("C2: no trial of a server in maintenance, also when it went there while the trial queued")
  func maintenanceIsNotTried() {
    let core = CoreFixture(PlanBuilder.balancer(max: 1))
    core.believe(.maintenance, of: "W14")
    #expect(core.choice(cookie: "W14", session: "s") != "connect W14")
    var holder = Exchange()
    var queued = Exchange()
    #expect(core.begin(&holder, cookie: "W13", session: "s") == "connect W13")
    core.believe(.down, of: "W13")
    #expect(core.begin(&queued, cookie: "W13", session: "t") == "queue W13")
    core.believe(.maintenance, of: "W13")
    core.finish(&holder)
    #expect(core.slotFreed(&queued) != "connect W13")
    #expect(!core.trialIsPending("W13"))
    core.finish(&queued)
    #expect(core.holdsNothing)
  }

  @Test("C2: a trial that queues in vain is over")
  func trialThatQueuesInVain() {
    let core = CoreFixture(PlanBuilder.balancer(max: 1))
    var holder = Exchange()
    var queued = Exchange()
    _ = core.begin(&holder, cookie: "W13", session: "s")
    core.believe(.down, of: "W13")
    #expect(core.begin(&queued, cookie: "W13", session: "t") == "queue W13")
    #expect(core.waitedTooLong(&queued) == "answer connectionLimitReached")
    #expect(!core.trialIsPending("W13"))
    core.finish(&holder)
    #expect(core.holdsNothing)
  }

  @Test("C4: a refused connection counts against the server, running out of own descriptors never does")
  func passiveEvidence() {
    let core = CoreFixture(PlanBuilder.balancer())
    var exchange = Exchange()
    _ = core.begin(&exchange, cookie: "W11")
    #expect(core.runShort(&exchange) == "answer internalShortage")
    #expect(core.takeEvidence().isEmpty)
    #expect(core.holdsNothing)
    _ = core.begin(&exchange, cookie: "W11")
    _ = core.refuse(&exchange)
    #expect(core.takeEvidence() == ["W11 connectFailed"])
    core.finish(&exchange)
    core.serve(cookie: "W11")
    #expect(core.takeEvidence() == ["W11 connected"], "the next success takes it back")
    core.serve(cookie: "W11")
    #expect(core.takeEvidence().isEmpty, "and is told once")
  }

  @Test("C4: where a server may turn connections down yet, only its answer takes failures back")
  func rejectionsAreEvidence() {
    let core = CoreFixture(PlanBuilder.balancer())
    func connect(_ exchange: inout Exchange) {
      exchange.connected(isNew: true, mayBeRejected: true, pool: &core.pool)
      exchange.requestBytesSent()
    }
    for _ in 0..<2 {
      var exchange = Exchange()
      _ = core.begin(&exchange, cookie: "W11", attemptsMax: 1)
      connect(&exchange)
      _ = core.reject(&exchange)
    }
    #expect(core.takeEvidence() == ["W11 connectFailed", "W11 connectFailed"])
    var exchange = Exchange()
    _ = core.begin(&exchange, cookie: "W11")
    connect(&exchange)
    #expect(core.takeEvidence().isEmpty)
    #expect(core.respond(&exchange) == "relay")
    #expect(core.takeEvidence() == ["W11 connected"])
    core.finish(&exchange)
    core.serve(cookie: "W11")
    #expect(core.takeEvidence().isEmpty, "and is told once")
  }

  @Test("C4: evidence is bounded")
  func evidenceIsBounded() {
    let core = CoreFixture(PlanBuilder.balancer())
    for _ in 0..<500 {
      var exchange = Exchange()
      _ = core.begin(&exchange, cookie: "W11", attemptsMax: 1)
      _ = core.refuse(&exchange)
    }
    #expect(core.takeEvidence().count == 256)
  }

  @Test("C5: a POST takes a kept connection only if it was used a moment ago", arguments: ["GET", "POST"])
  func keptConnections(method: String) {
    let core = CoreFixture(PlanBuilder.balancer())
    var exchange = Exchange()
    _ = core.begin(&exchange, cookie: "W11", method: method)
    #expect(core.action == .connect(core.server("W11"), method == "POST" ? .recentlyUsed : .any))
    core.finish(&exchange)
  }

  @Test("C6: above capacity new users are shed, users with sessions are not")
  func capacity() {
    let core = CoreFixture(PlanBuilder.director { $0.pool.capacity = 2 })
    var held = [Exchange(), Exchange()]
    _ = core.begin(&held[0])
    _ = core.begin(&held[1])
    var shed = Exchange()
    #expect(core.begin(&shed) == "answer shed")
    #expect(core.begin(&shed, cookie: "SITE9") == "answer shed")
    #expect(core.choice(cookie: "SITE2").hasPrefix("connect S2L"))
    #expect(Exchange.Failure.shed.status == 503)
    core.finish(&held[0])
    #expect(core.choice().hasPrefix("connect S1L"))
    core.finish(&held[1])
    #expect(core.holdsNothing)
  }
}
