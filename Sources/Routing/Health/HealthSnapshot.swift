/// The published facts of one server, packed into 64 bits so that they change hands in one atomic store.
public struct HealthSnapshot: Sendable, Equatable {
  /// The packed form: bits 0-1 `enabled`, 2 `admit`, 3-4 `liveness`, 5 `isChecked`, 8-23 `weight`, 24-63 `drainDeadline`.
  public let rawValue: UInt64

  /// From the packed form.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// From the facts.
  /// - Parameters:
  ///   - weight: in sixteenths of the plan's weight, 0 to 4096 (`ServerHealth.effectiveWeight`).
  ///   - drainDeadline: seconds of the wall clock since 1970, 1 up to 2^40 - 1; nil: none.
  ///   - isChecked: a check has had a result, so that the rest is more than a belief.
  public init(
    enabled: OperatorState = .ready, admit: Bool = true, liveness: Liveness = .alive, weight: Int32,
    drainDeadline: Int64? = nil, isChecked: Bool = false
  ) {
    precondition(weight >= 0 && weight <= 0xFFFF)
    let deadline = drainDeadline.map { UInt64(min(max($0, 1), (1 << 40) - 1)) } ?? 0
    let flags =
      UInt64(enabled.rawValue) | (admit ? 1 << 2 : 0) | UInt64(liveness.rawValue) << 3 | (isChecked ? 1 << 5 : 0)
    rawValue = flags | UInt64(weight) << 8 | deadline << 24
  }

  /// The facts of a server as they are now.
  public init(_ health: ServerHealth, now: Int64, jitterSeed: UInt64) {
    self.init(
      enabled: health.enabled, admit: health.admit, liveness: health.liveness,
      weight: health.effectiveWeight(now: now, jitterSeed: jitterSeed), drainDeadline: health.drainDeadline,
      isChecked: health.livenessCheck?.lastResult != nil || health.admissionCheck?.lastResult != nil)
  }

  /// What the operator wants.
  public var enabled: OperatorState { OperatorState(rawValue: UInt8(rawValue & 3)) ?? .ready }
  /// The checks and the monitor let new users in.
  public var admit: Bool { rawValue & (1 << 2) != 0 }
  /// What is known of its life.
  public var liveness: Liveness { Liveness(rawValue: UInt8(rawValue >> 3 & 3)) ?? .alive }
  /// A check has had a result.
  public var isChecked: Bool { rawValue & (1 << 5) != 0 }
  /// The share of new users, in sixteenths of the plan's weight, 0 to 4096.
  public var weight: Int32 { Int32(rawValue >> 8 & 0xFFFF) }
  /// Until when its own users may stay, in seconds of the wall clock since 1970; nil: no limit.
  public var drainDeadline: Int64? {
    let deadline = Int64(rawValue >> 24)
    return deadline == 0 ? nil : deadline
  }

  /// May be given users who have no server yet.
  public var takesNewUsers: Bool { enabled == .ready && admit && weight > 0 }
  /// May be given its own users.
  public var takesOwnUsers: Bool { enabled != .maintenance && liveness == .alive }
}
