internal import Topology

/// Offices that stand for the local users of sites, where users go by a name: such users can go to other sites, too, and have
/// to be somewhere that knows them all.
enum StandIns {
  /// The network with an office for each site that has local users. It stands at the site, reaches its directors as the users do
  /// and those of other sites over the links of the site, in the order of the site's own director.
  static func network(_ network: NetworkModel, roll: UserRoll?) throws(PlanError) -> NetworkModel {
    var topology = network.topology
    var standIns: [String: Int32] = [:]
    let isWithoutOffices = topology.offices.isEmpty
    for (index, site) in topology.sites.enumerated() {
      let hasUsers = roll?.users.contains { $0.entry == site.name } ?? (site.traffic.users ?? 0 > 0)
      guard hasUsers || isWithoutOffices, let director = network.directorsOfSite[index].first else { continue }
      // No name of the language has a space.
      var office = Office(id: topology.offices.count, name: "users of \(site.name)")
      office.place = site.place
      office.order = .list
      office.preference = order(of: Int(director), at: index, network).map { Located(topology.sites[$0].name) }
      office.traffic = site.traffic
      topology.offices.append(office)
      topology.sites[index].traffic.users = nil
      standIns[office.name] = Int32(index)
    }
    return standIns.isEmpty ? network : try NetworkModel(topology, rollouts: [], standIns: standIns)
  }

  /// The site, and the others as its director has them.
  private static func order(of director: Int, at site: Int, _ network: NetworkModel) -> [Int] {
    var order = [site]
    for pool in network.nodes[director].pools {
      for other in network.pools[pool].sites where !order.contains(Int(other)) { order.append(Int(other)) }
    }
    return order
  }
}
