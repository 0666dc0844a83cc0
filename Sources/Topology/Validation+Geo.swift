extension Topology {
  /// Offices whose order of sites is each client's own.
  private var publicEntries: [Office] { offices.filter { $0.order == .clientLocation } }

  /// Geography that contradicts itself or names what is not there.
  func geoErrors() -> [Diagnostic] {
    var found = urlsTwice()
    guard let geo else { return found }
    let names = sites.map(\.name).filter { !$0.isEmpty }
    for network in geo.networks { found += unknown(network.sites ?? [], among: names, kind: "site") }
    for region in geo.regions { found += unknown(region.sites, among: names, kind: "site") }
    var networks: [Network: SourceLocation] = [:]
    for network in geo.networks {
      if let first = networks[network.network.value] {
        found.append(
          Diagnostic(
            .error, at: network.network.location,
            "network \(network.network.value) stands at \(place(first, from: network.network.location)) already",
            mend: "remove one"))
      } else {
        networks[network.network.value] = network.network.location
      }
    }
    var regions: [String: SourceLocation] = [:]
    for region in geo.regions {
      let key = "\(region.kind.rawValue) \(region.code.value)"
      if let first = regions[key] {
        found.append(
          Diagnostic(
            .error, at: region.code.location, "\(key) stands at \(place(first, from: region.code.location)) already",
            mend: "remove one"))
      } else {
        regions[key] = region.code.location
      }
    }
    return found
  }

  private func urlsTwice() -> [Diagnostic] {
    var first: [String: Site] = [:]
    return sites.compactMap { site in
      guard let url = site.url else { return nil }
      guard let other = first[url.value] else {
        first[url.value] = site
        return nil
      }
      return Diagnostic(
        .error, at: url.location, "sites \"\(other.name)\" and \"\(site.name)\" have the same url",
        mend: "give each its own, which leads to its own directors")
    }
  }

  /// What goes by the clients' places and cannot know them.
  func geoMissing() -> [Diagnostic] {
    var found: [Diagnostic] = []
    let mend = "add \"geo: {database: GeoLite2-City.mmdb}\""
    let knows = geo?.knowsClients ?? false
    for office in publicEntries {
      if !knows {
        found.append(
          Diagnostic(
            .error, at: office.location,
            "office \"\(office.name)\" prefers sites by client-location, but nothing tells where clients are",
            mend: mend
          ))
      } else if sitesInReach(of: office).allSatisfy({ $0.place == nil }), !hasOrders {
        found.append(
          Diagnostic(
            .error, at: office.location,
            "office \"\(office.name)\" prefers sites by client-location, but none of its sites has a location",
            mend: "add \"location:\" to the sites, or \"regions:\" to geo"))
      }
    }
    if let redirect = geo?.redirect, redirect.value, !knows {
      found.append(
        Diagnostic(.error, at: redirect.location, "redirect needs to know where clients are", mend: mend))
    }
    return found
  }

  /// Places given to users of whom nobody asks where they are.
  private func clientsWithoutEffect() -> [Located<ClientSpread>] {
    let everywhere = [traffic.clients] + scenarios.map(\.traffic.clients)
    let here =
      offices.filter { $0.order != .clientLocation }.map(\.traffic.clients) + sites.map(\.traffic.clients)
    return ((publicEntries.isEmpty ? everywhere : []) + here).compactMap(\.self)
  }

  private var hasOrders: Bool {
    guard let geo else { return false }
    return !geo.regions.isEmpty || geo.networks.contains { $0.sites != nil }
  }

  private func sitesInReach(of office: Office) -> [Site] {
    office.preference.map { names in names.compactMap { site(named: $0.value) } } ?? sites
  }

  /// Geography that works, but hardly as it was meant.
  func geoWarnings() -> [Diagnostic] {
    var found: [Diagnostic] = []
    func warn(_ location: SourceLocation, _ message: String, _ mend: String) {
      found.append(Diagnostic(.warning, at: location, message, mend: mend))
    }
    for office in publicEntries {
      let reached = sitesInReach(of: office)
      guard reached.contains(where: { $0.place != nil }) else { continue }
      for site in reached where site.place == nil {
        warn(
          office.location,
          "office \"\(office.name)\" prefers sites by client-location, but site \"\(site.name)\" has no location: it comes last for every client",
          "add \"location:\" to the site")
      }
    }
    for clients in clientsWithoutEffect() {
      warn(
        clients.location, "clients has no effect: no office here prefers sites by client-location",
        "remove it, or add \"preference: client-location\" to the office")
    }
    guard let geo else { return found }
    for network in geo.networks {
      let range = network.network.value
      guard range.isEverybody else { continue }
      warn(
        network.network.location, "network \(range) is everyone: the database is never asked",
        "list the networks that it does not know, or has wrong")
    }
    guard let redirect = geo.redirect, redirect.value else { return found }
    func isPublic(_ site: Site) -> Bool { site.directors.contains { $0.listen.contains(where: \.isPublic) } }
    let isEntered = sites.contains(where: isPublic)
    if !isEntered {
      warn(
        redirect.location, "redirect has no effect: no director has a public listener",
        "write \"listen: {address: ..., public: true}\" where the public comes in")
    }
    for site in sites where isEntered && !isPublic(site) {
      guard let url = site.url else { continue }
      warn(
        url.location,
        "site \"\(site.name)\" has a url, but none of its directors a public listener: the mark of whoever is sent there stays in the query",
        "write \"listen: {address: ..., public: true}\" where the url leads")
    }
    let hosts = Set(sites.compactMap { $0.url?.value }.compactMap { GeoPlan.Candidate(name: "", url: $0).urlHost })
    for application in applications where hosts.count > 1 {
      guard let cookie = application.siteCookie, cookie.plan.domain == nil else { continue }
      warn(
        cookie.location == .none ? redirect.location : cookie.location,
        "the sites' urls have different hosts, and the site cookie of \"\(application.name)\" is for one host: a user sent on is a new one under the other name",
        "add \"domain:\" to the cookie, and to the application's own session cookie")
    }
    for site in sites where site.url == nil {
      warn(
        site.location, "nobody is redirected to site \"\(site.name)\": it has no url",
        "add \"url: https://...\", where its directors face the public")
    }
    return found
  }
}
