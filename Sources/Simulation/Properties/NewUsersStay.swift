/// New users are served by the first site that can serve them, without crossing between sites (rules B4, E2).
///
/// A request without cookies violates it that was answered without error at another site than the first of its entry's order
/// that took new users, by a direct way, at every moment from `relearning` before the request began until its answer came.
/// `relearning` is, summed over the tiers, the longest check interval and what `rise` successes take after it: for so long new
/// users may stay away from a site that has come back. An entry with a bound on its load (`capacity`, `spill`) is not checked, as
/// there load decides. A request that was passed on by a director counts only if the first site of the order took new users: a
/// director's order is its own, and how many requests take that way `InterSiteBounded` checks.
struct NewUsersStay {
  private var allowances: Allowances
  /// By entry: since when the order is what it is; not checked is who may have met another.
  private var orderedAt: [Int64]
  var violations = Violations()

  init(_ allowances: Allowances) {
    self.allowances = allowances
    orderedAt = Array(repeating: .min, count: allowances.order.count)
  }

  mutating func setOrder(_ order: [Int32], of entry: Int, at now: Int64) {
    allowances.order[entry] = order
    orderedAt[entry] = now
  }

  /// The site that takes the entry's new users on an ordinary day.
  func preferred(_ entry: Int) -> Int32 { allowances.order[entry].first ?? -1 }

  /// The entry's sites in the order in which new users go to them.
  func order(_ entry: Int) -> [Int32] { allowances.order[entry] }

  /// Checks a request; true: it violates the property.
  mutating func check(
    _ outcome: Outcome, _ truth: inout Truth, _ names: [String], siteOf: [Int32]
  ) -> Bool {
    guard outcome.isNew, !outcome.isError, outcome.answered >= 0 else { return false }
    let site = siteOf[Int(outcome.answered)]
    let begin = outcome.begin - allowances.relearning[outcome.entry]
    guard begin >= orderedAt[outcome.entry] else { return false }
    for (place, better) in allowances.order[outcome.entry].enumerated() {
      if better == site || (place > 0 && outcome.crossed) { return false }
      if truth.admits(outcome.vantage, better, begin, outcome.end) { break }
    }
    violations.add(
      at: outcome.begin, user: outcome.user,
      "new user \(outcome.user) was served by \(names[Int(outcome.answered)]) although a site before it in the order took new users"
    )
    return true
  }
}
