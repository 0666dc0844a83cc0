/// No user is moved while the session's server can be reached (rule C2).
///
/// A request violates it that was answered without error by another server than the one its cookie names, although that
/// one could be reached from the user's entry at every moment from `recovery` before the request began until its answer came, by
/// every detour, or from `relearning` (as of `NewUsersStay`) before by a direct way.
/// `recovery` is the sum over the tiers of the trial interval and the connect time-out: for so long after something has come
/// back, a request may still miss it, as one trial a second finds out. A server cannot be reached any more in this sense from
/// the deadline of its drain on, nor by way of a node that is drained so (rule F2).
///
/// A request of the page after one whose parallel requests were answered by different servers does not count: browsers keep the
/// cookies of the answers that came last, and the site cookie may be of one answer and the session cookie of another.
struct NoNeedlessMove {
  let recovery: Int64
  let relearning: [Int64]
  var violations = Violations()

  init(_ allowances: Allowances) {
    recovery = allowances.recovery
    relearning = allowances.relearning
  }

  /// Checks a request; true: it violates the property.
  mutating func check(_ outcome: Outcome, _ truth: inout Truth, _ names: [String]) -> Bool {
    guard !outcome.isError, !outcome.followsScatter, outcome.bound >= 0, outcome.answered >= 0,
      outcome.answered != outcome.bound,
      truth.couldKeep(
        outcome.vantage, outcome.bound, outcome.begin, outcome.end, recovery: recovery,
        relearning: relearning[outcome.entry])
    else { return false }
    violations.add(
      at: outcome.begin, user: outcome.user,
      "user \(outcome.user) was answered by \(names[Int(outcome.answered)]) although \(names[Int(outcome.bound)]), which has the session, could be reached"
    )
    return true
  }
}
