/// No user who was moved moves back while the session lasts (rule F1).
///
/// A request violates it that was answered without error by one of the last two servers the user had left within the visit,
/// although the one the user had gone to could be reached from the user's entry as `NoNeedlessMove` says. A request that began before the user was where the user is
/// now does not count: it is of the same page, or older. Nor does one of the page after one whose parallel requests were answered by
/// different servers: browsers keep the cookies of the answers that came last.
struct NoMoveBack {
  var violations = Violations()

  /// Checks a request; true: it violates the property.
  mutating func check(_ outcome: Outcome, recovery: Int64, relearning: Int64, _ truth: inout Truth, _ names: [String])
    -> Bool
  {
    guard !outcome.isError, !outcome.isOlder, !outcome.followsScatter, outcome.current >= 0, outcome.answered >= 0,
      outcome.hadLeft,
      outcome.answered != outcome.current,
      truth.couldKeep(
        outcome.vantage, outcome.current, outcome.begin, outcome.end, recovery: recovery, relearning: relearning)
    else { return false }
    violations.add(
      at: outcome.begin, user: outcome.user,
      "user \(outcome.user) was moved back from \(names[Int(outcome.current)]) to \(names[Int(outcome.answered)])")
    return true
  }
}
