internal import Topology

extension MonitorStatement {
  /// What a node says before it has looked at its servers: it has nobody.
  public static let nobody = MonitorStatement(admit: false, alive: false)

  /// Counts a server in that the node speaks for: a director speaks for the balancers of its own site only (rule E1).
  /// - Parameter weight: the plan's; a server of weight 0 admits nobody.
  @inline(__always)
  public mutating func include(_ health: ServerHealth, weight: Int) {
    admit = admit || (health.takesNewUsers && weight > 0)
    alive = alive || health.takesOwnUsers
  }
}

extension ServerHealth {
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
