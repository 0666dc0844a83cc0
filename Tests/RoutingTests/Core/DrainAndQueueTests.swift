import Testing
import Topology

@testable import Routing

/// Rule D2, F2 and G: full servers and drained ones.
@Suite struct DrainAndQueueTests {
  @Test("F2: a drained server keeps its own users and takes no new ones")
  func drain() {
    let core = CoreFixture(PlanBuilder.balancer())
    core.believe(.drain, of: "W11")
    #expect(core.serve(cookie: "W11", session: "s") == "W11 cookie")
    #expect((0..<12).allSatisfy { _ in core.serve() != "W11 new" })
    #expect((0..<50).allSatisfy { core.serve(cookie: "W12", session: "s\($0)") == "W12 cookie" })
  }

  @Test("F2: a server in maintenance takes nobody")
  func maintenance() {
    let core = CoreFixture(PlanBuilder.balancer())
    core.believe(.maintenance, of: "W11")
    #expect(!core.serve(cookie: "W11", session: "s").hasPrefix("W11"))
  }

  @Test("F2: candidates that admit in all tiers come first, then those that only live, those drained last")
  func order() {
    let core = CoreFixture(PlanBuilder.director())
    core.believe(.drain, of: "S1L1")
    core.believe(.ownUsersOnly, of: "S1L2")
    #expect(core.serve().hasPrefix("S2L"), "a backup that admits before a home that does not")
    core.believe(.ownUsersOnly, of: "S2L1")
    core.believe(.down, of: "S2L2")
    var exchange = Exchange()
    #expect(core.begin(&exchange) == "connect S1L2")
    #expect(exchange.reason == .draining)
    #expect(core.refuse(&exchange) == "connect S2L1")
    #expect(core.refuse(&exchange) == "connect S1L1")
    #expect(core.refuse(&exchange) == "connect S2L2")
    #expect(exchange.reason == .lastResort)
    #expect(core.refuse(&exchange) == "answer destinationUnavailable")
  }

  @Test("F2: new users without a server that admits are spread over those that live")
  func spreadOverTheLiving() {
    let core = CoreFixture(PlanBuilder.balancer())
    core.believe(.ownUsersOnly, of: "W11", "W12", "W13", "W14")
    #expect(Set((0..<100).map { _ in core.serve() }).count == 4)
  }

  @Test("F2: a weight of 0 takes no new users, but its own")
  func weightZero() {
    let core = CoreFixture(PlanBuilder.balancer { $0.pool.servers[0].weight = 0 })
    #expect((0..<12).allSatisfy { _ in !core.serve().hasPrefix("W11") })
    #expect(core.serve(cookie: "W11", session: "s") == "W11 cookie")
  }

  @Test("D2: a full server queues; the queue goes on when a slot is given back")
  func fullServerQueues() {
    let core = CoreFixture(PlanBuilder.balancer(max: 1))
    var holder = Exchange()
    var queued = Exchange()
    #expect(core.begin(&holder, cookie: "W11", session: "s") == "connect W11")
    #expect(core.begin(&queued, cookie: "W11", session: "t") == "queue W11")
    #expect(core.slotFreed(&queued) == "queue W11", "woken for nothing")
    #expect(queued.attempts == 0)
    core.finish(&holder)
    #expect(core.slotFreed(&queued) == "connect W11")
    core.finish(&queued)
    #expect(core.holdsNothing)
  }

  @Test("D2: who waits too long in a queue is told that it is full")
  func queueInVain() {
    let core = CoreFixture(PlanBuilder.balancer(max: 1))
    var holder = Exchange()
    var queued = Exchange()
    _ = core.begin(&holder, cookie: "W11", session: "s")
    _ = core.begin(&queued, cookie: "W11", session: "t")
    #expect(core.waitedTooLong(&queued) == "answer connectionLimitReached")
    #expect(Exchange.Failure.connectionLimitReached.status == 503)
    core.finish(&holder)
    #expect(core.holdsNothing)
  }

  @Test("D2: a queue is left when its server has died meanwhile")
  func queueOfTheDead() {
    let core = CoreFixture(PlanBuilder.balancer(max: 1))
    var holder = Exchange()
    var queued = Exchange()
    _ = core.begin(&holder, cookie: "W11", session: "s")
    _ = core.begin(&queued, cookie: "W11", session: "t")
    core.believe(.maintenance, of: "W11")
    #expect(core.slotFreed(&queued).hasPrefix("connect W1"))
    core.finish(&holder)
    core.finish(&queued)
    #expect(core.holdsNothing)
  }

  @Test(
    "D2: new users queue only when every server of their tier is full, whatever the algorithm",
    arguments: [BalanceAlgorithm.roundRobin, .staticRoundRobin, .leastConnections, .first, .random])
  func freeServersFirst(algorithm: BalanceAlgorithm) {
    let core = CoreFixture(PlanBuilder.balancer(max: 2) { $0.pool.algorithm = algorithm })
    var held: [Exchange] = []
    for client in 0..<8 {
      var exchange = Exchange()
      #expect(core.begin(&exchange, client: UInt64(client)).hasPrefix("connect"))
      held.append(exchange)
    }
    var queued = Exchange()
    #expect(core.begin(&queued).hasPrefix("queue"))
    core.finish(&queued)
    for index in held.indices { core.finish(&held[index]) }
    #expect(core.holdsNothing)
  }

  @Test(
    "D2: load never sends traffic to a backup tier, unless spill is set and all of the tier is full",
    arguments: [false, true], [BalanceAlgorithm.roundRobin, .leastConnections, .source, .rendezvous])
  func spill(spill: Bool, algorithm: BalanceAlgorithm) {
    let core = CoreFixture(
      PlanBuilder.director {
        $0.pool.spill = spill
        $0.pool.algorithm = algorithm
        for index in $0.pool.servers.indices { $0.pool.servers[index].maxConnections = 1 }
      })
    var held = [Exchange(), Exchange(), Exchange(), Exchange()]
    #expect(core.begin(&held[0]).hasPrefix("connect S1L"))
    let second = core.begin(&held[1])
    if spill || algorithm == .roundRobin || algorithm == .leastConnections {
      #expect(second.hasPrefix("connect S1L"))
      #expect(core.begin(&held[2]).hasPrefix(spill ? "connect S2L" : "queue S1L"))
      #expect(core.begin(&held[3], cookie: "SITE1").hasPrefix("queue S1L"), "a session never spills")
    } else {
      #expect(second.hasPrefix("queue S1L"), "the hash has one server for the client")
    }
    for index in held.indices { core.finish(&held[index]) }
    #expect(core.holdsNothing)
  }

  @Test("G: limits hold for the process: a slot is taken before the connection is made")
  func limitsOfTheProcess() {
    let core = CoreFixture(PlanBuilder.balancer(max: 1))
    let otherWorker = CoreFixture(core.plan, sharing: core)
    var first = Exchange()
    var second = Exchange()
    #expect(core.begin(&first, cookie: "W11", session: "s") == "connect W11")
    #expect(otherWorker.begin(&second, cookie: "W11", session: "t") == "queue W11")
    core.finish(&first)
    #expect(otherWorker.slotFreed(&second) == "connect W11")
    otherWorker.finish(&second)
    #expect(core.holdsNothing && otherWorker.holdsNothing)
  }

  @Test("G: health published by the prober reaches a worker at its next look")
  func healthReachesWorkers() {
    let core = CoreFixture(PlanBuilder.office())
    let otherWorker = CoreFixture(core.plan, sharing: core)
    core.believe(.down, of: "SD1")
    #expect(otherWorker.serve() == "SD1 new")
    otherWorker.pool.refreshIfNeeded(now: otherWorker.now)
    #expect(otherWorker.serve() == "SD2 new")
  }
}
