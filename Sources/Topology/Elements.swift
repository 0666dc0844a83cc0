/// What has a name and can fail, be drained or restarted.
public enum ElementKind: String, Sendable, CaseIterable {
  case office, director, balancer, server, site
}

extension Topology {
  /// What a name stands for; nil: nothing here has it.
  public func element(named name: String) -> (kind: ElementKind, site: Site?)? {
    if offices.contains(where: { $0.name == name }) { return (.office, nil) }
    for site in sites {
      if site.name == name { return (.site, site) }
      if site.directors.contains(where: { $0.name == name }) { return (.director, site) }
      if site.balancers.contains(where: { $0.name == name }) { return (.balancer, site) }
      if site.servers.contains(where: { $0.name == name }) { return (.server, site) }
    }
    return nil
  }

  /// The elements a name stands for: everything at a site (directors, balancers, servers), else the one of that name.
  public func elements(named name: String) -> [String] {
    guard let site = site(named: name) else { return element(named: name) == nil ? [] : [name] }
    return site.directors.map(\.name) + site.balancers.map(\.name) + site.servers.map(\.name)
  }

  /// Every name that can stand in a scenario's step: offices, then site by site the site and all that is at it.
  public var elementNames: [String] {
    offices.map(\.name) + sites.flatMap { [$0.name] + elements(named: $0.name) }
  }

  /// The link between two offices or sites; nil: there is none.
  public func link(between first: String, and second: String) -> Link? {
    links.first { link in
      guard link.ends.count == 2 else { return false }
      let ends = (link.ends[0].value, link.ends[1].value)
      return ends == (first, second) || ends == (second, first)
    }
  }
}
