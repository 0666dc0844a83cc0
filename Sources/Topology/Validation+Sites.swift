extension Topology {
  /// Sites that lack a tier, servers without a port, and distances that cannot be told.
  func incompleteSites() -> [Diagnostic] {
    if sites.isEmpty {
      if !relays.isEmpty && offices.isEmpty { return [] }
      return [Diagnostic(.error, at: location, "the network has no site", mend: "add \"sites:\" with at least one")]
    }
    var found: [Diagnostic] = []
    for site in sites {
      func lacks(_ what: String, _ key: String) {
        found.append(
          Diagnostic(
            .error, at: site.location, "site \"\(site.name)\" has no \(what)", mend: "add \"\(key):\" with at least one"
          ))
      }
      // Users of a single site may enter at its balancers.
      let entersAtBalancers =
        sites.count == 1 && offices.isEmpty && !site.balancers.isEmpty && site.traffic.users == nil
      if site.directors.isEmpty && !entersAtBalancers { lacks("director", "directors") }
      if site.balancers.isEmpty { lacks("balancer", "balancers") }
      if site.servers.isEmpty { lacks("application server", "servers") }
      for server in site.servers where server.base != nil && !server.servesAll && server.ports.isEmpty {
        let example = applications.first?.name ?? "shop"
        found.append(
          Diagnostic(
            .error, at: server.location, "server \"\(server.name)\" has a host but no service port",
            mend: "add \"ports: {\(example): 8080}\", or write \"address:\" with a port"))
      }
    }
    return found + placesMissing()
  }

  /// Offices that go by distance without knowing it.
  private func placesMissing() -> [Diagnostic] {
    offices.flatMap { office -> [Diagnostic] in
      guard office.order == .nearest else { return [] }
      var found: [Diagnostic] = []
      if office.place == nil {
        found.append(
          Diagnostic(
            .error, at: office.location, "office \"\(office.name)\" prefers the nearest site but has no location",
            mend: "add \"location: {latitude: 50.85, longitude: 4.35}\""))
      }
      let listed = office.preference.map { names in names.compactMap { self.site(named: $0.value) } } ?? sites
      for site in listed where site.place == nil {
        found.append(
          Diagnostic(
            .error, at: office.location,
            "office \"\(office.name)\" prefers the nearest site, but site \"\(site.name)\" has no location",
            mend: "add \"location:\" to the site"))
      }
      return found
    }
  }
}
