import Testing
import Topology

@testable import Routing

/// Rule C6: a server that has come back is given new users little by little, also while all others are full.
@Suite struct SlowStartSlotsTests {
  /// W11 takes ten requests at once and starts slowly; W12 takes ten and is full.
  private struct Pair {
    let core = CoreFixture(
      PlanBuilder.balancer(max: 10) {
        $0.pool.servers.removeLast($0.pool.servers.count - 2)
        for index in $0.pool.servers.indices {
          $0.pool.servers[index].weight = 10
          $0.pool.servers[index].slowStart = .seconds(60)
        }
      })
    var holders: [Exchange] = []

    init() {
      core.believe(.down, of: "W11")
      for _ in 0..<10 {
        var exchange = Exchange()
        #expect(core.begin(&exchange) == "connect W12")
        holders.append(exchange)
      }
    }

    /// W11 admits new users with this share of its weight.
    func start(percent: Int) {
      let whole = 10 * Int(ServerHealth.weightScale)
      core.shared.publish(core.server("W11"), HealthSnapshot(weight: Int32(whole * percent / 100)))
      core.pool.refreshIfNeeded(now: core.now)
    }

    /// New users who wait; those numbers that were granted a slot are told by `granted`.
    func queue(_ count: Int, session: String? = nil, from first: Int = 0) -> [Exchange] {
      (first..<first + count).map { number in
        var exchange = Exchange()
        let cookie = session.map { _ in "W11" }
        #expect(core.begin(&exchange, cookie: cookie, session: session, waiter: Int32(number)).hasPrefix("queue"))
        return exchange
      }
    }

    func granted() -> [Int32] {
      var numbers: [Int32] = []
      while let number = core.pool.nextGranted() { numbers.append(number) }
      return numbers
    }

    func end(_ exchanges: inout [Exchange]) {
      for index in exchanges.indices { core.finish(&exchanges[index]) }
    }
  }

  @Test("who waits for the others is given so many of its slots as it has of its weight, more as that grows")
  func growsWithTheWeight() {
    var pair = Pair()
    var waiting = pair.queue(12)
    var served = 0
    for (percent, slots) in [(10, 1), (25, 3), (50, 5), (90, 9), (100, 10)] {
      pair.start(percent: percent)
      #expect(pair.granted() == (served..<slots).map(Int32.init), "\(percent) %")
      for index in served..<slots { #expect(pair.core.slotFreed(&waiting[index]) == "connect W11") }
      served = slots
    }
    pair.end(&waiting)
    pair.end(&pair.holders)
    #expect(pair.core.holdsNothing)
  }

  @Test("a slot that such a user gives back is the next one's")
  func goesOn() {
    var pair = Pair()
    var waiting = pair.queue(3)
    pair.start(percent: 10)
    for index in waiting.indices {
      #expect(pair.granted() == [Int32(index)])
      #expect(pair.core.slotFreed(&waiting[index]) == "connect W11")
      pair.core.finish(&waiting[index])
    }
    pair.end(&pair.holders)
    #expect(pair.core.holdsNothing)
  }

  @Test("a newcomer who finds nobody waiting waits, too, when what is open is taken")
  func newcomersWait() {
    var pair = Pair()
    pair.start(percent: 10)
    var first = Exchange()
    #expect(pair.core.begin(&first) == "connect W11")
    var waiting = pair.queue(2)
    pair.start(percent: 20)
    #expect(pair.granted() == [0])
    pair.end(&waiting)
    pair.core.finish(&first)
    pair.end(&pair.holders)
    #expect(pair.core.holdsNothing)
  }

  @Test("its own users have all its slots from the first moment, and wait for those only")
  func ownUsers() {
    var pair = Pair()
    pair.start(percent: 10)
    var own = (0..<10).map { number in
      var exchange = Exchange()
      #expect(pair.core.begin(&exchange, cookie: "W11", session: "s\(number)", waiter: 100) == "connect W11")
      return exchange
    }
    var free = pair.queue(1, from: 1)
    var bound = pair.queue(1, session: "s", from: 2)
    pair.core.finish(&own[0])
    #expect(pair.granted() == [2])
    #expect(pair.core.slotFreed(&bound[0]) == "connect W11")
    pair.end(&own)
    #expect(pair.granted() == [], "one request is in flight, and one slot is open")
    pair.end(&bound)
    #expect(pair.granted() == [1])
    pair.end(&free)
    pair.end(&pair.holders)
    #expect(pair.core.holdsNothing)
  }

  @Test(
    "nobody waits for a server's warmth where no other takes new users: sessions that hold its share shut nobody out")
  func theOnlyServer() {
    var pair = Pair()
    var waiting = pair.queue(4)
    pair.start(percent: 10)
    #expect(pair.granted() == [0])
    #expect(pair.core.slotFreed(&waiting[0]) == "connect W11")
    pair.core.believe(.down, of: "W12")
    #expect(pair.granted() == [1, 2, 3])
    for index in 1..<4 { #expect(pair.core.slotFreed(&waiting[index]) == "connect W11") }
    var newcomer = Exchange()
    #expect(pair.core.begin(&newcomer) == "connect W11")
    pair.core.finish(&newcomer)
    pair.end(&waiting)
    pair.end(&pair.holders)
    #expect(pair.core.holdsNothing)
  }

  @Test("without a bound on its requests nobody waits")
  func unlimited() {
    let core = CoreFixture(PlanBuilder.balancer(max: 0))
    core.shared.publish(core.server("W11"), HealthSnapshot(weight: 1))
    for _ in 0..<50 {
      var exchange = Exchange()
      #expect(core.begin(&exchange, cookie: nil).hasPrefix("connect"))
    }
  }
}
