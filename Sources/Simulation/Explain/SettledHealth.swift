internal import Routing
internal import Topology

/// What every node believes once all its checks have noticed what is broken: the health machines of Routing, fed with the
/// results that checks have from then on.
struct SettledHealth {
  private let topology: Topology
  private let faults: NetworkFaults
  /// By node, then application (as the node's plan lists them), then candidate.
  private var health: [String: [[ServerHealth]]] = [:]
  private var plans: [String: NodePlan] = [:]

  /// A day after the start: every check has had its time.
  static let now: Int64 = 86_400_000_000_000

  init(_ topology: Topology, _ faults: NetworkFaults) throws(PlanError) {
    self.topology = topology
    self.faults = faults
    // Monitors speak of what stands behind them, so those behind come first.
    for role in [NodeRole.siteBalancer, .siteDirector, .officeProxy, .relay] {
      for node in topology.nodes where node.role == role {
        let plan = try topology.plan(for: node.name)
        plans[node.name] = plan
        health[node.name] = plan.applications.map { application in
          application.pool.servers.map { settled($0, application.name, at: plan.site ?? node.name) }
        }
      }
    }
  }

  /// What a node believes of a candidate.
  func health(of server: Int, application: Int, at node: String) -> ServerHealth? {
    health[node]?[application][server]
  }

  private func settled(_ server: ServerPlan, _ application: String, at place: String) -> ServerHealth {
    var health = ServerHealth(plan: server)
    let reach = faults.reach(server.name, from: place, to: server.site)
    for (which, check) in [(HealthCheck.liveness, server.liveness), (.admission, server.admission)] {
      guard let check else { continue }
      guard reach == .connected, topology.passes(check.address, faults), passes(check, server, application) else {
        for _ in 0..<max(1, check.fall) { _ = health.record(which, success: false, now: Self.now) }
        continue
      }
      if case .monitor = check.kind {
        _ = health.record(which, statement: statement(of: server.name, application), now: Self.now)
      } else {
        _ = health.record(which, success: true, now: Self.now)
      }
    }
    return health
  }

  /// What the monitor of a node answers: whether anybody is alive behind it, in any of its applications.
  func monitorIsGood(of node: String) -> Bool {
    plans[node]?.applications.contains { statement(of: node, $0.name).alive } ?? false
  }

  /// Whether a check that is answered is passed: a request to a node without a monitor fails when it has nobody behind it.
  private func passes(_ check: CheckPlan, _ server: ServerPlan, _ application: String) -> Bool {
    guard case .http = check.kind, server.isNode else { return true }
    return candidates(of: server.name, application).contains { $0.health.takesOwnUsers }
  }

  /// What the monitor of a node says of an application (rule E1).
  private func statement(of node: String, _ application: String) -> MonitorStatement {
    var statement = MonitorStatement.nobody
    guard let plan = plans[node] else { return statement }
    for candidate in candidates(of: node, application)
    where plan.role != .siteDirector || candidate.plan.site == plan.site {
      statement.include(candidate.health, weight: candidate.plan.weight, seconds: 0)
    }
    return statement
  }

  private func candidates(of node: String, _ application: String) -> [(plan: ServerPlan, health: ServerHealth)] {
    guard let plan = plans[node], let index = plan.applications.firstIndex(where: { $0.name == application }),
      let known = health[node]
    else { return [] }
    return Array(zip(plan.applications[index].pool.servers, known[index]))
  }
}
