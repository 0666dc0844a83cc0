import Testing
import Topology

@testable import Routing

/// What people are told of the candidates is what the selection goes by.
@Suite struct StandingTests {
  /// Ranks that are tried alike.
  private func order(_ rank: Standing.Rank) -> UInt8 {
    rank == .declaredDead ? Standing.Rank.down.rawValue : rank.rawValue
  }

  private func check(_ core: CoreFixture, _ standings: [Standing], _ seed: UInt64) {
    let chosen: Int32
    switch core.action {
    case .connect(let server, _): chosen = server
    case .awaitTrial(let server):
      #expect([.namedOnTrial, .down, .declaredDead].contains(standings[Int(server)].rank), "seed \(seed)")
      return
    default: return
    }
    let rank = order(standings[Int(chosen)].rank)
    let best = standings.map { order($0.rank) }.min()
    #expect(rank == best, "seed \(seed)")
    // In the last resort those tried just now by others are left out, so there the tier says nothing.
    guard rank != Standing.Rank.down.rawValue else { return }
    let tiers = standings.filter { order($0.rank) == rank }.map(\.tier)
    #expect(standings[Int(chosen)].tier == tiers.min(), "seed \(seed)")
  }

  @Test(arguments: 0..<300 as Range<UInt64>) func theLowestRankIsChosen(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let isImmediate = random.below(3) == 0
    let change: (inout ApplicationPlan) -> Void = { if isImmediate { $0.pool.failback = .immediate } }
    let plan =
      switch random.below(3) {
      case 0: PlanBuilder.office(directors: 2, sites: 3, change)
      case 1: PlanBuilder.director(sites: 3, change)
      default: PlanBuilder.balancer(change)
      }
    let core = CoreFixture(plan, seed: seed)
    if plan.pool.tierCount == 3 {
      core.pool.take(TierOrders(plan.pool, sites: ["SITE1", "SITE2", "SITE3"], count: 2) { 2 - $0 * $1 })
    }
    let values = plan.pool.servers.compactMap(\.cookieValue)
    for _ in 0..<8 {
      for server in plan.pool.servers {
        core.believe(Belief.allCases[Int(random.below(UInt32(Belief.allCases.count)))], of: server.name)
      }
      let cookie: String? = random.below(3) == 0 ? nil : values[Int(random.below(UInt32(values.count)))]
      let session = plan.cookie?.mode == .prefix && cookie != nil ? "s\(random.below(9))" : nil
      let binding = core.binding(cookie, session: session)
      var exchange = Exchange()
      let order = Int32(random.below(2))
      var standings = core.pool.standings(binding, order: order, excluding: exchange.exclusions, now: core.now)
      _ = core.begin(&exchange, cookie: cookie, session: session, order: order)
      check(core, standings, seed)
      while case .connect = core.action {
        standings = core.pool.standings(binding, order: order, excluding: exchange.exclusions, now: core.now)
        _ = core.refuse(&exchange)
        check(core, standings, seed)
      }
      exchange.finish(pool: &core.pool)
      core.now += Int64(random.below(1_500)) * 1_000_000
    }
  }

  @Test func aStandingSaysWhy() {
    let core = CoreFixture(PlanBuilder.director())
    core.believe(.down, of: "S1L2")
    core.believe(.ownUsersOnly, of: "S2L1")
    core.believe(.drain, of: "S2L2")
    func ranks(_ cookie: String?) -> [Standing.Rank] {
      core.pool.standings(core.binding(cookie), excluding: Pool.Exclusions(), now: core.now).map(\.rank)
    }
    #expect(ranks(nil) == [.admitting, .down, .living, .draining])
    #expect(ranks("SITE1") == [.named, .namedOnTrial, .living, .draining])
    #expect(ranks("SITE2") == [.admitting, .down, .named, .named])
    core.believe(.maintenance, of: "S1L1")
    core.believe(.declaredDead, of: "S2L1")
    #expect(ranks(nil) == [.maintenance, .down, .declaredDead, .draining])
    // Another request has just tried it.
    var exchange = Exchange()
    #expect(core.begin(&exchange, cookie: "SITE1") == "connect S1L2")
    _ = core.refuse(&exchange)
    #expect(ranks("SITE1") == [.maintenance, .down, .declaredDead, .draining])
    exchange.finish(pool: &core.pool)
  }

  @Test func readingChangesNothing() {
    let core = CoreFixture(PlanBuilder.office())
    core.believe(.down, of: "SD1")
    for _ in 0..<3 {
      let standings = core.pool.standings(core.binding("SITE1"), excluding: Pool.Exclusions(), now: core.now)
      #expect(standings.map(\.rank) == [.namedOnTrial, .admitting])
    }
    #expect(core.serve(cookie: "SITE1") == "SD1 trial")
  }
}
