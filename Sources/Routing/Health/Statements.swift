internal import Topology

extension MonitorStatement {
  /// What a node says before it has looked at its servers: it has nobody.
  public static let nobody = MonitorStatement(admit: false, alive: false)

  /// Counts a server in that the node speaks for: a director speaks for the balancers of its own site only (rule E1). One
  /// whose last connect failed is not promised to anybody, though it takes several failures to pass it by: otherwise a node
  /// that has just answered that it has nobody would say the opposite a moment later.
  /// - Parameters:
  ///   - weight: the plan's; a server of weight 0 admits nobody.
  ///   - seconds: the time of day, since 1970: a server past the deadline of its drain serves nobody any more (rule F2).
  @inline(__always)
  public mutating func include(_ health: ServerHealth, weight: Int, seconds: Int64) {
    guard !health.lastConnectFailed else { return }
    admit = admit || (health.takesNewUsers && weight > 0)
    alive = alive || (health.takesOwnUsers && !health.isDrained(seconds: seconds))
  }
}

extension HintBoard {
  /// A monitor of the site was asked after the hint: what it can do again is no longer passed by (rule E3). Its own users come
  /// back although it may not take new ones yet.
  public func end(site: Int, by statement: MonitorStatement) {
    guard statement.alive else { return }
    if statement.admit { clear(site: site) } else { clear(site: site, for: .ownUsers) }
  }
}

extension ServerHealth {
  /// Whether the deadline of its drain has passed, at a time of day in seconds since 1970. A deadline alone drains nobody.
  func isDrained(seconds: Int64) -> Bool {
    guard let drainDeadline, !takesNewUsers else { return false }
    return seconds >= drainDeadline
  }

  /// Takes in what a worker learned by using the server (rule C4). A hint says nothing of the server itself.
  public mutating func record(_ evidence: Evidence.Kind, now: Int64) -> HealthChange {
    switch evidence {
    case .connectFailed: recordConnectFailure(now: now)
    case .connected: recordConnectSuccess(now: now)
    case .trialSucceeded: recordTrialSuccess(now: now)
    case .declaredDead: record(.liveness, statement: .nobody, now: now).union(.checkSoon)
    case .hinted: []
    }
  }
}
