internal import Routing
internal import Topology

/// Proxy nodes coming to life: their pools, health machines and checks, as the proxy makes them.
extension Run {
  /// Fills the flat tables that stay the same for the whole scenario.
  mutating func layOut() {
    var candidate = 0
    var check = 0
    for (index, model) in network.pools.enumerated() {
      let balancer = model.role == .siteBalancer
      let site = network.elements[Int(model.node)].site
      let servers = balancer ? network.serversOfSite[Int(site)] : 0..<0
      let known = known(model)
      (poolStates + index).initialize(
        to: PoolState(
          node: model.node, firstCandidate: Int32(candidate), candidateCount: Int32(known.candidates),
          firstCheck: Int32(check), checkCount: Int32(known.checks), groups: nil,
          groupsFirst: balancer ? Int32(servers.lowerBound) : 0,
          groupsCount: Int32(balancer ? servers.count : network.siteCount), mode: mode(model),
          isOffice: model.role == .officeProxy, isBalancer: balancer, hasDates: model.hasDates, knowsAttributes: false,
          hasPath: model.hasPath, maxIdle: model.maxIdle, maxLife: model.maxLife, connectTimeout: model.connectTimeout,
          serverTimeout: model.serverTimeout, queueTimeout: model.queueTimeout, unacknowledged: model.unacknowledged,
          silence: model.silence,
          pooled: model.pooled, reuseWindow: model.reuseWindow, pooledMax: model.pooledMax,
          attemptsMax: Int32(clamping: model.attemptsMax),
          bodyBytesMax: Int32(clamping: model.bodyBytesMax)))
      for item in model.candidates {
        (candidates + candidate).initialize(
          to: CandidateState(
            element: item.element, path: item.path, site: item.site, poolSite: item.poolSite,
            isNode: item.isNode && !behaviour.contains(.withoutStatements),
            isServer: network.elements[Int(item.element)].kind == .server, hasCookieValue: item.hasCookieValue,
            isSpokenFor: item.isSpokenFor, weight: Int32(clamping: item.weight), tier: item.tier,
            childPool: Int(item.element) < network.nodeCount
              ? network.nodes[Int(item.element)].poolOf[model.application] : -1))
        (health + candidate).initialize(
          to: ServerHealth(plan: plan(model, candidate - Int(poolStates[index].firstCandidate))))
        candidate += 1
      }
      for item in model.checks {
        (probes + check).initialize(
          to: Probe(
            state: CheckState(plan: weakened(item.plan), initiallyUp: true), pool: Int32(index), server: item.server,
            timeout: item.timeout, downInterval: item.downInterval, which: item.which, isMonitor: item.isMonitor,
            isConnect: item.isConnect, relay: item.relay))
        check += 1
      }
    }
  }

  private func weakened(_ plan: CheckPlan) -> CheckPlan {
    var plan = plan
    if behaviour.contains(.withoutHysteresis) {
      plan.rise = 1
      plan.fall = 1
    }
    if behaviour.contains(.withoutFastChecks) { plan = plan.even }
    return plan
  }

  /// How many of a pool's candidates and checks there are; those that are left out come last.
  private func known(_ model: PoolModel) -> (candidates: Int, checks: Int) {
    if behaviour.contains(.sitesByName) && model.role == .officeProxy { return (model.candidates.count, 0) }
    guard standsAlone(model) else { return (model.candidates.count, model.checks.count) }
    let candidates = model.candidates.prefix { $0.tier == 0 }.count
    return (candidates, model.checks.prefix { $0.server < candidates }.count)
  }

  private func standsAlone(_ model: PoolModel) -> Bool {
    behaviour.contains(.sitesStandAlone) && model.role == .siteDirector
  }

  /// What a pool does with its cookie; nil: nothing.
  private func mode(_ model: PoolModel) -> CookiePlan.Mode? {
    let hasSiteCookie = behaviour.isDisjoint(with: [.withoutSiteCookie, .sitesByName])
    return hasSiteCookie || model.role == .siteBalancer ? model.mode : nil
  }

  /// A candidate's plan, without the rules that are switched off.
  private func plan(_ model: PoolModel, _ server: Int) -> ServerPlan {
    var plan = model.plan.pool.servers[server]
    if behaviour.contains(.withoutHysteresis) {
      if let check = plan.admission { plan.admission = weakened(check) }
      if let check = plan.liveness { plan.liveness = weakened(check) }
    }
    if behaviour.contains(.sitesByName) && model.role == .officeProxy {
      plan.admission = nil
      plan.liveness = nil
    }
    return plan
  }

  func application(_ model: PoolModel) -> ApplicationPlan {
    var plan = model.plan
    if behaviour.contains(.immediateFailback) { plan.pool.failback = .immediate }
    if !behaviour.isDisjoint(with: [.withoutHysteresis, .sitesByName]) {
      for server in plan.pool.servers.indices { plan.pool.servers[server] = self.plan(model, server) }
    }
    if standsAlone(model) {
      plan.pool.servers.removeAll { $0.tier > 0 }
      plan.pool.tierCount = min(plan.pool.tierCount, 1)
    }
    return plan
  }

  /// A node's process begins, with empty memory: everybody is believed up, nothing is learned.
  mutating func startNode(_ node: Int, isFirst: Bool) {
    let plan = network.versions[world.versions.isEmpty ? 0 : Int(world.versions[node])][node]
    for pool in isFirst ? network.allPools(of: Int32(node)) : plan.pools {
      let planned = application(network.pools[pool])
      if !isFirst {
        (pools + pool).deinitialize(count: 1)
        shared[pool].deallocate()
      }
      (shared + pool).initialize(to: PoolShared(plan: planned.pool, workers: 1))
      (pools + pool).initialize(
        to: Pool(
          application: planned, shared: shared[pool],
          timeScale: behaviour.contains(.withoutTrials) ? Self.never : network.pools[pool].timeScale, workers: 1,
          seed: nodeRandom[node].next(), now: now, firstMatch: behaviour.contains(.firstMatch)))
      takeOrders(pool)
      let first = Int(poolStates[pool].firstCandidate)
      if !isFirst {
        for server in 0..<Int(poolStates[pool].candidateCount) {
          health[first + server] = ServerHealth(plan: planned.pool.servers[server])
          candidates[first + server].idleCount = 0
          hintedAt[first + server] = -1
        }
        poolStates[pool].knowsAttributes = false
        poolStates[pool].waiting = 0
        waitingLegs[pool] = []
      } else if planned.cookie != nil {
        fillGroups(pool)
      }
      poolStates[pool].isActive = plan.pools.contains(pool)
      guard poolStates[pool].isActive else { continue }
      for check in 0..<Int(poolStates[pool].checkCount) {
        startProbe(Int(poolStates[pool].firstCheck) + check, network.pools[pool].checks[check], isFirst: isFirst)
      }
      if !isFirst && behaviour.contains(.sitesByName) { resolve(Int32(pool)) }
    }
  }

  /// The orders of sites that the office's users have.
  private mutating func takeOrders(_ pool: Int) {
    guard let geo = network.pools[pool].geo else { return }
    let orders = population.orders(at: network.pools[pool].node, geo)
    pools[pool].take(
      TierOrders(network.pools[pool].plan.pool, sites: geo.sites.map(\.name), count: orders.count + 1) { rank, order in
        orders[order - 1][rank]
      })
  }

  /// Of time scales: a trial a second becomes one in more than a hundred years.
  private static let never = 4e9

  mutating func startProbe(_ probe: Int, _ model: CheckModel, isFirst: Bool) {
    if !isFirst { probes[probe].state = CheckState(plan: weakened(model.plan), initiallyUp: true) }
    probes[probe].isRunning = false
    probes[probe].isDueAgain = false
    probes[probe].token &+= 1
    let node = Int(poolStates[Int(probes[probe].pool)].node)
    // A stream of its own: what is drawn does not depend on what other checks have drawn by then.
    probes[probe].random = RandomStream(seed: nodeRandom[node].next(), hash: 0)
    probes[probe].due = now + probes[probe].state.firstDelay(random: &probes[probe].random)
    schedule(.probe, Int32(probe), token: probes[probe].token, at: probes[probe].due)
  }

  /// Which group a cookie's site or server means here.
  private mutating func fillGroups(_ pool: Int) {
    let state = poolStates + pool
    let table = UnsafeMutablePointer<Int32>.allocate(capacity: max(1, Int(state.pointee.groupsCount)))
    table.initialize(repeating: -1, count: max(1, Int(state.pointee.groupsCount)))
    for server in 0..<Int(state.pointee.candidateCount) {
      let candidate = candidates[Int(state.pointee.firstCandidate) + server]
      guard candidate.hasCookieValue else { continue }
      let value = state.pointee.isBalancer ? candidate.element : candidate.site
      table[Int(value - state.pointee.groupsFirst)] = pools[pool].group(of: Int32(server))
    }
    state.pointee.groups = table
  }

  /// A node's pool for an application, by the file that it goes by.
  @inline(__always)
  func poolOf(_ node: Int32, _ application: Int) -> Int32 { nodePools[Int(node) * applications + application] }

  /// The candidate of a pool.
  @inline(__always)
  func candidate(_ pool: Int32, _ server: Int32) -> UnsafeMutablePointer<CandidateState> {
    candidates + Int(poolStates[Int(pool)].firstCandidate + server)
  }
}
