import Testing
import Topology

@testable import Routing

/// The order in which a request takes the tiers may be its client's own.
@Suite struct TierOrdersTests {
  private let names = ["SITE1", "SITE2", "SITE3", "SITE4"]

  /// Orders of sites: numbers from 0 on in the order of `names`, for all orders but the plan's.
  private func orders(_ plan: ApplicationPlan, _ lists: [[Int]], sites: [String]? = nil) -> TierOrders {
    TierOrders(plan.pool, sites: sites ?? names, count: lists.count + 1) { rank, list in lists[list - 1][rank] }
  }

  /// An office with four sites and two orders beside its own: the reverse one, and SITE3 first.
  private func office(_ change: (inout ApplicationPlan) -> Void = { _ in }) -> CoreFixture {
    let core = CoreFixture(PlanBuilder.office(sites: 4, change))
    core.pool.take(orders(core.plan, [[3, 2, 1, 0], [2, 0, 1, 3]]))
    return core
  }

  @Test("new users go to the first site of their own order, and without one to the plan's")
  func newUsers() {
    let core = office()
    #expect(core.serve() == "SD1 new")
    #expect(core.serve(order: 1) == "SD4 new")
    #expect(core.serve(order: 2) == "SD3 new")
    core.believe(.down, of: "SD3")
    #expect(core.serve(order: 2) == "SD1 new")
    core.believe(.ownUsersOnly, of: "SD4")
    #expect(core.serve(order: 1) == "SD2 new")
  }

  @Test("an order that is not known is the plan's own", arguments: [3, 1_000_000, -1, .min, .max] as [Int32])
  func unknownOrder(order: Int32) {
    let core = office()
    #expect(core.serve(order: order) == "SD1 new")
    #expect(core.pool.rank(of: 3, in: order) == 3)
    let plain = CoreFixture(PlanBuilder.office(sites: 4))
    #expect(plain.serve(order: order) == "SD1 new")
  }

  @Test("a site's cookie is stronger than the order as long as its site can be reached")
  func cookie() {
    let core = office()
    for order in 0...2 as ClosedRange<Int32> {
      for site in 1...4 { #expect(core.serve(cookie: "SITE\(site)", order: order) == "SD\(site) cookie") }
    }
    core.believe(.maintenance, of: "SD2")
    #expect(core.serve(cookie: "SITE2", order: 1) == "SD4 failover")
    #expect(core.serve(cookie: "SITE2", order: 2) == "SD3 failover")
    #expect(core.serve(cookie: "SITE9", order: 1) == "SD4 unknown-cookie")
  }

  @Test("every attempt of a request goes by the same order, and those behind its first tier are away")
  func attempts() {
    let core = office()
    var exchange = Exchange()
    #expect(core.begin(&exchange, order: 2) == "connect SD3")
    #expect(exchange.attemptsAway == 0)
    #expect(core.refuse(&exchange) == "connect SD1")
    #expect(core.refuse(&exchange) == "connect SD2")
    #expect((exchange.attempts, exchange.attemptsAway) == (3, 2))
    core.finish(&exchange)
    #expect(core.begin(&exchange) == "connect SD1")
    #expect((exchange.order, exchange.attemptsAway) == (0, 0))
    core.finish(&exchange)
    #expect((0..<4).map { core.pool.rank(of: $0, in: 2) } == [1, 2, 0, 3])
  }

  @Test("F1: with failback immediate home is the first site of the user's own order")
  func home() {
    let core = office { $0.pool.failback = .immediate }
    #expect(core.serve(cookie: "SITE1", order: 1) == "SD4 failback")
    #expect(core.serve(cookie: "SITE4", order: 1) == "SD4 cookie")
    #expect(core.serve(cookie: "SITE4") == "SD1 failback")
    core.believe(.down, of: "SD4")
    #expect(core.serve(cookie: "SITE1", order: 1) == "SD3 failback")
    #expect(core.serve(cookie: "SITE3", order: 1) == "SD3 cookie")
  }

  @Test("when nobody admits, those that live and then the last resorts are taken in the user's own order")
  func nobody() {
    let core = office()
    core.believe(.ownUsersOnly, of: "SD1", "SD2", "SD3", "SD4")
    #expect(core.serve(order: 1) == "SD4 draining")
    #expect(core.serve(order: 2) == "SD3 draining")
    core.believe(.down, of: "SD1", "SD2", "SD3", "SD4")
    #expect(core.serve(order: 1) == "SD4 last-resort")
  }

  @Test("a new table of orders leaves those of requests under way as they are")
  func replaced() {
    let core = office()
    var exchange = Exchange()
    #expect(core.begin(&exchange, order: 2) == "connect SD3")
    core.pool.take(orders(core.plan, [[3, 2, 1, 0], [2, 0, 1, 3], [1, 0, 2, 3]]))
    #expect(core.refuse(&exchange) == "connect SD1")
    core.finish(&exchange)
    #expect(core.serve(order: 3) == "SD2 new")
  }

  @Test("an application that fewer sites serve takes their order from the lists of all, and sites in no list come last")
  func fewerTiers() {
    let plan = PlanBuilder.office(order: [4, 2, 1])
    let all = orders(plan, [[0, 1, 2, 3], [2, 1, 0, 3]])
    #expect((0..<3).map(all.tiers) == [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
    let some = orders(plan, [[0, 1], [1, 0]], sites: ["SITE1", "SITE3"])
    #expect((0..<3).map(some.tiers) == [[0, 1, 2], [2, 0, 1], [2, 0, 1]])
  }

  @Test("of the tiers before home in an order, the first that admits new users and is wanted is told")
  func beforeHome() {
    let core = office()
    func first(_ order: Int32, home: Int, unwanted: Int = -1) -> Int? {
      core.pool.firstAdmitting(of: order, before: home) { $0 != unwanted }
    }
    #expect(first(0, home: 0) == nil)
    #expect([first(1, home: 0), first(1, home: 3), first(2, home: 0), first(1, home: -1)] == [3, nil, 2, 3])
    #expect([first(1, home: 0, unwanted: 3), first(1, home: 2, unwanted: 3)] == [2, nil])
    core.believe(.ownUsersOnly, of: "SD4")
    #expect([first(1, home: 0), first(1, home: 2)] == [2, nil])
    #expect(first(99, home: 0) == nil)
  }

  // MARK: Compared with a plan that has the order

  /// What two offices with the same sites do with the same requests and the same news.
  @Test("an order of a request is as good as a plan with that order", arguments: 0..<200 as Range<UInt64>)
  func asThePlans(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    func below(_ bound: Int) -> Int { Int(random.below(UInt32(bound))) }
    let sites = 2 + below(4)
    var order = Array(0..<sites)
    for index in order.indices { order.swapAt(index, index + below(sites - index)) }
    let failback: Failback = [.session, .immediate, .after(.seconds(2))][below(3)]
    let spills = below(2) == 0
    let change: (inout ApplicationPlan) -> Void = {
      $0.pool.failback = failback
      $0.pool.spill = spills
      for index in $0.pool.servers.indices { $0.pool.servers[index].maxConnections = spills ? 2 : 0 }
    }
    let listed = CoreFixture(PlanBuilder.office(sites: sites, change), seed: seed)
    listed.pool.take(orders(listed.plan, [order], sites: (1...sites).map { "SITE\($0)" }))
    let planned = CoreFixture(PlanBuilder.office(order: order.map { $0 + 1 }, change), seed: seed)
    for _ in 0..<60 {
      let name = "SD\(1 + below(sites))"
      let belief = Belief.allCases[below(Belief.allCases.count)]
      let cookie: String? = below(2) == 0 ? nil : "SITE\(1 + below(sites))"
      let method = ["GET", "POST"][below(2)]
      let events = (0..<8).map { _ in below(5) }
      let pause = Int64(below(1_500)) * 1_000_000
      let newCookie: String? = below(3) == 0 ? "SITE\(1 + below(sites))" : nil
      let histories = [(listed, 1), (planned, 0)].map { core, order in
        core.believe(belief, of: name)
        var exchange = Exchange()
        var history = [core.begin(&exchange, cookie: cookie, method: method, order: Int32(order))]
        for event in events where exchange.isActive {
          switch core.action {
          case .connect:
            if event < 2 {
              history.append(core.refuse(&exchange))
            } else {
              core.connect(&exchange)
              history.append(
                event == 2
                  ? core.lose(&exchange)
                  : core.respond(&exchange, event == 3 ? .destinationUnavailable : .none))
            }
          case .queue, .awaitBudget: history.append(core.waitedTooLong(&exchange))
          case .awaitTrial: history.append(core.trialResolved(&exchange))
          case .relay, .answer, .nothing: break
          }
        }
        if let newCookie, exchange.state == .relaying {
          let moved = core.pool.tellsOfAnotherSite(
            core.binding(newCookie).group, binding: exchange.binding, reason: exchange.reason, server: exchange.server)
          exchange.learned(moved: moved, pool: &core.pool, now: core.now)
        }
        history.append("\(exchange.reason) \(exchange.attempts) \(exchange.attemptsAway)")
        core.finish(&exchange)
        core.now += pause
        core.pool.refreshIfNeeded(now: core.now)
        return history
      }
      #expect(histories[0] == histories[1], "seed \(seed)")
      #expect(listed.takeEvidence() == planned.takeEvidence(), "seed \(seed)")
    }
  }
}
