/// Why no plan can be made for a name.
public enum PlanError: Error, Sendable, Equatable, CustomStringConvertible {
  /// No node has the name; with the nearest spelling of one, if any is near.
  case unknownNode(name: String, nearest: String?)
  /// The name is that of a site or an application server, which have no plan.
  case notAProxyNode(name: String, kind: String)

  /// What is wrong and the mend.
  public var description: String {
    switch self {
    case .unknownNode(let name, let nearest?): "no node is named \"\(name)\"; did you mean \"\(nearest)\"?"
    case .unknownNode(let name, nil): "no node is named \"\(name)\""
    case .notAProxyNode(let name, let kind): "\"\(name)\" is \(kind), not a proxy node"
    }
  }
}

extension Topology {
  /// The plan of the node of a name: a pure function of the topology, which must have passed `validate()`.
  ///
  /// - Throws: `PlanError` when no director, balancer or office has the name.
  public func plan(for name: String) throws(PlanError) -> NodePlan {
    var plan = try unnotifiedPlan(for: name)
    plan.admin = admin?.plan(for: name, in: self.name)
    plan.notify = notify?.scaled(by: timeScale)
    plan.statusPage = statusPage(of: name)
    return plan
  }

  private func unnotifiedPlan(for name: String) throws(PlanError) -> NodePlan {
    if let office = office(named: name) { return plan(of: office) }
    if let relay = relay(named: name) { return plan(of: relay) }
    for site in sites {
      if let director = site.directors.first(where: { $0.name == name }) { return plan(of: director, directorOf: site) }
      if let balancer = site.balancers.first(where: { $0.name == name }) { return plan(of: balancer, balancerOf: site) }
    }
    if site(named: name) != nil { throw .notAProxyNode(name: name, kind: "a site") }
    if servers.contains(where: { $0.name == name }) { throw .notAProxyNode(name: name, kind: "an application server") }
    throw .unknownNode(name: name, nearest: nearestSpelling(of: name, among: nodes.map(\.name)))
  }

  /// The settings of a node with every layer below its own: the site's, the role's defaults, the built-in ones.
  func settings(_ own: Settings, role: NodeRole, site: Site? = nil) -> Settings {
    var ofSite = Settings()
    if role == .siteBalancer { ofSite.balance = site?.balance }
    return own.over(ofSite.over(defaults[role].over(.builtIn(for: role))))
  }

  private func plan(of office: Office) -> NodePlan {
    let settings = settings(office.settings, role: .officeProxy)
    let order = siteOrder(of: office)
    let applications = applicationsInMatchingOrder.compactMap { application -> ApplicationPlan? in
      let tiers = order.filter { $0.serves(application.name) && !$0.directors.isEmpty }
      let servers = tiers.enumerated().flatMap { tier, site in
        site.directors.compactMap {
          candidate(
            $0, of: site, tier: tier, isBackup: tier > 0, cookie: application.siteCookie, application, settings,
            from: office.name)
        }
      }
      var cookie = application.siteCookie?.plan
      cookie?.mode = .passive
      cookie?.indirect = false
      cookie?.noCache = false
      return plan(
        of: application, settings, own: office.settings, role: .officeProxy, cookie: cookie, servers: servers,
        downstream: [])
    }
    return NodePlan(
      name: office.name, role: .officeProxy, network: name, site: nil, digest: digest,
      listeners: office.listen.map { $0.plan(for: office.name) },
      monitor: office.monitor?.value, applications: applications,
      limits: settings.limits.plan(downstream: [], listen: office.listen),
      grace: (settings.grace?.value ?? Settings.graceWithoutCheckers).scaled(by: timeScale),
      shutdown: (settings.shutdown ?? .zero).scaled(by: timeScale), timeScale: timeScale, downstreamNodes: [],
      resolveInterval: resolveInterval.scaled(by: timeScale),
      geo: office.order == .clientLocation ? geoPlan(order, for: .tiers) : nil, admin: admin?.plan(for: office.name),
      user: settings.user, group: settings.group
    ).running(settings, monitorTLS: office.monitorTLS)
  }

  private func plan(of director: SiteNode, directorOf home: Site) -> NodePlan {
    let settings = settings(director.settings, role: .siteDirector)
    let order = [home] + backupOrder(of: home)
    let usual = defaults.officeProxy.sources
    let downstream =
      offices.map {
        Downstream(
          name: $0.name, address: $0.listen.first?.address.value, sources: $0.settings.sources ?? usual)
      } + directors(of: sites.filter { $0.name != home.name })
    let applications = applicationsInMatchingOrder.compactMap { application -> ApplicationPlan? in
      let tiers = order.filter { $0.serves(application.name) && !$0.balancers.isEmpty }
      let servers = tiers.enumerated().flatMap { tier, site in
        site.balancers.compactMap {
          candidate(
            $0, of: site, tier: tier, isBackup: site.name != home.name, cookie: application.siteCookie, application,
            settings, from: director.name)
        }
      }
      return plan(
        of: application, settings, own: director.settings, role: .siteDirector, cookie: application.siteCookie?.plan,
        servers: servers, downstream: downstream, capacity: home.capacity)
    }
    let redirects = geo?.redirect?.value == true && director.listen.contains(where: \.isPublic)
    return plan(
      of: director, at: home, role: .siteDirector, settings, applications, downstream,
      redirects ? geoPlan(order, for: .redirects) : nil)
  }

  /// The directors of some sites, as those that stand in front.
  private func directors(of sites: [Site]) -> [Downstream] {
    let usual = defaults.siteDirector.sources
    return sites.flatMap(\.directors).map {
      Downstream(name: $0.name, address: $0.serviceAddress, sources: $0.settings.sources ?? usual)
    }
  }

  private func plan(of balancer: SiteNode, balancerOf home: Site) -> NodePlan {
    let settings = settings(balancer.settings, role: .siteBalancer, site: home)
    let downstream = directors(of: sites)
    let applications = applicationsInMatchingOrder.compactMap { application -> ApplicationPlan? in
      guard home.serves(application.name) else { return nil }
      return plan(
        of: application, settings, own: balancer.settings, role: .siteBalancer, cookie: application.sessionCookie?.plan,
        servers: home.servers.compactMap { candidate($0, of: home, application, settings, from: balancer.name) },
        downstream: downstream)
    }
    return plan(of: balancer, at: home, role: .siteBalancer, settings, applications, downstream)
  }

  private func plan(
    of node: SiteNode, at site: Site, role: NodeRole, _ settings: Settings, _ applications: [ApplicationPlan],
    _ downstream: [Downstream], _ geo: GeoPlan? = nil
  ) -> NodePlan {
    let grace = settings.grace?.value ?? longestCheckWindow(of: node, at: site, role: role)
    return NodePlan(
      name: node.name, role: role, network: name, site: site.name, digest: digest,
      listeners: node.listen.map { $0.plan(for: node.name) },
      monitor: node.monitor?.value, applications: applications,
      limits: settings.limits.plan(downstream: downstream, listen: node.listen),
      grace: (grace ?? Settings.graceWithoutCheckers).scaled(by: timeScale),
      shutdown: (settings.shutdown ?? .zero).scaled(by: timeScale), timeScale: timeScale,
      downstreamNodes: downstream.map(\.name), resolveInterval: resolveInterval.scaled(by: timeScale), geo: geo,
      admin: admin?.plan(for: node.name), user: settings.user, group: settings.group
    ).running(settings, monitorTLS: node.monitorTLS)
  }
}
