/// A node that may stand in front of another, and where its connections come from.
struct Downstream {
  var name: String
  /// Those of its `source`; of a kind of address that this has none of, the one that it serves at, as nothing else is known.
  var networks: [Network]

  init(name: String, address: Address?, sources: Located<[Address]>?) {
    self.name = name
    let chosen = sources?.value ?? []
    let served = address.flatMap { address in chosen.contains { $0.isSameKind(as: address) } ? nil : address }
    networks = (chosen + [served].compactMap { $0 }).compactMap(Network.init(of:))
  }
}

extension Address {
  /// Both are IPv4, or both are IPv6 addresses.
  fileprivate func isSameKind(as other: Address) -> Bool {
    switch (self, other) {
    case (.ipv4, .ipv4), (.ipv6, .ipv6): true
    default: false
    }
  }
}

extension Topology {
  /// One application at a node; nil when no server can take it there.
  func plan(
    of application: Application, _ settings: Settings, own: Settings, role: NodeRole, cookie: CookiePlan?,
    servers: [ServerPlan], downstream: [Downstream], capacity: Int = 0
  ) -> ApplicationPlan? {
    guard let last = servers.last else { return nil }
    // A node's own timeouts stand above the application's, the application's above those of the tier.
    let timeouts = own.timeouts.over(application.timeouts.over(settings.timeouts))
    let pool = PoolPlan(
      algorithm: settings.balance ?? .roundRobin, servers: servers, tierCount: last.tier + 1,
      persist: settings.persist ?? false, spill: settings.spill ?? false, queueMax: settings.queue ?? 0,
      failback: (settings.failback?.value ?? .session).scaled(by: timeScale), capacity: capacity)
    return ApplicationPlan(
      name: application.name, hosts: application.hosts.map(\.value), cookie: cookie, pool: pool,
      timeouts: timeouts.plan(scale: timeScale),
      forwarding: settings.forwarded.plan(role: role, downstream: downstream),
      retries: settings.retries.plan)
  }

  /// A director or balancer as a candidate of the nodes in front of it.
  func candidate(
    _ node: SiteNode, of site: Site, tier: Int, isBackup: Bool, cookie: CookieSettings?, _ application: Application,
    _ settings: Settings, from connecting: String
  ) -> ServerPlan? {
    guard let address = node.serviceAddress else { return nil }
    let tls = node.targetTLS.map { settings.upstreamTLS.plan($0, named: node.name, at: address, from: connecting) }
    let check =
      if let monitor = node.monitorAddress {
        settings.check.plan(
          kind: .monitor, address: monitor, isBackup: isBackup, scale: timeScale,
          // Its certificate is the node's, whatever stands in front of its service.
          tls: node.monitorTLS.map { _ in
            settings.upstreamTLS.plan(
              node.tls?.value ?? TargetTLSSettings(isOn: true), named: node.name, at: address, from: connecting)
          })
      } else {
        settings.check.plan(
          kind: application.check.kind(name: tls?.name), address: address, isBackup: isBackup, scale: timeScale,
          tls: application.checkTLS(tls))
      }
    return ServerPlan(
      name: node.name, site: site.name, address: address, cookieValue: cookie == nil ? nil : site.cookie.value,
      tier: tier, weight: node.weight, maxConnections: node.maxConnections, isNode: true, admission: nil,
      liveness: check, slowStart: (settings.slowStart ?? .zero).scaled(by: timeScale), tls: tls
    ).sending(node.sendProxy)
  }

  /// An application server as a candidate of its site's balancers; nil when it does not serve the application.
  func candidate(
    _ server: AppServer, of site: Site, _ application: Application, _ settings: Settings, from connecting: String
  ) -> ServerPlan? {
    guard let address = server.address(for: application.name) else { return nil }
    let target = server.tls?.value
    // Without TLS of its own a server may still be checked by it.
    let possible = settings.upstreamTLS.plan(
      target ?? TargetTLSSettings(isOn: true), named: server.name, at: address, from: connecting)
    let tls = target?.isOn == true ? possible : nil
    let kind = application.check.kind(name: possible.name)
    let checkTLS = application.checkUsesTLS == true ? possible : application.checkTLS(tls)
    let admission = server.admissionAddress.map {
      settings.admission.over(settings.check).over(.admissionDefaults)
        .plan(kind: kind, address: $0, isBackup: false, scale: timeScale, tls: checkTLS)
    }
    return ServerPlan(
      name: server.name, site: site.name, address: address,
      cookieValue: application.sessionCookie == nil ? nil : server.cookie.value, tier: 0, weight: server.weight,
      maxConnections: server.maxConnections, isNode: false, admission: admission,
      liveness: settings.liveness.over(settings.check).over(.livenessDefaults)
        .plan(kind: kind, address: address, isBackup: false, scale: timeScale, tls: checkTLS),
      slowStart: (server.slowStart ?? settings.slowStart ?? .zero).scaled(by: timeScale), tls: tls
    ).sending(server.sendProxy)
  }

  /// The longest time any of our nodes may take to see that a node's monitor is closed; nil when none checks it.
  func longestCheckWindow(of node: SiteNode, at site: Site, role: NodeRole) -> Duration? {
    // Orders of sites cost a sort each: who cannot make it longer is not asked for one, or networks of thousands of offices
    // would take minutes.
    var longest: Duration?
    func mayLengthen(_ check: CheckSettings) -> Bool {
      guard let longest else { return true }
      return max(check.window(isBackup: false), check.window(isBackup: true)) > longest
    }
    switch role {
    case .officeProxy, .relay: break
    case .siteDirector:
      for office in offices {
        let check = settings(office.settings, role: .officeProxy).check
        guard mayLengthen(check), let rank = siteOrder(of: office).firstIndex(where: { $0.name == site.name }) else {
          continue
        }
        longest = max(longest ?? .zero, check.window(isBackup: rank > 0))
      }
    case .siteBalancer:
      for other in sites {
        let isBackup = other.name != site.name
        let checks = other.directors.map { settings($0.settings, role: .siteDirector).check }.filter(mayLengthen)
        if checks.isEmpty || (isBackup && !backupOrder(of: other).contains(where: { $0.name == site.name })) {
          continue
        }
        for check in checks { longest = max(longest ?? .zero, check.window(isBackup: isBackup)) }
      }
    }
    return longest
  }
}

extension ServerPlan {
  /// With PROXY protocol headers, also of checks; monitors know none.
  func sending(_ version: ProxyProtocolVersion?) -> ServerPlan {
    var plan = self
    plan.proxyProtocol = version
    if plan.liveness?.kind != .monitor { plan.liveness?.proxyProtocol = version }
    plan.admission?.proxyProtocol = version
    return plan
  }
}

extension ApplicationCheck {
  /// - Parameter name: what a handshake asks for.
  func kind(name: String?) -> CheckPlan.Kind {
    switch self {
    case .tcp: .tcp
    case .tlsHello: .tlsHello(name: name)
    case .http(let request): .http(request)
    }
  }
}

extension Application {
  /// The TLS of its checks of a server that is reached by some, or by none.
  func checkTLS(_ tls: ServerTLSPlan?) -> ServerTLSPlan? {
    guard case .http = check, checkUsesTLS != false else { return nil }
    return tls
  }
}

extension Failback {
  func scaled(by factor: Double) -> Failback {
    if case .after(let duration) = self { return .after(duration.scaled(by: factor)) }
    return self
  }
}

extension TimeoutSettings {
  func plan(scale: Double) -> TimeoutPlan {
    func scaled(_ duration: Duration?) -> Duration { (duration ?? .zero).scaled(by: scale) }
    return TimeoutPlan(
      request: scaled(request), keepAlive: scaled(keepAlive), client: scaled(client), connect: scaled(connect),
      server: scaled(server), queue: scaled(queue), tunnel: scaled(tunnel), unacknowledged: scaled(unacknowledged),
      pooled: scaled(pooled))
  }
}

extension LimitSettings {
  /// Nodes of ours in front carry many users each: no bound of sources is for them.
  func plan(downstream: [Downstream], listen: [Listen]) -> LimitPlan {
    LimitPlan(
      connectionsMax: connections ?? 0, headBytesMax: head ?? 0, targetBytesMax: target ?? 0, fieldsMax: fields ?? 0,
      bodyBytesMax: body ?? 0, pooledPerServerMax: pooledPerServer ?? 0, workers: workers ?? 0,
      connectionsPerSourceMax: connectionsPerSource ?? 0,
      // Who stands for many clients is no single source: our own nodes in front, and proxies that name their clients.
      sourcesExempt: (exemptSources ?? []) + downstream.flatMap(\.networks) + listen.flatMap(\.proxyProtocol),
      uploadBytesPerSecondMin: uploadRate ?? 0, downloadBytesPerSecondMin: downloadRate ?? 0)
  }
}

extension RetrySettings {
  var plan: RetryPlan {
    RetryPlan(
      attemptsMax: attempts ?? 1, bodyBytesMax: body ?? 0, budgetPercent: budgetPercent ?? 0,
      budgetMinimum: budgetMinimum ?? 0)
  }
}

extension ForwardedSettings {
  /// What is not set follows from the nodes in front: they are believed, and a director adds nothing to what they added.
  func plan(role: NodeRole, downstream: [Downstream]) -> ForwardingPlan {
    var inFront: [Network] = []
    for network in downstream.flatMap(\.networks) where !inFront.contains(network) { inFront.append(network) }
    return ForwardingPlan(
      forwardedFor: forwardedFor ?? false, forwardedForExcept: except ?? (role == .siteDirector ? inFront : []),
      trusted: trusted?.value ?? inFront, clientField: clientField ?? .xForwardedFor,
      forwardedProto: proto ?? false, forwardedHost: host ?? false,
      originalTo: originalTo ?? false)
  }
}
