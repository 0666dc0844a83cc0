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

  @Test("whatever eight threads do, the limit holds, nobody is forgotten and nothing is left over")
  func manyThreads() async {
    let shared = PoolShared(plan: PlanBuilder.balancer(max: 2).pool, workers: 8)
    defer { shared.deallocate() }
    let (loads, queues) = (shared.loads, shared.queues)
    await withTaskGroup(of: Void.self) { group in
      for worker in 0..<Int32(8) {
        group.addTask {
          var random = SplitMix64(seed: UInt64(worker))
          for round in 0..<2_000 {
            let isBound = random.below(2) == 0
            var holds = loads.reserveForNewcomer(0, isBound: isBound)
            if !holds,
              let (place, _) = queues.join(0, isBound: isBound, worker: worker, waiter: Int32(round), max: 6, loads)
            {
              // Some lose patience; the others wait for their slot, which must come.
              let looks = random.below(8) == 0 ? Int(random.below(20)) : Int.max
              var look = 0
              while look < looks && !holds {
                if queues.nextGranted(worker: worker) != nil { holds = queues.take(place) } else { await Task.yield() }
                look += 1
              }
              if !holds { holds = queues.leave(place, loads) }
            }
            guard holds else { continue }
            #expect(loads.inFlight(0) <= 2)
            if random.below(4) == 0 { await Task.yield() }
            loads.release(0)
            if loads.isAwaited(0) { _ = queues.dispatch(0, loads) }
          }
        }
      }
    }
    #expect(loads.inFlight(0) == 0 && loads.waiting(0) == 0 && loads.totalInFlight == 0)
    for worker in 0..<Int32(8) { #expect(queues.nextGranted(worker: worker) == nil) }
  }
}
