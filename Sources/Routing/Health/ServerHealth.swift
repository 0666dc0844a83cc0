public import Topology

/// What the operator wants of a server.
public enum OperatorState: UInt8, Sendable, CaseIterable {
  /// Takes all users.
  case ready = 0
  /// Takes its own users only.
  case drain = 1
  /// Takes nobody, not even for a trial.
  case maintenance = 2
}

/// What is known of a server's life.
public enum Liveness: UInt8, Sendable, CaseIterable {
  /// Serves its own users.
  case alive = 0
  /// Checks or connects failed: a request bound to it makes a trial attempt (rule C2).
  case unreachable = 1
  /// Its own monitor says that it has nothing to serve with (rule E2): no attempt is worth making.
  case declaredDead = 2
}

/// Which of a server's two checks a result belongs to.
public enum HealthCheck: Sendable, CaseIterable {
  /// Decides if it may take new users (`ServerPlan.admission`).
  case admission
  /// Decides if it may take its own users (`ServerPlan.liveness`).
  case liveness
}

/// What the monitor of one of our nodes says (rule E1).
public struct MonitorStatement: Sendable, Equatable {
  /// It takes new users.
  public var admit: Bool
  /// It serves its own users.
  public var alive: Bool
  /// Until when its own users may stay, in seconds of the wall clock since 1970; nil: no limit.
  public var drainDeadline: Int64?

  /// A statement.
  public init(admit: Bool, alive: Bool, drainDeadline: Int64? = nil) {
    self.admit = admit
    self.alive = alive
    self.drainDeadline = drainDeadline
  }
}

/// What an event has changed about a server, and what it asks for.
public struct HealthChange: OptionSet, Sendable {
  /// The bits.
  public let rawValue: UInt8
  /// From the bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// `enabled` is another.
  public static let enabled = HealthChange(rawValue: 1)
  /// `admit` is another.
  public static let admit = HealthChange(rawValue: 2)
  /// `liveness` is another.
  public static let liveness = HealthChange(rawValue: 4)
  /// The server comes back slowly from here: its weight grows with time.
  public static let slowStart = HealthChange(rawValue: 8)
  /// `drainDeadline` is another.
  public static let drainDeadline = HealthChange(rawValue: 16)
  /// Not a change: the server's checks should be made at once.
  public static let checkSoon = HealthChange(rawValue: 32)

  /// Something that other workers must know has changed.
  public var mustPublish: Bool { !subtracting(.checkSoon).isEmpty }
}

/// The health of one server as its process sees it: three facts (`enabled`, `admit`, liveness) drawn from checks, the
/// statements of its monitor, connects and trials (rules C1, C4, E1).
///
/// A server is believed up until evidence says otherwise. One prober per process owns these values and publishes them
/// through `HealthBoard`. Times are nanoseconds of a monotonic clock.
public struct ServerHealth: Sendable {
  /// What the operator wants.
  public private(set) var enabled: OperatorState = .ready
  /// The checks and the monitor let new users in. The operator's will is not in it: see `takesNewUsers`.
  public private(set) var admit = true
  /// What is known of its life.
  public private(set) var liveness: Liveness = .alive
  /// Until when its own users may stay, in seconds of the wall clock since 1970; nil: no limit.
  public private(set) var drainDeadline: Int64?
  /// Failed connects in a row, without a success.
  public private(set) var connectFailures = 0

  /// The state of the admission check; nil: the plan has none, and liveness decides.
  public private(set) var admissionCheck: CheckState?
  /// The state of the liveness check; nil: never checked, believed alive.
  public private(set) var livenessCheck: CheckState?

  /// The last connect failed, and nothing has reached it since: a monitor does not count on it, as a request of the next
  /// moment would most likely find nobody. Always false for a server that is never checked.
  public private(set) var lastConnectFailed = false

  private let weight: Int64
  private let fall: Int
  private let slowStartNanoseconds: Int64
  private var statement = MonitorStatement(admit: true, alive: true)
  /// A trial has succeeded since the checks had it down.
  private var provenByTrial = false
  /// It has been down or in maintenance: the next admission is a slow start.
  private var comesBack = false
  private var slowStartBegan: Int64?

  /// A server of which nothing is known yet.
  public init(plan: ServerPlan) {
    admissionCheck = plan.admission.map { CheckState(plan: $0, initiallyUp: true) }
    livenessCheck = plan.liveness.map { CheckState(plan: $0, initiallyUp: true) }
    fall = max(1, plan.liveness?.fall ?? 1)
    weight = Int64(min(max(plan.weight, 0), Self.weightMax))
    slowStartNanoseconds = plan.slowStart.nanosecondsClamped
  }

  /// What is remembered of a server, whatever its plan: for who goes on with it under another plan, or in another process.
  public struct Memory: Sendable, Equatable, Codable {
    var enabled: UInt8
    var operatorDeadline: Int64?
    var connectFailures: Int
    var lastConnectFailed: Bool
    var saysAdmit, saysAlive: Bool
    var saysDeadline: Int64?
    var provenByTrial, comesBack: Bool
    var slowStartBegan: Int64?
    /// Of its checks.
    public var admission, liveness: CheckState.Memory?

    /// What the operator wants alone: of a server that bears the name of another.
    public var ofOperator: Memory {
      var memory = ServerHealth.Memory(
        enabled: enabled, operatorDeadline: operatorDeadline, connectFailures: 0, lastConnectFailed: false,
        saysAdmit: true, saysAlive: true, provenByTrial: false, comesBack: false)
      memory.comesBack = enabled == OperatorState.maintenance.rawValue
      return memory
    }
  }

  /// What is remembered.
  public var memory: Memory {
    Memory(
      enabled: enabled.rawValue, operatorDeadline: operatorDeadline, connectFailures: connectFailures,
      lastConnectFailed: lastConnectFailed, saysAdmit: statement.admit, saysAlive: statement.alive,
      saysDeadline: statement.drainDeadline, provenByTrial: provenByTrial, comesBack: comesBack,
      slowStartBegan: slowStartBegan, admission: admissionCheck?.memory, liveness: livenessCheck?.memory)
  }

  /// A server of which this is known already. What the plan does not check any more counts for nothing.
  public init(plan: ServerPlan, memory: Memory, now: Int64) {
    self.init(plan: plan)
    if let check = plan.admission, let known = memory.admission {
      admissionCheck = CheckState(plan: check, memory: known)
    }
    if let check = plan.liveness, let known = memory.liveness {
      livenessCheck = CheckState(plan: check, memory: known)
    }
    slowStartBegan = memory.slowStartBegan
    let wantsSlowStart = memory.comesBack
    _ = apply(now) { health in
      health.enabled = OperatorState(rawValue: memory.enabled) ?? .ready
      health.operatorDeadline = memory.operatorDeadline
      // Without a check nothing would ever end what a failed connect began.
      if plan.liveness != nil {
        health.connectFailures = memory.connectFailures
        health.lastConnectFailed = memory.lastConnectFailed
        health.provenByTrial = memory.provenByTrial
        health.statement = MonitorStatement(
          admit: memory.saysAdmit, alive: memory.saysAlive, drainDeadline: memory.saysDeadline)
      }
    }
    comesBack = comesBack || wantsSlowStart && !takesNewUsers
  }

  /// May be given users who have no server yet.
  public var takesNewUsers: Bool { enabled == .ready && admit }

  /// May be given its own users.
  public var takesOwnUsers: Bool { enabled != .maintenance && liveness == .alive }

  /// Whether a success of the check changes nothing.
  public func isSettled(_ check: HealthCheck) -> Bool {
    switch check {
    case .admission: admissionCheck?.isSettled ?? true
    case .liveness: !lastConnectFailed && livenessCheck?.isSettled ?? true
    }
  }

  /// Takes the result of a check that states nothing more: tcp, http, or a monitor that did not answer.
  public mutating func record(_ check: HealthCheck, success: Bool, now: Int64) -> HealthChange {
    apply(now) { health in
      switch check {
      case .admission: _ = health.admissionCheck?.record(success: success, now: now)
      case .liveness:
        if success { health.lastConnectFailed = false }
        if health.livenessCheck?.record(success: success, now: now) == .wentDown { health.forgetStatement() }
      }
    }
  }

  /// Takes a monitor's answer. What it says holds at once, as the node that says it has settled it already; that it
  /// answered counts as one success of the check.
  public mutating func record(_ check: HealthCheck, statement: MonitorStatement, now: Int64) -> HealthChange {
    apply(now) { health in
      if !statement.alive { health.provenByTrial = false }
      health.statement = statement
      health.lastConnectFailed = false
      switch check {
      case .admission: _ = health.admissionCheck?.record(success: true, now: now)
      case .liveness: _ = health.livenessCheck?.record(success: true, now: now)
      }
    }
  }

  /// A connect for a user's request failed through the server's fault: refused, unreachable or timed out. Running out of
  /// own descriptors or ports must not be recorded (rule C4).
  ///
  /// The first of a row asks for a check; the `fall`th makes the server unreachable without awaiting it. A server that is
  /// never checked stays believed alive, as nothing would bring it back.
  public mutating func recordConnectFailure(now: Int64) -> HealthChange {
    connectFailures = min(connectFailures + 1, Int(Int32.max))
    let failures = connectFailures
    lastConnectFailed = livenessCheck != nil
    var change = apply(now) { health in
      guard failures >= health.fall, health.livenessCheck != nil else { return }
      health.provenByTrial = false
      _ = health.livenessCheck?.forceDown()
    }
    if failures == 1 || change.contains(.liveness) { change.insert(.checkSoon) }
    return change
  }

  /// A connect for a user's request succeeded: failures before it no longer count. For a server that was believed down
  /// use `recordTrialSuccess`.
  public mutating func recordConnectSuccess(now: Int64) -> HealthChange {
    connectFailures = 0
    lastConnectFailed = false
    return []
  }

  /// An attempt on a server believed down succeeded (rules C2, C3): it is alive for its own users at once, while new
  /// users wait for the checks, which are asked for.
  public mutating func recordTrialSuccess(now: Int64) -> HealthChange {
    connectFailures = 0
    lastConnectFailed = false
    guard liveness != .alive else { return [] }
    return apply(now) { $0.provenByTrial = true }.union(.checkSoon)
  }

  /// The operator's will; coming back from maintenance is a slow start. A deadline is for drain only.
  public mutating func setEnabled(
    _ state: OperatorState, drainDeadline deadline: Int64? = nil, now: Int64
  ) -> HealthChange {
    apply(now) { health in
      health.enabled = state
      health.operatorDeadline = state == .drain ? deadline : nil
      if state == .maintenance { health.comesBack = true }
    }
  }

  private var operatorDeadline: Int64?

  private mutating func forgetStatement() {
    // What a monitor said before it fell silent is no longer what it says.
    statement = MonitorStatement(admit: true, alive: true)
  }

  /// Changes the evidence, draws the facts from it anew, and tells the difference.
  private mutating func apply(_ now: Int64, _ evidence: (inout ServerHealth) -> Void) -> HealthChange {
    let (oldEnabled, oldAdmit, oldLiveness, oldDeadline) = (enabled, admit, liveness, drainDeadline)
    let tookNewUsers = takesNewUsers
    evidence(&self)

    let reachable = livenessCheck?.isUp ?? true
    if reachable && statement.alive { provenByTrial = false }
    if provenByTrial {
      liveness = .alive
    } else if !statement.alive {
      liveness = .declaredDead
    } else {
      liveness = reachable ? .alive : .unreachable
    }
    admit = liveness == .alive && !provenByTrial && statement.admit && (admissionCheck?.isUp ?? true)
    drainDeadline = earlier(operatorDeadline, statement.drainDeadline)
    if liveness != .alive { comesBack = true }

    var change: HealthChange = []
    if enabled != oldEnabled { change.insert(.enabled) }
    if admit != oldAdmit { change.insert(.admit) }
    if liveness != oldLiveness { change.insert(.liveness) }
    if drainDeadline != oldDeadline { change.insert(.drainDeadline) }
    if takesNewUsers && !tookNewUsers && comesBack {
      comesBack = false
      if slowStartNanoseconds > 0 {
        slowStartBegan = now
        change.insert(.slowStart)
      }
    }
    return change
  }

  private func earlier(_ first: Int64?, _ second: Int64?) -> Int64? {
    guard let first else { return second }
    guard let second else { return first }
    return min(first, second)
  }
}

// MARK: - Weight

extension ServerHealth {
  /// The largest weight of a plan.
  public static let weightMax = 256
  /// Effective weights are in sixteenths of the plan's, so that a server of weight 1 can come back slowly too.
  public static let weightScale: Int64 = 16
  /// A slow start begins with this share.
  private static let slowStartPercentFirst: Int64 = 10
  /// Slow starts last up to this much longer or shorter than planned, so that many processes do not open together.
  private static let slowStartJitterPercent: UInt64 = 20

  /// The share of new users now, in sixteenths of the plan's weight (0 to 4096): growing evenly from 10 % to 100 % during
  /// a slow start, at least 1 unless the plan says 0. `jitterSeed` tells servers and processes apart.
  public func effectiveWeight(now: Int64, jitterSeed: UInt64) -> Int32 {
    let whole = weight * Self.weightScale
    guard let began = slowStartBegan, whole > 0 else { return Int32(whole) }
    let length = slowStartLength(jitterSeed)
    let elapsed = max(0, now - began)
    guard elapsed < length else { return Int32(whole) }
    let permille =
      Self.slowStartPercentFirst * 10 + (1000 - Self.slowStartPercentFirst * 10) * (elapsed >> 10)
      / max(1, length >> 10)
    return Int32(max(1, whole * permille / 1000))
  }

  /// A slow start is under way, so the weight will be another a little later.
  public func isStartingSlowly(now: Int64, jitterSeed: UInt64) -> Bool {
    guard let began = slowStartBegan else { return false }
    return now - began < slowStartLength(jitterSeed)
  }

  private func slowStartLength(_ jitterSeed: UInt64) -> Int64 {
    let range = 2 * Self.slowStartJitterPercent + 1
    let percent = 100 - Self.slowStartJitterPercent + StableHash.avalanche(jitterSeed) % range
    return max(1, slowStartNanoseconds / 100 * Int64(percent))
  }
}
