import Topology

/// What the language has and a running node does not do yet. A node that would leave out what its file asks for is refused: a
/// listener without its TLS, or a cookie without its tag, is worse than none.
enum CarriedOut {
  /// What a plan asks for in vain; empty: it can be run.
  static func missing(in plan: NodePlan) -> [String] {
    var found: [String] = []
    func note(_ what: String, _ isAsked: Bool) { if isAsked { found.append(what) } }
    note("user and group", plan.user != nil || plan.group != nil)
    return found
  }

  /// Refuses a plan with something missing.
  static func require(_ plan: NodePlan) throws(DeployFailure) {
    let missing = missing(in: plan)
    guard !missing.isEmpty else { return }
    throw .configuration(
      "\(plan.name) cannot be run: this version does not carry out \(missing.joined(separator: ", ")); "
        + "remove it from the topology, or keep the file for later (check and show understand it)")
  }
}
