/// No error while a healthy server can be reached (rule D).
///
/// A request violates it that ended with an error (status 500 and above, or no answer at all) not of the application's own
/// making, although at every moment while it ran some server could be reached from its entry. A POST is excused when something
/// changed in the network while it ran or up to `doubt` before it began: it may have been processed by what failed, so nobody
/// may repeat it. `doubt` is the longest TCP_USER_TIMEOUT and connect time-out: for so long a request may be on its way into
/// silence.
struct NoAvoidableError {
  let doubt: Int64
  var violations = Violations()

  init(doubt: Int64) { self.doubt = doubt }

  /// Checks a request; true: it violates the property.
  mutating func check(_ outcome: Outcome, _ truth: inout Truth) -> Bool {
    guard outcome.isError, !outcome.isApplicationError, truth.isServable(outcome.entry, outcome.begin, outcome.end)
    else { return false }
    if outcome.isPost && truth.hasChanged(outcome.begin - doubt, outcome.end) { return false }
    violations.add(
      at: outcome.begin, user: outcome.user,
      "\(outcome.isPost ? "a POST" : "a GET") of user \(outcome.user) ended with \(outcome.status == 0 ? "no answer" : "status \(outcome.status)") although a server could be reached"
    )
    return true
  }
}
