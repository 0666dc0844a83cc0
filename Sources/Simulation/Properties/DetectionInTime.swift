/// Failures are seen within the bound that the checks give (rule C1).
///
/// A check violates it that fails from a moment on without a break (its target is dead, silent, or has closed what the check
/// asks), while the checker runs, and whose verdict has not changed after one interval with its jitter, plus the time-out, plus
/// for each further failure of `fall` the fast interval with its jitter and the time-out, plus 100 ms.
struct DetectionInTime {
  var violations = Violations()

  /// The bound is over, and nothing was seen.
  mutating func missed(node: String, target: String, since: Int64, bound: Int64) {
    violations.add(
      at: bound, user: nil,
      "\(node) has not seen within \((bound - since) / 1_000_000) ms that \(target) has failed")
  }
}
