import Testing
import Topology

@testable import Routing

/// Rules D2 and G: the queue of a full server is one for all workers.
@Suite struct QueueTests {
  /// Two workers of one process before W11, which takes one request at a time and has one.
  private struct Pair {
    let core: CoreFixture
    let other: CoreFixture
    var holder = Exchange()

    init(queue: Int = 128) {
      core = CoreFixture(PlanBuilder.balancer(max: 1) { $0.pool.queueMax = queue })
      other = CoreFixture(core.plan, sharing: core)
      #expect(core.begin(&holder, cookie: "W11", session: "s") == "connect W11")
    }

    var isEmpty: Bool { core.holdsNothing && other.holdsNothing }
  }

  @Test("a slot given back goes to who has waited longest, at whichever worker, and that worker alone is woken")
  func oldestFirst() {
    var pair = Pair()
    var exchanges = (0..<4).map { _ in Exchange() }
    for index in exchanges.indices {
      let core = index % 2 == 0 ? pair.other : pair.core
      #expect(core.begin(&exchanges[index], cookie: "W11", session: "s", waiter: Int32(index)) == "queue W11")
    }
    pair.core.finish(&pair.holder)
    for index in exchanges.indices {
      let (core, bystander) = index % 2 == 0 ? (pair.other, pair.core) : (pair.core, pair.other)
      // Who finished last has granted it.
      let granter = bystander
      #expect(granter.pool.takeFreed() == 1 << UInt64(core.pool.worker))
      #expect(bystander.pool.nextGranted() == nil)
      #expect(core.pool.nextGranted() == Int32(index))
      #expect(core.pool.nextGranted() == nil, "each is told once")
      #expect(core.slotFreed(&exchanges[index]) == "connect W11")
      core.finish(&exchanges[index])
    }
    #expect(pair.isEmpty)
  }

  @Test("a newcomer of another worker does not overtake, also in the moment between a slot's release and its use")
  func noOvertaking() {
    var pair = Pair()
    var waits = Exchange()
    var newcomer = Exchange()
    #expect(pair.core.begin(&waits, cookie: "W11", session: "s", waiter: 1) == "queue W11")
    pair.core.finish(&pair.holder)
    // The slot is granted, the worker of who waited has not yet woken.
    #expect(pair.other.begin(&newcomer, cookie: "W11", session: "t", waiter: 2) == "queue W11")
    #expect(pair.core.slotFreed(&waits) == "connect W11")
    #expect(pair.other.slotFreed(&newcomer) == "queue W11")
    pair.core.finish(&waits)
    #expect(pair.other.slotFreed(&newcomer) == "connect W11")
    pair.other.finish(&newcomer)
    #expect(pair.isEmpty)
  }

  @Test("requests with a session go ahead of those without, whichever workers they are at")
  func sessionsFirst() {
    let core = CoreFixture(
      PlanBuilder.balancer(max: 1) {
        $0.pool.servers.removeLast(3)
      })
    let other = CoreFixture(core.plan, sharing: core)
    var holder = Exchange()
    _ = core.begin(&holder)
    var free = Exchange()
    var bound = Exchange()
    #expect(core.begin(&free, waiter: 1) == "queue W11")
    #expect(other.begin(&bound, cookie: "W11", session: "s", waiter: 2) == "queue W11")
    core.finish(&holder)
    #expect(core.pool.nextGranted() == nil && other.pool.nextGranted() == 2)
    #expect(core.slotFreed(&free) == "queue W11")
    #expect(other.slotFreed(&bound) == "connect W11")
    other.finish(&bound)
    #expect(core.slotFreed(&free) == "connect W11")
    core.finish(&free)
    #expect(core.holdsNothing && other.holdsNothing)
  }

  @Test(
    "of eight slots given while both kinds wait the eighth goes to who has no session, so that sessions starve nobody")
  func freeTurns() {
    let core = CoreFixture(PlanBuilder.balancer(max: 1) { $0.pool.servers.removeLast(3) })
    let other = CoreFixture(core.plan, sharing: core)
    // Always at least one with a session behind the one that is served: twenty-four that come one by one.
    var exchanges = (0..<28).map { _ in Exchange() }
    let free = 1...3
    func at(_ index: Int) -> CoreFixture { index % 2 == 0 ? core : other }
    func ask(_ index: Int) -> String {
      let isFree = free.contains(index)
      return at(index).begin(
        &exchanges[index], cookie: isFree ? nil : "W11", session: isFree ? nil : "s", waiter: Int32(index))
    }
    #expect(ask(0) == "connect W11")
    for index in 1...4 { #expect(ask(index) == "queue W11") }
    var (served, holder, next) = ([Int](), 0, 5)
    while next < exchanges.count {
      #expect(ask(next) == "queue W11")
      next += 1
      at(holder).finish(&exchanges[holder])
      holder = Int(core.pool.nextGranted() ?? other.pool.nextGranted() ?? -1)
      #expect(at(holder).slotFreed(&exchanges[holder]) == "connect W11")
      served.append(holder)
    }
    let sessions = Array(4..<28)
    #expect(served == Array(sessions[..<7]) + [1] + Array(sessions[7..<14]) + [2] + Array(sessions[14..<21]))
    // The rest: nobody with a session may be kept back for the sake of a turn that is not due.
    while served.count < exchanges.count - 1 {
      at(holder).finish(&exchanges[holder])
      holder = Int(core.pool.nextGranted() ?? other.pool.nextGranted() ?? -1)
      #expect(at(holder).slotFreed(&exchanges[holder]) == "connect W11")
      served.append(holder)
    }
    #expect(served.suffix(4) == [3, 25, 26, 27])
    at(holder).finish(&exchanges[holder])
    #expect(core.holdsNothing && other.holdsNothing)
  }

  @Test("turns are counted by server, and only while somebody without a session waits")
  func turnsOfEachServer() {
    let loads = LoadTable.allocate(limits: [1, 1])
    let queues = SlotQueues.allocate(serverCount: 2)
    defer {
      loads.deallocate()
      queues.deallocate()
    }
    func join(_ server: Int32, _ waiter: Int32, isBound: Bool) {
      #expect(queues.join(.server(server, isBound: isBound), worker: 0, waiter: waiter, max: 100, loads) != nil)
    }
    func give(_ server: Int32) -> Int32? {
      loads.release(server)
      #expect(queues.dispatch(SlotQueues.Offer(server: server), loads) == 1)
      return queues.nextGranted(worker: 0)
    }
    for server in Int32(0)..<2 {
      #expect(loads.reserve(server))
      for waiter in Int32(0)..<20 { join(server, waiter, isBound: true) }
    }
    // Nobody is passed by, so nobody has a turn to come.
    for waiter in Int32(0)..<10 { #expect(give(0) == waiter) }
    join(0, 100, isBound: false)
    for waiter in Int32(10)..<17 { #expect(give(0) == waiter) }
    join(1, 200, isBound: false)
    #expect(give(1) == 0, "the turn is the other server's")
    #expect(give(0) == 100)
    #expect(give(0) == 17)
  }

  @Test("a newcomer with a session goes before who waits without one, but by way of the queue, which counts its turn")
  func newcomerWithASession() {
    let core = CoreFixture(PlanBuilder.balancer(max: 1) { $0.pool.servers.removeLast(3) })
    var free = Exchange()
    var holder = Exchange()
    #expect(core.begin(&holder, cookie: "W11", session: "s", waiter: 0) == "connect W11")
    #expect(core.begin(&free, waiter: 1) == "queue W11")
    var newcomer = Exchange()
    for _ in 0..<7 {
      newcomer = Exchange()
      #expect(core.begin(&newcomer, cookie: "W11", session: "t", waiter: 2) == "queue W11")
      core.finish(&holder)
      #expect(core.pool.nextGranted() == 2)
      #expect(core.slotFreed(&newcomer) == "connect W11")
      holder = newcomer
    }
    newcomer = Exchange()
    #expect(core.begin(&newcomer, cookie: "W11", session: "t", waiter: 2) == "queue W11")
    core.finish(&holder)
    #expect(core.pool.nextGranted() == 1)
    #expect(core.slotFreed(&free) == "connect W11")
    core.finish(&free)
    #expect(core.slotFreed(&newcomer) == "connect W11")
    core.finish(&newcomer)
    #expect(core.holdsNothing)
  }

  @Test("the bound of the queue counts all workers", arguments: [0, 1, 3])
  func bound(queue: Int) {
    var pair = Pair(queue: queue)
    var queued = (0..<queue).map { _ in Exchange() }
    for index in queued.indices {
      let core = index % 2 == 0 ? pair.core : pair.other
      #expect(core.begin(&queued[index], cookie: "W11", session: "s") == "queue W11")
    }
    for core in [pair.core, pair.other] {
      var refused = Exchange()
      #expect(core.begin(&refused, cookie: "W11", session: "s") == "answer connectionLimitReached")
    }
    if queue > 0 {
      // A place given up is there for the next one, at any worker.
      pair.core.finish(&queued[0])
      #expect(pair.other.begin(&queued[0], cookie: "W11", session: "s") == "queue W11")
    }
    for index in queued.indices {
      (index == 0 || index % 2 == 1 ? pair.other : pair.core).finish(&queued[index])
    }
    pair.core.finish(&pair.holder)
    #expect(pair.isEmpty)
  }

  enum Departure: CaseIterable { case finishes, serverGone }

  @Test("who has waited too long in the moment in which a slot is granted is served")
  func grantedAtTheLastMoment() {
    var pair = Pair()
    var waits = Exchange()
    _ = pair.core.begin(&waits, cookie: "W11", session: "s", waiter: 1)
    pair.core.finish(&pair.holder)
    #expect(pair.core.waitedTooLong(&waits) == "connect W11")
    pair.core.finish(&waits)
    #expect(pair.isEmpty)
  }

  @Test("who leaves although a slot was just granted passes it on", arguments: Departure.allCases)
  func grantedAndGone(departure: Departure) {
    var pair = Pair()
    var leaves = Exchange()
    var next = Exchange()
    _ = pair.core.begin(&leaves, cookie: "W11", session: "s", waiter: 1)
    _ = pair.other.begin(&next, cookie: "W11", session: "s", waiter: 2)
    pair.core.finish(&pair.holder)
    switch departure {
    case .finishes: pair.core.finish(&leaves)
    case .serverGone:
      pair.core.believe(.maintenance, of: "W11")
      #expect(pair.core.slotFreed(&leaves).hasPrefix("connect W1"))
      pair.core.finish(&leaves)
    }
    #expect(pair.core.pool.nextGranted() == nil && pair.other.pool.nextGranted() == 2)
    #expect(pair.other.slotFreed(&next) == "connect W11")
    pair.other.finish(&next)
    #expect(pair.isEmpty)
  }

  // MARK: Who may be served by several servers

  /// A director before two balancers of one site, S1L1 and S1L2, that take one request each; both have one.
  private func twoBalancers(queue: Int = 128) -> (CoreFixture, [Exchange]) {
    let core = CoreFixture(
      PlanBuilder.director(sites: 1) {
        $0.pool.queueMax = queue
        for index in $0.pool.servers.indices { $0.pool.servers[index].maxConnections = 1 }
      })
    var holders = [Exchange(), Exchange()]
    let first = core.begin(&holders[0])
    let second = core.begin(&holders[1])
    #expect(Set([first, second]) == ["connect S1L1", "connect S1L2"])
    if first != "connect S1L1" { holders.swapAt(0, 1) }
    return (core, holders)
  }

  @Test(
    "who may be served by several servers waits for all of them: the first slot is the first one's",
    arguments: [nil, "SITE1"])
  func severalServers(cookie: String?) {
    var (core, holders) = twoBalancers()
    var waiting = [Exchange(), Exchange(), Exchange()]
    for index in waiting.indices {
      #expect(core.begin(&waiting[index], cookie: cookie, waiter: Int32(index)).hasPrefix("queue"))
    }
    // S1L1 is never given back; S1L2 serves all three.
    for index in waiting.indices {
      if index == 0 { core.finish(&holders[1]) } else { core.finish(&waiting[index - 1]) }
      #expect(core.pool.nextGranted() == Int32(index))
      #expect(core.slotFreed(&waiting[index]) == "connect S1L2")
    }
    core.finish(&waiting[2])
    core.finish(&holders[0])
    #expect(core.holdsNothing)
  }

  @Test("sessions go first there, too, and one slot in eight is a new user's, whichever server gives it")
  func sessionsFirstAtSeveral() {
    var (core, holders) = twoBalancers()
    var free = Exchange()
    var bound = (0..<20).map { _ in Exchange() }
    #expect(core.begin(&free, waiter: 100).hasPrefix("queue"))
    for index in bound.indices {
      #expect(core.begin(&bound[index], cookie: "SITE1", waiter: Int32(index)).hasPrefix("queue"))
    }
    core.finish(&holders[1])
    var served: [Int32] = []
    while let number = core.pool.nextGranted() {
      served.append(number)
      if number == 100 {
        #expect(core.slotFreed(&free) == "connect S1L2")
        core.finish(&free)
      } else {
        #expect(core.slotFreed(&bound[Int(number)]) == "connect S1L2")
        core.finish(&bound[Int(number)])
      }
    }
    #expect(served == Array(0..<7) + [100] + Array(7..<20))
    core.finish(&holders[0])
    #expect(core.holdsNothing)
  }

  @Test("a new user is not refused for the sake of one server's full queue, nor a session for the new users before it")
  func boundsApart() {
    var (core, holders) = twoBalancers(queue: 2)
    var queued = (0..<4).map { _ in Exchange() }
    // Two for each server of the tier.
    for index in queued.indices { #expect(core.begin(&queued[index]).hasPrefix("queue")) }
    var refused = Exchange()
    #expect(core.begin(&refused) == "answer connectionLimitReached")
    var sessions = (0..<4).map { _ in Exchange() }
    for index in sessions.indices { #expect(core.begin(&sessions[index], cookie: "SITE1").hasPrefix("queue")) }
    #expect(core.begin(&refused, cookie: "SITE1") == "answer connectionLimitReached")
    for index in queued.indices { core.finish(&queued[index]) }
    for index in sessions.indices { core.finish(&sessions[index]) }
    for index in holders.indices { core.finish(&holders[index]) }
    #expect(core.holdsNothing)
  }

  @Test("the slot of a server that takes no new users any more goes to nobody without a session there")
  func closedForNewUsers() {
    var (core, holders) = twoBalancers()
    var waits = Exchange()
    #expect(core.begin(&waits, waiter: 1).hasPrefix("queue"))
    core.believe(.ownUsersOnly, of: "S1L2")
    core.finish(&holders[1])
    #expect(core.pool.nextGranted() == nil)
    #expect(core.slotFreed(&waits).hasPrefix("queue"))
    core.finish(&holders[0])
    #expect(core.pool.nextGranted() == 1)
    #expect(core.slotFreed(&waits) == "connect S1L1")
    core.finish(&waits)
    #expect(core.holdsNothing)
  }

  @Test("a slot that another worker grants by an older belief is passed on")
  func grantedByAnOlderBelief() {
    var (core, holders) = twoBalancers()
    let other = CoreFixture(core.plan, sharing: core)
    var waits = Exchange()
    #expect(other.begin(&waits, waiter: 1).hasPrefix("queue"))
    // The one that gives the slot does not know it yet.
    other.shared.publish(core.server("S1L2"), Belief.ownUsersOnly.snapshot(weight: 256))
    core.finish(&holders[1])
    other.pool.refreshIfNeeded(now: other.now)
    #expect(other.pool.nextGranted() == 1)
    #expect(other.slotFreed(&waits) == "queue S1L1")
    #expect(core.shared.loads.inFlight(core.server("S1L2")) == 0)
    core.finish(&holders[0])
    #expect(other.slotFreed(&waits) == "connect S1L1")
    other.finish(&waits)
    #expect(core.holdsNothing && other.holdsNothing)
  }

  @Test("a server that comes back serves those who wait for the others")
  func comesBack() {
    var (core, holders) = twoBalancers()
    core.finish(&holders[1])
    core.believe(.down, of: "S1L2")
    var waits = Exchange()
    #expect(core.begin(&waits, waiter: 1) == "queue S1L1")
    core.believe(.up, of: "S1L2")
    #expect(core.pool.nextGranted() == 1)
    #expect(core.slotFreed(&waits) == "connect S1L2")
    core.finish(&waits)
    core.finish(&holders[0])
    #expect(core.holdsNothing)
  }

  @Test("a session asks another node of its site before it waits")
  func otherBearerFirst() {
    var (core, holders) = twoBalancers()
    core.finish(&holders[0])
    for _ in 0..<20 {
      var session = Exchange()
      #expect(core.begin(&session, cookie: "SITE1") == "connect S1L1")
      core.finish(&session)
    }
    core.finish(&holders[1])
    #expect(core.holdsNothing)
  }

  @Test("who is sent by a hash waits for that server alone", arguments: [BalanceAlgorithm.source, .rendezvous])
  func byHash(algorithm: BalanceAlgorithm) {
    let core = CoreFixture(PlanBuilder.balancer(max: 1) { $0.pool.algorithm = algorithm })
    var holder = Exchange()
    let first = core.begin(&holder, client: 5)
    var waits = Exchange()
    #expect(core.begin(&waits, client: 5, waiter: 1) == "queue \(first.dropFirst("connect ".count))")
    var elsewhere = Exchange()
    var client: UInt64 = 6
    while core.begin(&elsewhere, client: client).hasPrefix("queue") {
      core.finish(&elsewhere)
      elsewhere = Exchange()
      client += 1
    }
    core.finish(&elsewhere)
    #expect(core.pool.nextGranted() == nil)
    core.finish(&holder)
    #expect(core.pool.nextGranted() == 1 && core.slotFreed(&waits) == first)
    core.finish(&waits)
    #expect(core.holdsNothing)
  }

  @Test("who waits for one server that takes no new users any more goes to one that does")
  func aloneAndClosed() {
    let core = CoreFixture(PlanBuilder.balancer(max: 1) { $0.pool.algorithm = .source })
    var holder = Exchange()
    let first = String(core.begin(&holder, client: 5).dropFirst("connect ".count))
    var waits = Exchange()
    #expect(core.begin(&waits, client: 5, waiter: 1) == "queue \(first)")
    core.believe(.ownUsersOnly, of: first)
    let second = core.slotFreed(&waits)
    #expect(second.hasPrefix("connect") && second != "connect \(first)")
    core.finish(&waits)
    core.finish(&holder)
    #expect(core.holdsNothing)
  }

  /// The director of SITE1 with two balancers a site that take one request each; all have one.
  private func twoSites(
    holding cookies: [String] = ["SITE1", "SITE1", "SITE2", "SITE2"],
    _ change: (inout ApplicationPlan) -> Void = { _ in }
  ) -> (CoreFixture, [String: Exchange]) {
    let core = CoreFixture(
      PlanBuilder.director {
        for index in $0.pool.servers.indices { $0.pool.servers[index].maxConnections = 1 }
        change(&$0)
      })
    var holders: [String: Exchange] = [:]
    for cookie in cookies {
      var holder = Exchange()
      let action = core.begin(&holder, cookie: cookie)
      #expect(action.hasPrefix("connect "))
      holders[String(action.dropFirst("connect ".count))] = holder
    }
    #expect(holders.count == cookies.count)
    return (core, holders)
  }

  @Test("users of a dead site wait for all servers of the site that takes them, ahead of new users")
  func usersOfADeadSite() {
    var (core, holders) = twoSites()
    core.believe(.declaredDead, of: "S2L1", "S2L2")
    for server in ["S2L1", "S2L2"] { core.shared.trials.counts(core.server(server), now: core.now) }
    var free = Exchange()
    var bound = [Exchange(), Exchange(), Exchange()]
    #expect(core.begin(&free, waiter: 9).hasPrefix("queue S1"))
    for index in bound.indices {
      #expect(core.begin(&bound[index], cookie: "SITE2", waiter: Int32(index)).hasPrefix("queue S1"))
    }
    // S1L2 alone serves them all.
    core.finish(&holders["S1L2"]!)
    for index in bound.indices {
      #expect(core.pool.nextGranted() == Int32(index))
      #expect(core.slotFreed(&bound[index]) == "connect S1L2")
      core.finish(&bound[index])
    }
    #expect(core.pool.nextGranted() == 9)
    #expect(core.slotFreed(&free) == "connect S1L2")
    core.finish(&free)
    for name in ["S1L1", "S2L1", "S2L2"] { core.finish(&holders[name]!) }
    #expect(core.holdsNothing)
  }

  @Test("who waits at a full backup goes home when home is back", arguments: [nil, "SITE1"])
  func homeIsBack(cookie: String?) {
    var (core, holders) = twoSites()
    core.believe(.declaredDead, of: "S1L1", "S1L2")
    for server in ["S1L1", "S1L2"] { core.shared.trials.counts(core.server(server), now: core.now) }
    var waits = Exchange()
    #expect(core.begin(&waits, cookie: cookie).hasPrefix("queue S2"))
    #expect(core.look(&waits) == "nothing")
    core.believe(.up, of: "S1L1", "S1L2")
    core.finish(&holders["S1L1"]!)
    #expect(core.look(&waits) == "connect S1L1")
    core.finish(&waits)
    for name in ["S1L2", "S2L1", "S2L2"] { core.finish(&holders[name]!) }
    #expect(core.holdsNothing)
  }

  @Test("also who had tried home in vain before", arguments: [nil, "SITE1"])
  func triedHomeIsBack(cookie: String?) {
    var (core, holders) = twoSites()
    core.finish(&holders["S1L1"]!)
    core.finish(&holders["S1L2"]!)
    var waits = Exchange()
    var action = core.begin(&waits, cookie: cookie)
    while action.hasPrefix("connect S1") { action = core.refuse(&waits) }
    #expect(action.hasPrefix("queue S2"))
    core.believe(.down, of: "S1L1", "S1L2")
    #expect(core.look(&waits) == "nothing")
    core.now += CoreFixture.second
    core.believe(.up, of: "S1L1", "S1L2")
    #expect(core.look(&waits).hasPrefix("connect S1"))
    core.finish(&waits)
    for name in ["S2L1", "S2L2"] { core.finish(&holders[name]!) }
    #expect(core.holdsNothing)
  }

  @Test("where load may go to another tier, the first slot of any tier is the first one's")
  func spills() {
    var (core, holders) = twoSites { $0.pool.spill = true }
    var waits = Exchange()
    #expect(core.begin(&waits, waiter: 1).hasPrefix("queue S1"))
    core.finish(&holders["S2L1"]!)
    #expect(core.pool.nextGranted() == 1)
    #expect(core.slotFreed(&waits) == "connect S2L1")
    core.finish(&waits)
    for name in ["S1L1", "S1L2", "S2L2"] { core.finish(&holders[name]!) }
    #expect(core.holdsNothing)
  }

  @Test("a repeated request does not wait for one server when another one that it has not tried has a slot")
  func repeatedRequest() {
    let core = CoreFixture(PlanBuilder.balancer(max: 1))
    var holders: [String: Exchange] = [:]
    for name in ["W12", "W13", "W14"] {
      var holder = Exchange()
      #expect(core.begin(&holder, cookie: name, session: "s") == "connect \(name)")
      holders[name] = holder
    }
    var repeated = Exchange()
    #expect(core.begin(&repeated) == "connect W11")
    let queued = core.refuse(&repeated)
    #expect(queued.hasPrefix("queue W1"))
    #expect(core.look(&repeated) == "nothing")
    let other = ["W12", "W13", "W14"].first { !queued.hasSuffix($0) }!
    core.finish(&holders[other]!)
    #expect(core.look(&repeated) == "connect \(other)")
    core.finish(&repeated)
    for name in holders.keys where name != other { core.finish(&holders[name]!) }
    #expect(core.holdsNothing)
  }

  @Test("who is sent home by failback waits there, though the own server could be had")
  func failbackWaits() {
    var (core, holders) = twoSites(holding: ["SITE1", "SITE1"]) { $0.pool.failback = .immediate }
    var waits = Exchange()
    #expect(core.begin(&waits, cookie: "SITE2", waiter: 1).hasPrefix("queue S1"))
    #expect(core.look(&waits) == "nothing")
    core.finish(&holders["S1L2"]!)
    #expect(core.pool.nextGranted() == 1 && core.slotFreed(&waits) == "connect S1L2")
    core.finish(&waits)
    core.finish(&holders["S1L1"]!)
    #expect(core.holdsNothing)
  }

  @Test("whatever eight threads do, the limits hold, nobody is forgotten and nothing is left over")
  func manyThreads() async {
    let shared = PoolShared(plan: PlanBuilder.balancer(max: 2).pool, workers: 8)
    defer { shared.deallocate() }
    let (loads, queues) = (shared.loads, shared.queues)
    await withTaskGroup(of: Void.self) { group in
      for worker in 0..<Int32(8) {
        group.addTask {
          var random = SplitMix64(seed: UInt64(worker))
          for round in 0..<2_000 {
            let server = Int32(random.below(2))
            var held: Int32 = loads.reserveForNewcomer(server) ? server : -1
            let line: SlotQueues.Line =
              [
                .server(server, isBound: true), .server(server, isBound: false), .tier(0, isBound: false),
                .tier(0, isBound: true), .group(0), .pool(isBound: false),
              ][Int(random.below(6))]
            if held < 0, let place = queues.join(line, worker: worker, waiter: Int32(round), max: 6, loads) {
              for offered in Int32(0)..<2 where loads.slotBits(word: 0) & (1 << UInt64(offered)) != 0 {
                _ = queues.dispatch(SlotQueues.Offer(server: offered, tier: 0, group: 0, isForAll: true), loads)
              }
              // Some lose patience; the others wait for their slot, which must come.
              let looks = random.below(8) == 0 ? Int(random.below(20)) : Int.max
              var look = 0
              while look < looks && held < 0 {
                if queues.nextGranted(worker: worker) != nil { held = queues.take(place) } else { await Task.yield() }
                look += 1
              }
              if held < 0 { held = queues.leave(place, loads) }
            }
            guard held >= 0 else { continue }
            #expect(loads.inFlight(held) <= 2)
            if random.below(4) == 0 { await Task.yield() }
            loads.release(held)
            if loads.isAwaited(held) {
              _ = queues.dispatch(SlotQueues.Offer(server: held, tier: 0, group: 0, isForAll: true), loads)
            }
          }
        }
      }
    }
    #expect((0..<2).allSatisfy { loads.inFlight($0) == 0 && loads.waiting($0) == 0 })
    #expect(loads.totalInFlight == 0 && loads.waitingForSeveral == 0)
    for worker in 0..<Int32(8) { #expect(queues.nextGranted(worker: worker) == nil) }
  }
}
