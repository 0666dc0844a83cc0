public import Topology

/// A check's verdict has changed.
public enum CheckTransition: Sendable, Equatable {
  /// `rise` successes in a row.
  case wentUp
  /// `fall` failures in a row, or other evidence as good.
  case wentDown
}

/// One check's verdict over time: down after `fall` failures in a row, up after `rise` successes in a row (rule C1).
///
/// The first results count like all others: when a whole network is started at once, a check that comes before its
/// target listens must not send users elsewhere.
public struct CheckState: Sendable {
  /// Delays vary by this share, so that the checks of many nodes do not fall into step.
  private static let jitterPerMille: Int64 = 80
  /// The first check comes within this long after the start, even if the interval is longer: a node should know its
  /// world soon. 2 s, in nanoseconds.
  private static let firstDelayNanosecondsMax: Int64 = 2_000_000_000

  private let intervalNanoseconds: Int64
  private let fastNanoseconds: Int64
  private let downNanoseconds: Int64
  private let rise: Int
  private let fall: Int
  /// Results in a row that speak against the verdict.
  private var against = 0

  /// The verdict.
  public private(set) var isUp: Bool
  /// When the last result came, on the monotonic clock; nil: there has been none.
  public private(set) var lastResult: Int64?

  /// A check without results yet.
  public init(plan: CheckPlan, initiallyUp: Bool) {
    intervalNanoseconds = plan.interval.nanosecondsClamped
    fastNanoseconds = plan.fastInterval.nanosecondsClamped
    downNanoseconds = plan.downInterval.nanosecondsClamped
    rise = max(1, plan.rise)
    fall = max(1, plan.fall)
    isUp = initiallyUp
  }

  /// What is remembered of a check, whatever its plan.
  public struct Memory: Sendable, Equatable, Codable {
    /// The verdict.
    public var isUp: Bool
    /// Results in a row that speak against it.
    public var against: Int
    /// When the last result came, on the monotonic clock; nil: there has been none.
    public var lastResult: Int64?
  }

  /// What is remembered.
  public var memory: Memory { Memory(isUp: isUp, against: against, lastResult: lastResult) }

  /// A check that goes on where another one of the same server stood; its plan may differ.
  public init(plan: CheckPlan, memory: Memory) {
    self.init(plan: plan, initiallyUp: memory.isUp)
    // One result less than changes the verdict by the new plan: the next one decides.
    against = min(max(0, memory.against), (isUp ? fall : rise) - 1)
    lastResult = memory.lastResult
  }

  /// Up, and the last result said so, too: a further success changes nothing.
  public var isSettled: Bool { isUp && against == 0 }

  /// Takes one result, and tells if the verdict has changed.
  public mutating func record(success: Bool, now: Int64) -> CheckTransition? {
    lastResult = now
    if success == isUp {
      against = 0
      return nil
    }
    against += 1
    guard against >= (isUp ? fall : rise) else { return nil }
    against = 0
    isUp.toggle()
    return isUp ? .wentUp : .wentDown
  }

  /// Other evidence than this check's shows the target down: `rise` successes are needed from here.
  public mutating func forceDown() -> CheckTransition? {
    against = 0
    guard isUp else { return nil }
    isUp = false
    return .wentDown
  }

  /// Nanoseconds to the next check: the fast interval while results speak against the verdict, else the interval of the
  /// verdict, each give or take 8 %.
  public func nextDelay(random: inout some RandomNumberGenerator) -> Int64 {
    let delay = against > 0 ? fastNanoseconds : isUp ? intervalNanoseconds : downNanoseconds
    let spread = delay / 1000 * Self.jitterPerMille
    return max(1, delay + Int64.random(in: -spread...spread, using: &random))
  }

  /// Nanoseconds from the start to the first check: spread evenly over the interval, or over 2 s if that is shorter.
  public func firstDelay(random: inout some RandomNumberGenerator) -> Int64 {
    Int64.random(in: 0...min(intervalNanoseconds, Self.firstDelayNanosecondsMax), using: &random)
  }
}

extension Duration {
  /// The duration in whole nanoseconds; negative ones are 0, and above a hundred years it is a hundred years, so that
  /// sums with a clock's time do not overflow.
  public var nanosecondsClamped: Int64 {
    let (seconds, attoseconds) = components
    let secondsMax: Int64 = 100 * 366 * 86_400
    if seconds < 0 || attoseconds < 0 { return 0 }
    if seconds >= secondsMax { return secondsMax * 1_000_000_000 }
    return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
  }
}
