extension Settings {
  /// What holds when a file says nothing: the bottom layer of a role's settings (rules A, C5, D).
  public static func builtIn(for role: NodeRole) -> Settings {
    var settings = Settings()
    settings.check.rise = 2
    settings.check.fall = 3
    switch role {
    case .officeProxy:
      settings.check.interval = .seconds(30)
      settings.check.backupInterval = .seconds(60)
    case .siteDirector:
      settings.check.interval = .seconds(4)
      settings.check.backupInterval = .seconds(8)
    case .siteBalancer:
      // Set last, in `admissionDefaults` and `livenessDefaults`: an interval in `check` is for both.
      break
    case .relay: settings.check.interval = .seconds(2)
    }
    settings.timeouts = .builtIn(for: role)
    settings.limits = .builtIn
    settings.retries.attempts = 16
    settings.retries.body = 64 * 1024
    settings.retries.budgetPercent = 20
    settings.retries.budgetMinimum = 10
    // Balancers stand behind a director, which has already said who the client is.
    settings.forwarded.forwardedFor = role == .officeProxy || role == .siteDirector
    settings.forwarded.proto = role == .officeProxy || role == .siteDirector
    settings.forwarded.host = false
    settings.balance = .roundRobin
    settings.persist = false
    settings.spill = false
    settings.failback = Located(.session)
    settings.queue = 128
    settings.slowStart = .zero
    settings.shutdown = .seconds(30)
    return settings
  }

  /// The grace of a node that none of our nodes checks: something else in front of it needs a moment to notice.
  static let graceWithoutCheckers: Duration = .seconds(10)
}

extension TimeoutSettings {
  static func builtIn(for role: NodeRole) -> TimeoutSettings {
    var timeouts = TimeoutSettings()
    timeouts.request = .seconds(10)
    timeouts.keepAlive = .seconds(60)
    timeouts.client = .seconds(60)
    timeouts.connect = .seconds(1)
    timeouts.queue = .seconds(10)
    timeouts.tunnel = .seconds(3600)
    timeouts.unacknowledged = .seconds(3)
    switch role {
    // The tier next to a slow server answers 504 first, so each tier above waits a little longer.
    case .officeProxy: timeouts.server = .seconds(70)
    case .siteDirector: timeouts.server = .seconds(65)
    case .siteBalancer, .relay: timeouts.server = .seconds(60)
    }
    // A server of whatever protocol may read slowly, and be right to.
    if role == .relay { timeouts.unacknowledged = .zero }
    // Below what the other end keeps: our own nodes keep 60 s, application servers as little as 5 s.
    timeouts.pooled = role == .siteBalancer ? .seconds(4) : .seconds(30)
    return timeouts
  }
}

extension LimitSettings {
  static var builtIn: LimitSettings {
    var limits = LimitSettings()
    limits.connections = 10_000
    limits.head = 16 * 1024
    limits.target = 8 * 1024
    limits.fields = 100
    limits.body = 0
    // Far below the slowest modem: legitimate clients are never that slow for a minute.
    limits.uploadRate = 100
    limits.downloadRate = 100
    limits.pooledPerServer = 64
    limits.workers = 0
    return limits
  }
}

extension CheckSettings {
  /// What admission checks of balancers fall back to.
  static var admissionDefaults: CheckSettings {
    var settings = CheckSettings()
    settings.interval = .seconds(2)
    return settings
  }
  /// What liveness checks of balancers fall back to.
  static var livenessDefaults: CheckSettings {
    var settings = CheckSettings()
    settings.interval = .seconds(4)
    return settings
  }
  /// An interval that no layer sets counts as this.
  static let fallbackInterval: Duration = .seconds(2)
  /// The longest default of `fast-interval` and `down-interval`: what changes is watched closely.
  static let closeInterval: Duration = .seconds(1)
  /// The longest default of a check's `timeout`: one lost segment is repeated within it.
  static let longestDefaultTimeout: Duration = .seconds(2)

  /// The parameters of one check: what is not set follows from the interval.
  func plan(
    kind: CheckPlan.Kind, address: Address, isBackup: Bool, scale: Double, tls: ServerTLSPlan? = nil
  ) -> CheckPlan {
    let settled = (isBackup ? backupInterval : nil) ?? interval ?? Self.fallbackInterval
    let close = min(settled, Self.closeInterval)
    return CheckPlan(
      kind: kind, address: address, interval: settled.scaled(by: scale),
      fastInterval: (fastInterval ?? close).scaled(by: scale), downInterval: (downInterval ?? close).scaled(by: scale),
      timeout: (timeout ?? min(settled, Self.longestDefaultTimeout)).scaled(by: scale), rise: rise ?? 2,
      fall: fall ?? 3,
      tls: tls)
  }

  /// How long the checks of a server may take to see that it is gone: interval x fall (rule F3).
  func window(isBackup: Bool) -> Duration {
    ((isBackup ? backupInterval : nil) ?? interval ?? Self.fallbackInterval) * (fall ?? 3)
  }
}
