/// After a failure, avoidable requests between sites are those in flight, those before the first answer, and at most one per
/// office and check interval (rule E4).
///
/// A request counts that went from site to site although at every moment from `recovery` (as of `NoNeedlessMove`) before it
/// began until its answer came, some server of the site that its cookie names could be reached directly, by a director whose
/// monitor could be asked (if it cannot, what an office has learned from an answer holds for its check interval: rule E3); or, if
/// none of that site answered or could be reached at all in that time, or there is no cookie, any site that took new users since
/// `relearning` (as of `NewUsersStay`) before. (Whether the session itself is lost, only its server knows. If the site cookie and the
/// session cookie name different sites, the site cookie counts: directors go by it.)
///
/// Those that began before the last change of the network were in flight. The others are grouped by entry into waves: requests that
/// began before the wave's first one ended, as nothing could have told a node until then. Each node on the way learns from its own
/// first answer (the office of each director, and directors of their balancers), or from the `fall`th connection in a row that fails
/// (rule C4). So the property is violated by the first request of a wave beyond directors + fall x seconds + t / interval: one for each
/// director of the entry's sites, the largest `fall` of all checks at each site that is the second one of some of the office's
/// users (one, unless each client has an order of its own), and one for each check interval that is over, t being the time since
/// the last change, and interval the longest check interval of the entry.
struct InterSiteBounded {
  private struct Waves {
    var since: Int64 = -1
    var count: Int64 = 0
    var begin: Int64 = -1
    var end: Int64 = -1
  }
  let recovery: Int64
  private let relearning: [Int64]
  private let intervals: [Int64]
  /// By entry: what nodes may need to learn.
  private let lessons: [Int64]
  /// By the first entry of an office: what it has learned holds for all its users.
  private var waves: [Waves]
  private let offices: [Int]
  private var changedAt: Int64 = -1
  var violations = Violations()

  init(_ allowances: Allowances) {
    recovery = allowances.recovery
    relearning = allowances.relearning
    intervals = allowances.interval
    offices = allowances.office
    lessons = zip(allowances.directors, allowances.seconds).map { directors, seconds in
      Int64(directors) + allowances.fall * Int64(seconds)
    }
    waves = Array(repeating: Waves(), count: allowances.interval.count)
  }

  mutating func worldChanged(at now: Int64) { changedAt = now }

  /// Takes in a request that went from site to site; true: it violates the property.
  mutating func check(_ outcome: Outcome, _ truth: inout Truth, siteOf: [Int32]) -> Bool {
    guard outcome.begin >= changedAt else { return false }
    let begin = outcome.begin - recovery
    let site = outcome.site >= 0 ? outcome.site : outcome.bound >= 0 ? siteOf[Int(outcome.bound)] : -1
    let answered = outcome.answered >= 0 ? siteOf[Int(outcome.answered)] : -1
    let isAvoidable =
      site >= 0
        && (answered == site || truth.wasServed(outcome.vantage, site: site, begin, outcome.end))
      ? truth.isDirect(outcome.vantage, site: site, begin, outcome.end)
      : truth.admitsSomewhere(outcome.vantage, outcome.begin - relearning[outcome.entry], outcome.end)
    guard isAvoidable else { return false }
    let office = offices[outcome.entry]
    var wave = waves[office]
    if wave.since != changedAt { wave = Waves(since: changedAt) }
    defer { waves[office] = wave }
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
    guard wave.count > lessons[outcome.entry] + elapsed / intervals[outcome.entry] else { return false }
    violations.add(
      at: outcome.begin, user: outcome.user,
      "user \(outcome.user) went from site to site although there was a direct way, wave \(wave.count) within \(elapsed / 1_000_000_000) s"
    )
    return true
  }
}
