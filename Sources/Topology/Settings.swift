/// Settings that a tier's defaults and single nodes may give; nil: as the layer below says.
public struct Settings: Sendable, Equatable {
  /// Checks of what the node sends requests to.
  public var check = CheckSettings()
  /// Balancers: the admission check, above `check`.
  public var admission = CheckSettings()
  /// Balancers: the liveness check, above `check`.
  public var liveness = CheckSettings()
  /// Timeouts.
  public var timeouts = TimeoutSettings()
  /// Limits.
  public var limits = LimitSettings()
  /// Retries.
  public var retries = RetrySettings()
  /// Forwarding headers.
  public var forwarded = ForwardedSettings()
  /// How new users are spread.
  public var balance: BalanceAlgorithm?
  /// A server believed down is still tried for its own users.
  public var persist: Bool?
  /// A full tier may spill into the next.
  public var spill: Bool?
  /// What happens when home is back.
  public var failback: Located<Failback>?
  /// Requests that may wait for one server.
  public var queue: Int?
  /// Ramp of a recovered server.
  public var slowStart: Duration?
  /// Service after a soft stop.
  public var grace: Located<Duration>?
  /// Time for requests in flight after SIGTERM.
  public var shutdown: Duration?
  /// TLS towards what the node sends requests to.
  public var upstreamTLS = UpstreamTLSSettings()
  /// The user that the process becomes.
  public var user: String?
  /// The group that the process becomes.
  public var group: String?
  /// A page for people.
  public var statusPage = StatusPageSettings()
  /// What becomes its root directory then.
  public var chroot: Located<String>?
  /// The file of the process's id; `{node}` in it is the node's name.
  public var pidPath: String?
  /// Addresses of its own that checks and connections to servers leave from, one of IPv4 and one of IPv6 at most; their ports are 0.
  public var sources: Located<[Address]>?

  /// Nothing set.
  public init() {}

  /// These settings above others.
  public func over(_ base: Settings) -> Settings {
    var result = base
    result.check = check.over(base.check)
    result.admission = admission.over(base.admission)
    result.liveness = liveness.over(base.liveness)
    result.timeouts = timeouts.over(base.timeouts)
    result.limits = limits.over(base.limits)
    result.retries = retries.over(base.retries)
    result.forwarded = forwarded.over(base.forwarded)
    result.balance = balance ?? base.balance
    result.persist = persist ?? base.persist
    result.spill = spill ?? base.spill
    result.failback = failback ?? base.failback
    result.queue = queue ?? base.queue
    result.slowStart = slowStart ?? base.slowStart
    result.grace = grace ?? base.grace
    result.shutdown = shutdown ?? base.shutdown
    result.upstreamTLS = upstreamTLS.over(base.upstreamTLS)
    result.user = user ?? base.user
    result.group = group ?? base.group
    result.statusPage = statusPage.over(base.statusPage)
    result.chroot = chroot ?? base.chroot
    result.pidPath = pidPath ?? base.pidPath
    result.sources = sources ?? base.sources
    return result
  }
}

/// Settings by role.
public struct TierDefaults: Sendable, Equatable {
  /// Of office proxies.
  public var officeProxy = Settings()
  /// Of site directors.
  public var siteDirector = Settings()
  /// Of site balancers.
  public var siteBalancer = Settings()
  /// Of relays.
  public var relay = Settings()

  /// Nothing set.
  public init() {}

  /// The settings of a role.
  public subscript(role: NodeRole) -> Settings {
    get {
      switch role {
      case .officeProxy: officeProxy
      case .siteDirector: siteDirector
      case .siteBalancer: siteBalancer
      case .relay: relay
      }
    }
    set {
      switch role {
      case .officeProxy: officeProxy = newValue
      case .siteDirector: siteDirector = newValue
      case .siteBalancer: siteBalancer = newValue
      case .relay: relay = newValue
      }
    }
  }
}

/// Parameters of checks.
public struct CheckSettings: Sendable, Equatable {
  /// Between checks of settled servers; at offices and directors of the first tier.
  public var interval: Duration?
  /// Between checks of servers of the other tiers.
  public var backupInterval: Duration?
  /// Between checks while the state changes.
  public var fastInterval: Duration?
  /// Between checks of servers that are down.
  public var downInterval: Duration?
  /// A check not finished by then has failed.
  public var timeout: Duration?
  /// Successes until up.
  public var rise: Int?
  /// Failures until down.
  public var fall: Int?

  /// Nothing set.
  public init() {}

  /// These settings above others.
  public func over(_ base: CheckSettings) -> CheckSettings {
    var result = base
    result.interval = interval ?? base.interval
    result.backupInterval = backupInterval ?? base.backupInterval
    result.fastInterval = fastInterval ?? base.fastInterval
    result.downInterval = downInterval ?? base.downInterval
    result.timeout = timeout ?? base.timeout
    result.rise = rise ?? base.rise
    result.fall = fall ?? base.fall
    return result
  }
}

/// Timeouts; each as in `TimeoutPlan`.
public struct TimeoutSettings: Sendable, Equatable {
  /// Head of a request.
  public var request: Duration?
  /// Between requests.
  public var keepAlive: Duration?
  /// Client inactive.
  public var client: Duration?
  /// One attempt to connect.
  public var connect: Duration?
  /// Server inactive.
  public var server: Duration?
  /// Waiting for a slot.
  public var queue: Duration?
  /// Upgraded connection inactive.
  public var tunnel: Duration?
  /// TCP_USER_TIMEOUT.
  public var unacknowledged: Duration?
  /// Idle connection to a server.
  public var pooled: Duration?

  /// Nothing set.
  public init() {}

  /// These settings above others.
  public func over(_ base: TimeoutSettings) -> TimeoutSettings {
    var result = base
    result.request = request ?? base.request
    result.keepAlive = keepAlive ?? base.keepAlive
    result.client = client ?? base.client
    result.connect = connect ?? base.connect
    result.server = server ?? base.server
    result.queue = queue ?? base.queue
    result.tunnel = tunnel ?? base.tunnel
    result.unacknowledged = unacknowledged ?? base.unacknowledged
    result.pooled = pooled ?? base.pooled
    return result
  }
}

/// Limits; each as in `LimitPlan`.
public struct LimitSettings: Sendable, Equatable {
  /// Client connections.
  public var connections: Int?
  /// Bytes of a head.
  public var head: Int?
  /// Bytes of a request target.
  public var target: Int?
  /// Header fields.
  public var fields: Int?
  /// Bytes of a body; 0: unlimited.
  public var body: Int?
  /// Idle connections per server and worker.
  public var pooledPerServer: Int?
  /// Worker threads; 0: one per core.
  public var workers: Int?
  /// Client connections of one source address; 0: unlimited.
  public var connectionsPerSource: Int?
  /// Networks that the bound of sources spares, beside the nodes in front.
  public var exemptSources: [Network]?
  /// Bytes a second of a request body at least; 0: no least rate.
  public var uploadRate: Int?
  /// Bytes a second of an answer that a client takes at least; 0: no least rate.
  public var downloadRate: Int?

  /// Nothing set.
  public init() {}

  /// These settings above others.
  public func over(_ base: LimitSettings) -> LimitSettings {
    var result = base
    result.connections = connections ?? base.connections
    result.head = head ?? base.head
    result.target = target ?? base.target
    result.fields = fields ?? base.fields
    result.body = body ?? base.body
    result.pooledPerServer = pooledPerServer ?? base.pooledPerServer
    result.workers = workers ?? base.workers
    result.connectionsPerSource = connectionsPerSource ?? base.connectionsPerSource
    result.exemptSources = exemptSources ?? base.exemptSources
    result.uploadRate = uploadRate ?? base.uploadRate
    result.downloadRate = downloadRate ?? base.downloadRate
    return result
  }
}

/// Retries; each as in `RetryPlan`.
public struct RetrySettings: Sendable, Equatable {
  /// Attempts at most.
  public var attempts: Int?
  /// Bytes of a body that are held.
  public var body: Int?
  /// Share of requests in flight, in percent.
  public var budgetPercent: Int?
  /// Retries always allowed.
  public var budgetMinimum: Int?

  /// Nothing set.
  public init() {}

  /// These settings above others.
  public func over(_ base: RetrySettings) -> RetrySettings {
    var result = base
    result.attempts = attempts ?? base.attempts
    result.body = body ?? base.body
    result.budgetPercent = budgetPercent ?? base.budgetPercent
    result.budgetMinimum = budgetMinimum ?? base.budgetMinimum
    return result
  }
}

/// Forwarding headers; each as in `ForwardingPlan`.
public struct ForwardedSettings: Sendable, Equatable {
  /// X-Forwarded-For is appended.
  public var forwardedFor: Bool?
  /// Clients whose header is left as it is.
  public var except: [Network]?
  /// Networks whose header is believed.
  public var trusted: Located<[Network]>?
  /// Where they name the client.
  public var clientField: ClientField?
  /// X-Forwarded-Proto is set.
  public var proto: Bool?
  /// X-Forwarded-Host is set.
  public var host: Bool?
  /// X-Original-To is set.
  public var originalTo: Bool?

  /// Nothing set.
  public init() {}

  /// These settings above others.
  public func over(_ base: ForwardedSettings) -> ForwardedSettings {
    var result = base
    result.forwardedFor = forwardedFor ?? base.forwardedFor
    result.except = except ?? base.except
    result.trusted = trusted ?? base.trusted
    result.clientField = clientField ?? base.clientField
    result.proto = proto ?? base.proto
    result.host = host ?? base.host
    result.originalTo = originalTo ?? base.originalTo
    return result
  }
}
