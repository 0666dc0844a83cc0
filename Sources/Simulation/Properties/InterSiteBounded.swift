/// After a failure, avoidable requests between sites are those in flight, those before the first answer, and at most one per
/// office and check interval (rule E4).
///
/// A request counts that went from site to site although at every moment from `recovery` (as of `NoNeedlessMove`) before it
/// began until its answer came, the server of its session (or any server, if that is lost or there is none) could be reached
/// directly. Those that began before the last change of the network were in flight. The others are grouped by entry into waves:
/// requests that began before the wave's first one ended, as nothing could have told the office until then. The property is
/// violated by the first request of a wave beyond the first one and one for each check interval that has begun: beyond
/// 2 + t / interval, t being the time since the last change, and interval the longest check interval of the entry.
struct InterSiteBounded {
  private struct Waves {
    var since: Int64 = -1
    var count: Int64 = 0
    var begin: Int64 = -1
    var end: Int64 = -1
  }
  let recovery: Int64
  private let intervals: [Int64]
  private var waves: [Waves]
  private var changedAt: Int64 = -1
  var violations = Violations()

  init(_ allowances: Allowances) {
    recovery = allowances.recovery
    intervals = allowances.interval
    waves = Array(repeating: Waves(), count: allowances.interval.count)
  }

  mutating func worldChanged(at now: Int64) { changedAt = now }

  /// Takes in a request that went from site to site; true: it violates the property.
  mutating func check(_ outcome: Outcome, _ truth: inout Truth) -> Bool {
    guard outcome.begin >= changedAt else { return false }
    let begin = outcome.begin - recovery
    let isAvoidable =
      outcome.bound >= 0 && outcome.boundKnows
      ? truth.isDirect(outcome.entry, outcome.bound, begin, outcome.end)
      : truth.hasDirect(outcome.entry, begin, outcome.end)
    guard isAvoidable else { return false }
    var wave = waves[outcome.entry]
    if wave.since != changedAt { wave = Waves(since: changedAt) }
    defer { waves[outcome.entry] = wave }
    if wave.count > 0 && outcome.begin < wave.end {
      if outcome.begin < wave.begin {
        wave.begin = outcome.begin
        wave.end = outcome.end
      }
      return false
    }
    wave.count += 1
    wave.begin = outcome.begin
    wave.end = outcome.end
    let elapsed = changedAt < 0 ? outcome.begin : outcome.begin - changedAt
    guard wave.count > 2 + elapsed / intervals[outcome.entry] else { return false }
    violations.add(
      at: outcome.begin, user: outcome.user,
      "user \(outcome.user) went from site to site although there was a direct way, wave \(wave.count) within \(elapsed / 1_000_000_000) s"
    )
    return true
  }
}
