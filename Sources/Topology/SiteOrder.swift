extension Topology {
  /// The sites an office may use, the preferred one first. Names of no site are passed over.
  public func siteOrder(of office: Office) -> [Site] {
    let listed = office.preference.map { names in names.compactMap { site(named: $0.value) } } ?? sites
    switch office.order {
    case .list: return listed
    case .nearest: return nearest(from: office.place, of: listed) ?? listed
    case .clientLocation, nil:
      // A list says the order by itself; without one, distance decides where it is known.
      return office.preference != nil ? listed : nearest(from: office.place, of: listed) ?? listed
    }
  }

  /// The other sites that take a site's users, in order.
  public func backupOrder(of site: Site) -> [Site] {
    if let backup = site.backup { return backup.compactMap { self.site(named: $0.value) } }
    let others = sites.filter { $0.name != site.name }
    return nearest(from: site.place, of: others) ?? others
  }

  /// Sites by distance; nil when a place is not known.
  private func nearest(from origin: Location?, of sites: [Site]) -> [Site]? {
    guard let origin else { return nil }
    let places = sites.compactMap(\.place)
    guard places.count == sites.count else { return nil }
    return orderByDistance(from: origin, to: places).map { sites[$0] }
  }
}
