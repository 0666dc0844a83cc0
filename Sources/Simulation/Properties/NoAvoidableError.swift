/// No error while a healthy server can be reached (rule D).
///
/// A request violates it that ended with an error (status 500 and above, or no answer at all) not of the application's own
/// making, although at every moment from `recovery` (as of `NoNeedlessMove`) before it began until it ended some server could be
/// reached from its entry by one and the same way. (When everything is believed down, one request tries the first candidate and
/// others only as trials, one a second: rule C3.) A POST is excused when something
/// changed in the network while it ran or up to `doubt` before it began: it may have been processed by what failed, so nobody
/// may repeat it. `doubt` is the longest TCP_USER_TIMEOUT and connect time-out: for so long a request may be on its way into
/// silence. So is a request that was broken off by the end of the node it had entered by: there are others for the next one.
/// The same holds where an entry's nodes share an address, when that moved. A 504 is excused when the request or its answer went
/// over a link that loses packets: TCP repeats them at ever longer intervals, and nobody repeats a request whose connection stands
/// and whose answer is late. A request that met a bound on load is excused, too: that of a
/// queue, of a site's capacity, or of retries at the same time (rules C6, D2, D4).
struct NoAvoidableError {
  let recovery: Int64
  let doubt: Int64
  let patience: Int64
  var violations = Violations()

  init(_ allowances: Allowances) {
    recovery = allowances.recovery
    doubt = allowances.doubt
    patience = allowances.patience
  }

  /// Checks a request; true: it violates the property.
  mutating func check(_ outcome: Outcome, _ truth: inout Truth) -> Bool {
    guard outcome.isError, !outcome.isApplicationError, !outcome.wasOverloaded,
      truth.isServable(outcome.vantage, outcome.begin - recovery, outcome.end)
    else { return false }
    if outcome.isPost && truth.hasChanged(outcome.begin - doubt, outcome.end) { return false }
    if outcome.status == 0 && truth.hasFallen(outcome.entry, outcome.begin, outcome.end) { return false }
    if outcome.status == 504 && outcome.wasLossy { return false }
    violations.add(
      at: outcome.begin, user: outcome.user,
      "\(outcome.isPost ? "a POST" : "a GET") of user \(outcome.user) ended with \(outcome.status == 0 ? "no answer" : "status \(outcome.status)") although a server could be reached"
    )
    return true
  }

  /// A request that has not ended with the scenario violates the property, too, if every time-out should have ended it.
  mutating func missed(user: Int, vantage: Int, begin: Int64, end: Int64, _ truth: inout Truth) {
    guard end - begin > patience, truth.isServable(vantage, begin - recovery, end) else { return }
    violations.add(
      at: begin, user: user,
      "a request of user \(user) had no answer after \((end - begin) / 1_000_000_000) s, when the scenario ended")
  }
}
