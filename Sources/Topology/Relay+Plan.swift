extension Topology {
  /// The relay of a name.
  public func relay(named name: String) -> Relay? { relays.first { $0.name == name } }

  /// The plan of a relay: an application without cookies for each pool, its backups a second tier. Those with names are chosen by the
  /// name that a client's TLS asks for, the one without takes all others.
  func plan(of relay: Relay) -> NodePlan {
    let isForAll = !relay.servers.isEmpty || relay.pools.contains { $0.serverNames.isEmpty }
    let served = isForAll ? [] : relay.pools.flatMap { $0.serverNames.map(\.value) }
    let settings = settings(relay.settings, role: .relay)
    var applications: [ApplicationPlan] = []
    if !relay.servers.isEmpty {
      applications.append(plan(of: relay.servers, named: relay.name, [], settings.balance, relay, settings))
    }
    for pool in relay.pools {
      applications.append(
        plan(
          of: pool.servers, named: pool.name, pool.serverNames.map(\.value), pool.balance ?? settings.balance, relay,
          settings))
    }
    return NodePlan(
      name: relay.name, role: .relay, network: name, site: nil, digest: digest,
      listeners: relay.listen.map { listen in
        var plan = listen.plan(for: relay.name)
        // What it carries only the file knows: nothing is agreed on by itself.
        if plan.tls?.protocols == nil { plan.tls?.protocols = [] }
        // Who asks for what no pool is for is told so while that can still be told.
        plan.tls?.served = served
        return plan
      },
      monitor: relay.monitor?.value, applications: applications,
      limits: settings.limits.plan(downstream: [], listen: relay.listen),
      grace: (settings.grace?.value ?? Settings.graceWithoutCheckers).scaled(by: timeScale),
      shutdown: (settings.shutdown ?? .zero).scaled(by: timeScale), timeScale: timeScale, downstreamNodes: [],
      resolveInterval: resolveInterval.scaled(by: timeScale), admin: admin?.plan(for: relay.name),
      user: settings.user, group: settings.group
    ).running(settings, monitorTLS: relay.monitorTLS)
  }

  private func plan(
    of servers: [RelayServer], named name: String, _ names: [String], _ balance: BalanceAlgorithm?, _ relay: Relay,
    _ settings: Settings
  ) -> ApplicationPlan {
    let isOnlyBackups = servers.allSatisfy(\.isBackup)
    let plans = servers.compactMap { server -> ServerPlan? in
      let tier = server.isBackup && !isOnlyBackups ? 1 : 0
      return plan(of: server, tier: tier, names: names, relay, settings)
    }
    let pool = PoolPlan(
      algorithm: balance ?? .roundRobin, servers: plans.filter { $0.tier == 0 } + plans.filter { $0.tier > 0 },
      tierCount: (plans.map(\.tier).max() ?? 0) + 1, persist: false, spill: false, queueMax: settings.queue ?? 0,
      failback: .session)
    return ApplicationPlan(
      name: name, hosts: names, cookie: nil, pool: pool, timeouts: settings.timeouts.plan(scale: timeScale),
      forwarding: settings.forwarded.plan(role: .relay, downstream: []), retries: settings.retries.plan)
  }

  /// - Parameter names: those of its pool; where its TLS is passed through, a handshake of ours asks for the first of them.
  private func plan(of server: RelayServer, tier: Int, names: [String], _ relay: Relay, _ settings: Settings)
    -> ServerPlan?
  {
    guard let address = server.address?.value else { return nil }
    let first = relay.listen.lazy.compactMap(\.address.value.port).first
    let port = relay.checkPort ?? (address.port == 0 ? first : nil)
    let target = server.tls?.value
    // Without TLS of its own a server may still be checked by it.
    let possible = settings.upstreamTLS.plan(
      target ?? TargetTLSSettings(isOn: true), named: server.name, at: address, from: relay.name)
    let tls = target?.isOn == true ? possible : nil
    let name = tls?.name ?? names.first { !$0.hasPrefix("*.") }
    var checkTLS: ServerTLSPlan?
    if case .http = relay.check {
      checkTLS = relay.checkUsesTLS == true ? possible : relay.checkUsesTLS == nil ? tls : nil
    }
    let check = relay.check.map {
      settings.check.plan(
        kind: $0.kind(name: name), address: port.map(address.with(port:)) ?? address, isBackup: tier > 0,
        scale: timeScale, tls: checkTLS)
    }
    return ServerPlan(
      name: server.name, site: relay.name, address: address, cookieValue: nil, tier: tier, weight: server.weight,
      maxConnections: server.maxConnections, isNode: false, admission: nil, liveness: check,
      slowStart: (settings.slowStart ?? .zero).scaled(by: timeScale), tls: tls
    ).sending(server.sendProxy)
  }

  /// Who is asked by way of a relay: directors and balancers whose monitor, and servers whose admission port, others reach at one of its
  /// listeners. In declaration order.
  public func elementsChecked(through relay: Relay) -> [String] {
    let listeners = relay.listen.map(\.address.value)
    func isThere(_ address: Address?) -> Bool { address.map(listeners.contains) ?? false }
    return sites.flatMap { site in
      (site.directors + site.balancers).filter { isThere($0.monitorAddress) }.map(\.name)
        + site.servers.filter { isThere($0.admissionAddress) }.map(\.name)
    }
  }

  /// Whether users come by a relay: not where each of its listeners is one by which servers or nodes are asked (an admission port, a monitor).
  public func carriesUsers(_ relay: Relay) -> Bool {
    let asked = sites.flatMap { site in
      (site.directors + site.balancers).compactMap(\.monitorAddress) + site.servers.compactMap(\.admissionAddress)
    }
    return relay.listen.contains { !asked.contains($0.address.value) }
  }

  /// Relays by way of which somebody is asked: what a simulation knows of relays.
  public var relaysOfChecks: [Relay] { relays.filter { !elementsChecked(through: $0).isEmpty } }

  /// Whether a relay on a server's machine makes the server's admission port: the server itself does not listen there.
  public func isAdmissionRelayed(_ server: AppServer) -> Bool {
    guard let admission = server.admissionAddress, let host = server.base?.hostText else { return false }
    return relays.contains { relay in
      relay.listen.contains { $0.address.value == admission }
        && relay.everyServer.contains { $0.address?.value.hostText == host }
    }
  }
}
