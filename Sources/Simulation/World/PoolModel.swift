internal import Routing
internal import Topology

/// One application at one node, with its candidates as elements of the network.
struct PoolModel: Sendable {
  var plan: ApplicationPlan
  var node: Int32
  var role: NodeRole
  /// The application's number in the topology.
  var application: Int
  /// What its node orders sites by for each client; nil: all have the plan's order.
  var geo: GeoPlan?
  var timeScale: Double
  var candidates: [CandidateModel]
  /// Sites as the pool numbers them, in order of first appearance: site of the topology.
  var sites: [Int32]
  var mode: CookiePlan.Mode?
  /// Nanoseconds; 0: no limit.
  var maxIdle: Int64
  var maxLife: Int64
  var hasDates: Bool { maxIdle > 0 || maxLife > 0 }
  /// The session cookie's attributes are configured, so that a new prefix can be written at any time (rule B6).
  var hasPath: Bool
  var connectTimeout: Int64
  var serverTimeout: Int64
  var queueTimeout: Int64
  var unacknowledged: Int64
  /// From the last sign of life of a peer to the end of the connection, while nothing is unacknowledged: the kernel asks after
  /// two seconds, then every second, and gives up at the first time beyond `unacknowledged` without an answer.
  var silence: Int64
  var pooled: Int64
  /// A request that must not be sent twice takes a kept connection only if it was idle for less than this (rule C5).
  var reuseWindow: Int64
  var trialInterval: Int64
  var pooledMax: Int32
  var attemptsMax: Int
  var bodyBytesMax: Int
  var checks: [CheckModel]

  init(
    _ plan: ApplicationPlan, of nodePlan: NodePlan, node: Int32, id: Int,
    elements: [Element], elementByName: [String: Int32], topology: Topology, relays: [RelayModel],
    path: (Int32) -> Path
  ) {
    self.plan = plan
    self.node = node
    let (role, site, timeScale) = (nodePlan.role, nodePlan.site, nodePlan.timeScale)
    self.role = role
    geo = nodePlan.clientOrder
    application = id
    self.timeScale = timeScale
    mode = plan.cookie?.mode
    maxIdle = plan.cookie?.maxIdle?.nanosecondsClamped ?? 0
    maxLife = plan.cookie?.maxLife?.nanosecondsClamped ?? 0
    hasPath = plan.cookie?.path != nil
    connectTimeout = plan.timeouts.connect.nanosecondsClamped
    serverTimeout = plan.timeouts.server.nanosecondsClamped
    queueTimeout = plan.timeouts.queue.nanosecondsClamped
    unacknowledged = plan.timeouts.unacknowledged.nanosecondsClamped
    let beyond = max(0, unacknowledged - ModelTimes.keepAliveIdle)
    let asked = max(1, (beyond + ModelTimes.keepAliveInterval - 1) / ModelTimes.keepAliveInterval)
    silence = ModelTimes.keepAliveIdle + asked * ModelTimes.keepAliveInterval
    pooled = plan.timeouts.pooled.nanosecondsClamped
    reuseWindow = Int64(timeScale * 1_000_000_000)
    trialInterval = reuseWindow
    pooledMax = Int32(clamping: nodePlan.limits.pooledPerServerMax)
    attemptsMax = plan.retries.attemptsMax
    bodyBytesMax = plan.retries.bodyBytesMax
    candidates = []
    checks = []
    sites = []
    for (index, server) in plan.pool.servers.enumerated() {
      let element = elementByName[server.name] ?? 0
      let place = elements[Int(element)].place
      let siteIndex = elements[Int(element)].site
      if !sites.contains(siteIndex) { sites.append(siteIndex) }
      candidates.append(
        CandidateModel(
          element: element, path: path(place), site: siteIndex,
          poolSite: Int32(sites.firstIndex(of: siteIndex) ?? 0), isNode: server.isNode,
          hasCookieValue: server.cookieValue != nil, tier: Int32(server.tier), weight: server.weight,
          isSpokenFor: role != .siteDirector || server.site == site,
          jitterSeed: StableHash.combine(StableHash.hash(elements[Int(node)].name), UInt64(index))))
      if let check = server.liveness {
        checks.append(CheckModel(check, server: Int32(index), which: .liveness, relays: relays))
      }
      if let check = server.admission {
        checks.append(CheckModel(check, server: Int32(index), which: .admission, relays: relays))
      }
    }
  }
}

/// A candidate of a pool.
struct CandidateModel: Sendable {
  var element: Int32
  var path: Path
  /// The site of the topology.
  var site: Int32
  /// The site as the pool numbers it.
  var poolSite: Int32
  var isNode: Bool
  var hasCookieValue: Bool
  var tier: Int32
  var weight: Int
  /// The node's own monitor speaks for it.
  var isSpokenFor: Bool
  var jitterSeed: UInt64
}

/// A check of a candidate.
struct CheckModel: Sendable {
  var plan: CheckPlan
  var server: Int32
  var which: HealthCheck
  /// The target's monitor is asked, not its service.
  var isMonitor: Bool
  /// Connections are all that is looked at.
  var isConnect: Bool
  var timeout: Int64
  var downInterval: Int64
  /// The relay by way of which the target is asked; -1: none.
  var relay: Int32

  init(_ plan: CheckPlan, server: Int32, which: HealthCheck, relays: [RelayModel]) {
    self.plan = plan
    self.server = server
    self.which = which
    isMonitor = plan.kind == .monitor
    // A handshake is answered by who terminates TLS, whatever the application behind it does.
    isConnect = if case .tlsHello = plan.kind { true } else { plan.kind == .tcp }
    timeout = plan.timeout.nanosecondsClamped
    downInterval = plan.downInterval.nanosecondsClamped
    relay = relays.firstIndex { $0.listeners.contains(plan.address) }.map { Int32($0) } ?? -1
  }

  /// The longest time from a failure until the verdict, in nanoseconds: one interval until the first check that sees it, then
  /// the further failures at the fast interval, each check with its time-out, every delay with its jitter of 8 %.
  var detectionBound: Int64 {
    let settled = plan.interval.nanosecondsClamped
    let fast = plan.fastInterval.nanosecondsClamped
    let further = Int64(max(1, plan.fall) - 1)
    return settled + settled / 12 + timeout + further * (fast + fast / 12 + timeout) + ModelTimes.growth
  }
}
