internal import CReactor
internal import Logging
internal import Operations
internal import Routing
internal import Synchronization
internal import Topology

/// What is remembered of a server for those who ask.
struct ServerHistory {
  /// When its state last changed, nanoseconds since 1970.
  var since: Int64
  var reason = Self.unknown
  static let unknown = "not looked at yet"
  /// When the last check that has ended began, nanoseconds since 1970, and whether it succeeded.
  var admission: (began: Int64, succeeded: Bool)?
  var liveness: (began: Int64, succeeded: Bool)?
  /// Since the start: connections that failed, and how often it went down.
  var failures = 0
  var timesDown = 0
  var isAlive = true
}

/// What the operator wants of the node itself: its monitor says so to the tiers in front (rule F2).
struct NodeOrder {
  var state = OperatorState.ready
  /// Seconds since 1970.
  var deadline: Int64?
  /// Nanoseconds since 1970.
  var since: Int64
  var reason = ""
}

/// Commands, carried out on the control thread, which owns what they are about.
extension Control {
  mutating func takeCommands() {
    for ticket in shared.administration.take() {
      switch ticket.command {
      case .help: ticket.answer(.done(AdminCommand.summary))
      // Posted before the thread of commands was told that (`AdminThread.isHandingOver`): the process that takes over knows nothing of it.
      case _ where isHandedOver, .order where hasToldState: ticket.answer(.refused(AdminReply.takenOver))
      case .status(let asJSON): ticket.answer(.status(status(), asJSON: asJSON))
      case .order(let order): ticket.answer(performEverywhere(order))
      case .reload: reload(for: ticket)
      case .pause: ticket.answer(pauseListening())
      case .resume: resumeListening(for: ticket)
      }
    }
  }

  /// In this process, and in those before that finish what they have: who waits there for a server obeys, too.
  private mutating func performEverywhere(_ order: AdminOrder) -> AdminReply {
    let reply = perform(order)
    if case .refused = reply { return reply }
    var known = order
    known.deadline = order.deadlineSeconds(nowNanoseconds: cr_realtime()).map { .at($0) }
    tellProcessesBefore(.order, AdminCommand.order(known).line)
    return reply
  }

  /// Carries an order out.
  /// - Parameter isToldAlready: the process that has taken over has said so in the log.
  @discardableResult
  mutating func perform(_ order: AdminOrder, isToldAlready: Bool = false) -> AdminReply {
    let plan = shared.plan
    if let name = order.application, !plan.applications.contains(where: { $0.name == name }) {
      return .refused("\(plan.name) has no application \"\(name)\"")
    }
    let deadline = order.deadlineSeconds(nowNanoseconds: cr_realtime())
    if order.target == plan.name {
      guard order.application == nil else { return .refused("a node is drained for all its applications") }
      guard plan.monitor != nil || order.state == .ready else {
        return .refused("\(plan.name) has no monitor, so nobody would learn of it")
      }
      nodeOrder = NodeOrder(state: order.state, deadline: deadline, since: cr_realtime(), reason: order.reason)
      logger.notice("\(plan.name): \(order.words(deadline)), by command\(order.because)")
      return .done("\(plan.name): \(order.words(deadline))")
    }
    var count = 0
    for (application, planned) in plan.applications.enumerated()
    where order.application == nil || order.application == planned.name {
      for server in planned.pool.servers.indices where planned.pool.servers[server].name == order.target {
        count += 1
        let cause = order.reason.isEmpty ? "by command" : "by command\(order.because)"
        change(application, server, cause) { $0.setEnabled(order.state, drainDeadline: deadline, now: $1) }
        // Who orders again what holds already has a reason of today.
        if order.state != .ready { histories[application][server].reason = cause }
      }
    }
    guard count > 0 else {
      let names = [plan.name] + plan.applications.flatMap { $0.pool.servers.map(\.name) }
      let nearest = nearestSpelling(of: order.target, among: names).map { "; did you mean \"\($0)\"?" } ?? ""
      return .refused("\(plan.name) has no server \"\(order.target)\"\(nearest)")
    }
    if !isToldAlready {
      logger.notice("\(plan.name): \(order.target): \(order.words(deadline)), by command\(order.because)")
    }
    return .done("\(order.target): \(order.words(deadline))")
  }

  // MARK: What is told

  /// Remembers a change of a server's state and its cause.
  mutating func remember(_ application: Int, _ server: Int, _ cause: String) {
    histories[application][server].since = cr_realtime()
    histories[application][server].reason = cause
    let isAlive = health[application][server].liveness == .alive
    if histories[application][server].isAlive && !isAlive { histories[application][server].timesDown += 1 }
    histories[application][server].isAlive = isAlive
  }

  /// Remembers the end of a check that began at a time of the monotonic clock.
  mutating func remember(_ check: HealthCheck, of application: Int, _ server: Int, began: Int64, succeeded: Bool) {
    let result = (began: cr_realtime() - (cr_monotonic() - began), succeeded: succeeded)
    switch check {
    case .admission: histories[application][server].admission = result
    case .liveness: histories[application][server].liveness = result
    }
    if succeeded, histories[application][server].reason == ServerHistory.unknown {
      histories[application][server].reason = "up since the start"
    }
  }

  private func status() -> NodeStatus {
    let plan = shared.plan
    let pools = plan.applications.indices.map { application in
      let servers = plan.applications[application].pool.servers
      return NodeStatus.Pool(
        application: plan.applications[application].name, servers: servers.indices.map { status(application, $0) })
    }
    let phase =
      switch shared.phase {
      case .running: pause == .listening ? "running" : "paused"
      case .draining: "draining"
      case .stopping: "stopping"
      // For a moment, while another plan takes over.
      case .retiring: "running"
      }
    return NodeStatus(
      node: plan.name, role: plan.role.rawValue, network: plan.network, digest: shared.digest, phase: phase,
      state: nodeOrder.state.word, deadline: nodeOrder.deadline, since: nodeOrder.since / 1_000_000,
      reason: nodeOrder.reason, clients: shared.connections.count,
      now: cr_realtime() / 1_000_000, pools: pools, counters: shared.counts, handshakes: shared.secrets?.handshakes,
      processesBefore: countProcessesBefore())
  }

  private func status(_ application: Int, _ server: Int) -> NodeStatus.Server {
    let plan = shared.plan.applications[application].pool.servers[server]
    let health = health[application][server]
    let history = histories[application][server]
    let snapshot = shared.applications[application].health.snapshot(Int32(server))
    let word =
      switch health.liveness {
      case .alive: health.admit ? "up" : "own-users"
      case .unreachable: "down"
      case .declaredDead: "declared-down"
      }
    var checks: [NodeStatus.Check] = []
    if plan.admission != nil { checks.append(.init("admission", history.admission)) }
    if plan.liveness != nil { checks.append(.init("liveness", history.liveness)) }
    return NodeStatus.Server(
      name: plan.name, site: plan.site, address: plan.address.serviceText, tier: plan.tier, state: health.enabled.word,
      health: word, deadline: health.drainDeadline,
      weight: Double(snapshot.weight) / Double(ServerHealth.weightScale), plannedWeight: Double(plan.weight),
      inFlight: Int(shared.applications[application].loads.inFlight(Int32(server)))
        + inFlightBefore(application, server),
      maxConnections: plan.maxConnections, since: history.since / 1_000_000, reason: history.reason, checks: checks,
      requests: Int(clamping: shared.applications[application].loads.taken(Int32(server))), failures: history.failures,
      timesDown: history.timesDown)
  }
}

extension NodeStatus.Check {
  fileprivate init(_ kind: String, _ result: (began: Int64, succeeded: Bool)?) {
    self.init(kind: kind, began: result.map { $0.began / 1_000_000 }, succeeded: result?.succeeded ?? false)
  }
}

extension OperatorState {
  /// As commands and answers name it.
  fileprivate var word: String {
    switch self {
    case .ready: "ready"
    case .drain: "drain"
    case .maintenance: "maintain"
    }
  }
}

extension AdminOrder {
  /// What holds now.
  fileprivate func words(_ deadline: Int64?) -> String {
    switch state {
    case .ready: "all users"
    case .drain: "its own users only" + (deadline.map { ", until \($0)" } ?? "")
    case .maintenance: "nobody"
    }
  }

  fileprivate var because: String { reason.isEmpty ? "" : ": \(reason)" }
}
