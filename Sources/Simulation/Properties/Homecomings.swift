internal import Topology

/// Moves that the operator asked for: where `failback` is `immediate` or `after`, users of another site are led home, so going there
/// violates neither `NoMoveBack` nor `NoNeedlessMove` (rule F1).
///
/// It is the director of the home site that leads them: where it keeps sessions (`failback: session`), it passes them on to where they
/// are, whatever an office does. Where a scenario rolls out another file, what any of the files says is taken as asked for.
struct Homecomings {
  /// By site: one of its directors leads users home.
  private let leadsHome: [Bool]

  init(_ network: NetworkModel) {
    var leadsHome = [Bool](repeating: false, count: network.topology.sites.count)
    for pool in network.pools where pool.role == .siteDirector && pool.plan.pool.failback != .session {
      let site = Int(network.elements[Int(pool.node)].site)
      if site >= 0 && site < leadsHome.count { leadsHome[site] = true }
    }
    self.leadsHome = leadsHome
  }

  /// Whether who goes from one site to another goes home: to an earlier site of the order, whose director leads there.
  func leads(from site: Int32, to home: Int32, order: [Int32]) -> Bool {
    guard site != home, leadsHome.indices.contains(Int(home)), leadsHome[Int(home)] else { return false }
    guard let place = order.firstIndex(of: home) else { return false }
    return order.firstIndex(of: site).map { place < $0 } ?? true
  }
}
