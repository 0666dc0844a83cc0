import Testing
import Topology

@testable import Routing

/// Requests that wait for a server which goes: they wait on at another one, as who came when they came.
@Suite struct QueueMoveTests {
  @Test("whoever came first is served first, whichever server it waited for before", arguments: 0..<100)
  func firstComeFirstServed(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let core = CoreFixture(PlanBuilder.balancer(max: 1))
    let other = CoreFixture(core.plan, sharing: core)
    core.believe(.maintenance, of: "W13", "W14")
    other.pool.refreshIfNeeded(now: other.now)
    var holders = [Exchange(), Exchange()]
    #expect(core.begin(&holders[0], cookie: "W11", session: "a") == "connect W11")
    #expect(core.begin(&holders[1], cookie: "W12", session: "b") == "connect W12")

    var waiting: [Exchange] = []
    var workers: [CoreFixture] = []
    func queue(_ server: String) {
      let worker = Bool.random(using: &random) ? core : other
      waiting.append(Exchange())
      workers.append(worker)
      let number = waiting.count - 1
      let said = worker.begin(&waiting[number], cookie: server, session: "s\(number)", waiter: Int32(number))
      #expect(said == "queue \(server)")
    }
    for _ in 0..<Int.random(in: 2...20, using: &random) { queue(Bool.random(using: &random) ? "W11" : "W12") }
    core.believe(.maintenance, of: "W11")
    other.pool.refreshIfNeeded(now: other.now)
    // Each finds out when it is asked, in any order; others come meanwhile.
    for number in waiting.indices.shuffled(using: &random) {
      #expect(["queue W12", "nothing"].contains(workers[number].look(&waiting[number])))
      if Int.random(in: 0..<4, using: &random) == 0 { queue("W12") }
    }
    core.finish(&holders[1])
    for number in waiting.indices {
      let granted = [core, other].compactMap { $0.pool.nextGranted() }
      #expect(granted == [Int32(number)])
      #expect(workers[number].slotFreed(&waiting[number]) == "connect W12")
      workers[number].finish(&waiting[number])
    }
    core.finish(&holders[0])
    #expect(core.holdsNothing && other.holdsNothing)
  }

  @Test("who was granted a slot and could not connect stands at the next server as one who came when it did")
  func afterAFailedAttempt() {
    let core = CoreFixture(PlanBuilder.balancer(max: 1))
    core.believe(.maintenance, of: "W13", "W14")
    var holders = [Exchange(), Exchange()]
    var first = Exchange()
    var second = Exchange()
    #expect(core.begin(&holders[0], cookie: "W11", session: "a") == "connect W11")
    #expect(core.begin(&holders[1], cookie: "W12", session: "b") == "connect W12")
    #expect(core.begin(&first, cookie: "W11", session: "c", waiter: 1) == "queue W11")
    #expect(core.begin(&second, cookie: "W12", session: "d", waiter: 2) == "queue W12")
    core.finish(&holders[0])
    #expect(core.slotFreed(&first) == "connect W11")
    #expect(core.refuse(&first) == "queue W12")
    core.finish(&holders[1])
    #expect(core.slotFreed(&second) == "queue W12")
    #expect(core.slotFreed(&first) == "connect W12")
    core.finish(&first)
    #expect(core.slotFreed(&second) == "connect W12")
    core.finish(&second)
    #expect(core.holdsNothing)
  }

  @Test("places are in the order of arrival in every line, however they came and went", arguments: 0..<50)
  func ordered(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let loads = LoadTable.allocate(limits: [1, 1])
    let queues = SlotQueues.allocate(serverCount: 2)
    defer {
      loads.deallocate()
      queues.deallocate()
    }
    for server in Int32(0)..<2 { #expect(loads.reserve(server)) }
    /// By the request's number: its place, its server, and when it began to wait.
    var places: [Int32: (place: Int32, server: Int32, arrival: UInt64)] = [:]
    for step in Int32(0)..<200 {
      switch Int.random(in: 0..<4, using: &random) {
      case 0, 1:
        let server = Int32.random(in: 0..<2, using: &random)
        guard let place = queues.join(.server(server, isBound: true), worker: 0, waiter: step, max: 1_000, loads) else {
          Issue.record("refused")
          return
        }
        places[step] = (place, server, queues.arrival(of: place))
      case 2:
        guard let (number, old) = places.sorted(by: { $0.key < $1.key }).randomElement(using: &random) else { continue }
        #expect(queues.leave(old.place, loads) == -1)
        let server = 1 - old.server
        let line = SlotQueues.Line.server(server, isBound: true)
        guard let place = queues.join(line, worker: 0, waiter: number, max: 1_000, arrival: old.arrival, loads) else {
          Issue.record("refused")
          return
        }
        #expect(queues.arrival(of: place) == old.arrival)
        places[number] = (place, server, old.arrival)
      default:
        let server = Int32.random(in: 0..<2, using: &random)
        loads.release(server)
        _ = queues.dispatch(SlotQueues.Offer(server: server), loads)
        let expected = places.filter { $0.value.server == server }.min { $0.value.arrival < $1.value.arrival }
        #expect(queues.nextGranted(worker: 0) == expected?.key)
        if let expected {
          #expect(queues.take(expected.value.place) == server)
          places[expected.key] = nil
        } else {
          #expect(loads.reserve(server))
        }
      }
    }
  }
}
