public import Topology

/// The orders in which a pool's tiers are taken: one for each list of sites that clients get, number 0 being the plan's own.
///
/// Only the order of tiers is the client's; who is in a tier, and what is believed of them, is the same for everybody. Never
/// changed; all workers read it at once. Later orders of the same numbers plus new ones may take its place (`Pool.take`).
public final class TierOrders: @unchecked Sendable {
  /// Tiers in each order.
  public let tierCount: Int
  /// Number of orders, the plan's own included.
  public let count: Int
  /// Row by row: the tier at each rank.
  let rows: UnsafeMutablePointer<Int32>

  /// Orders by lists of sites. A tier belongs to the site of its first server; tiers of sites that are in no list come last, as
  /// configured, and sites without a tier (which do not serve the application) are passed over.
  ///
  /// - Parameters:
  ///   - plan: the pool.
  ///   - sites: names of the sites, by their numbers.
  ///   - count: number of lists, at least one; list 0 stands for the plan's own order, whatever is in it.
  ///   - site: the number of the site at a rank of a list, for every rank of `sites`.
  public init(_ plan: PoolPlan, sites: [String], count: Int, site: (_ rank: Int, _ list: Int) -> Int) {
    precondition(count >= 1 && count <= Int(Int32.max), "a number of lists that orders cannot have")
    tierCount = plan.tierCount
    self.count = count
    rows = .allocate(capacity: max(1, count * tierCount))
    var siteOf = [String?](repeating: nil, count: tierCount)
    for server in plan.servers where siteOf[server.tier] == nil { siteOf[server.tier] = server.site }
    let tiersOf = sites.map { name in (0..<tierCount).filter { siteOf[$0] == name } }
    let rest = (0..<tierCount).filter { tier in !sites.contains { siteOf[tier] == $0 } }
    for tier in 0..<tierCount { rows[tier] = Int32(tier) }
    for list in 1..<max(1, count) {
      var next = rows + list * tierCount
      for rank in sites.indices {
        for tier in tiersOf[site(rank, list)] {
          next.initialize(to: Int32(tier))
          next += 1
        }
      }
      for tier in rest {
        next.initialize(to: Int32(tier))
        next += 1
      }
      precondition(next == rows + (list + 1) * tierCount, "a list has every site once")
    }
  }

  deinit { rows.deallocate() }

  /// The tiers of an order, the first one first.
  public func tiers(of order: Int) -> [Int] {
    precondition(order >= 0 && order < count, "an order that there is not")
    return (0..<tierCount).map { Int(rows[order * tierCount + $0]) }
  }
}

/// Ranks: where a tier stands in the order of a request.
extension Pool {
  /// Takes over orders of sites. Those that were known keep their numbers, so that requests under way and what was remembered of
  /// a client stay right.
  public mutating func take(_ orders: TierOrders) {
    precondition(orders.tierCount == tierCount, "orders of another pool")
    precondition(orders.count >= orderCount, "orders that requests under way may have are missing")
    self.orders = orders
    rows = orders.rows
    orderCount = orders.count
  }

  /// The order of a number; the plan's own for one that is not known.
  @inline(__always)
  func known(order: Int32) -> Int32 { order > 0 && Int(order) < orderCount ? order : 0 }

  /// The tier at a rank of an order, which must be known. In the plan's own order it is the rank itself.
  @inline(__always)
  func tier(at rank: Int, of order: Int32) -> Int {
    if order == 0 { return rank }
    return Int(rows.unsafelyUnwrapped[Int(order) * tierCount + rank])
  }

  /// The rank of a server's tier in an order; in the plan's own it is the tier.
  public func rank(of server: Int32, in order: Int32) -> Int32 {
    let tier = members[Int(server)].tier
    let order = known(order: order)
    if order == 0 { return tier }
    for rank in 0..<tierCount where self.tier(at: rank, of: order) == Int(tier) { return Int32(rank) }
    return tier
  }

  /// The first tier of an order in which somebody admits new users and which is wanted, of those that come before `home`; nil:
  /// there is none. `home`: -1 for none.
  public mutating func firstAdmitting(of order: Int32, before home: Int, where isWanted: (Int) -> Bool) -> Int? {
    let order = known(order: order)
    for rank in 0..<tierCount {
      let tier = tier(at: rank, of: order)
      if tier == home { return nil }
      if tiers[tier].admittingSince < .max && isWanted(tier) { return tier }
    }
    return nil
  }

  /// The first rank at which a tier has one of the group's candidates; 0 for no group.
  func rank(ofGroup group: Int32, in order: Int32) -> Int32 {
    guard group >= 0 else { return 0 }
    var first = Int32(tierCount)
    // By position: an iterator would retain the array.
    for position in groups[Int(group)].members.indices {
      first = min(first, rank(of: groups[Int(group)].members[position], in: order))
    }
    return first
  }
}
