internal import Logging
internal import Reactor
internal import Routing
internal import Topology

/// What was learned of servers, and what is published of it.
extension Control {
  mutating func takeEvidence() {
    for (application, evidence) in shared.takeEvidence() { take(evidence, application) }
    for position in former.indices {
      // What was learned of a server by those who serve a former plan holds for it under this one, too.
      for (application, evidence) in former[position].generation.shared.takeEvidence() {
        guard let place = former[position].present[application][Int(evidence.server)] else { continue }
        take(Evidence(server: Int32(place.server), kind: evidence.kind), place.application)
      }
    }
  }

  private mutating func take(_ evidence: Evidence, _ application: Int) {
    let server = Int(evidence.server)
    switch evidence.kind {
    case .connectFailed:
      histories[application][server].failures += 1
      change(application, server, "connections fail") { $0.recordConnectFailure(now: $1) }
    case .connected: change(application, server, "connected") { $0.recordConnectSuccess(now: $1) }
    case .trialSucceeded: change(application, server, "a trial reached it") { $0.recordTrialSuccess(now: $1) }
    case .declaredDead:
      change(application, server, "it answered that it has no server to offer") {
        $0.record(.liveness, statement: MonitorStatement(admit: false, alive: false), now: $1).union(.checkSoon)
      }
    case .hinted:
      let site = sites[application][server]
      hintedAt[application][site] = now
      for other in sites[application].indices where sites[application][other] == site {
        checkSoon(application, other)
      }
    }
  }

  /// Lets the health machine take something in, and publishes and logs what came of it.
  mutating func change(
    _ application: Int, _ server: Int, _ cause: String, _ body: (inout ServerHealth, Int64) -> HealthChange
  ) {
    let before = health[application][server]
    let change = body(&health[application][server], now)
    if change.contains(.checkSoon) { checkSoon(application, server) }
    guard change.mustPublish else { return }
    publish(application, server)
    if change.contains(.slowStart) { growing.append((application, server)) }
    let after = health[application][server]
    let name = shared.plan.applications[application].pool.servers[server].name
    if before.liveness != after.liveness || before.admit != after.admit || before.enabled != after.enabled {
      remember(application, server, cause)
    }
    if before.liveness != after.liveness || before.admit != after.admit {
      let word =
        switch after.liveness {
        case .alive: after.admit ? "up" : "up for its own users only"
        case .unreachable: "down"
        case .declaredDead: "down by its own word"
        }
      let line: Logger.Message = "\(shared.plan.name): \(name) is \(word): \(cause)"
      if after.liveness == .alive { logger.notice(line) } else { logger.warning(line) }
      let state =
        switch after.liveness {
        case .alive: after.admit ? "up" : "own-users"
        case .unreachable: "down"
        case .declaredDead: "declared-down"
        }
      tell(server: name, state: state, cause: cause)
    }
  }

  /// Another process of the node may have been told what is known here, and tells what changes from then on; or one may have been started
  /// while this one does not listen.
  private var mayBeToldByOthers: Bool { hasToldState || isHandedOver || pause != .listening }

  /// Tells of a change, unless another process may: then when it is sure that none does, and only how it is in the end.
  private mutating func tell(server: String, state: String, cause: String) {
    guard mayBeToldByOthers else {
      notices?.post(server: server, state: state, cause: cause)
      return
    }
    if isHandedOver || notices == nil { return }
    heldNotices.removeAll { $0.server == server }
    heldNotices.append((server, state, cause))
  }

  /// This process alone is the node again.
  mutating func tellHeld() {
    if mayBeToldByOthers { return }
    for held in heldNotices { notices?.post(server: held.server, state: held.state, cause: held.cause) }
    heldNotices = []
  }

  func publish(_ application: Int, _ server: Int) {
    let seed = StableHash.combine(StableHash.hash(shared.plan.name), UInt64(server))
    let snapshot = HealthSnapshot(health[application][server], now: now, jitterSeed: seed)
    if shared.applications[application].publish(Int32(server), snapshot) { shared.wakeWorkers() }
    for known in former {
      guard let place = known.past(application, server) else { continue }
      let pool = known.generation.shared.applications[place.application]
      if pool.publish(Int32(place.server), snapshot) { known.generation.shared.wakeWorkers() }
    }
  }

  mutating func republishGrowing() {
    for (application, server) in growing { publish(application, server) }
    let now = self.now
    let health = self.health
    let name = shared.plan.name
    growing.removeAll { entry in
      let seed = StableHash.combine(StableHash.hash(name), UInt64(entry.server))
      return !health[entry.application][entry.server].isStartingSlowly(now: now, jitterSeed: seed)
    }
  }

  /// A moment later, so that what the other side has just learned has reached its monitor.
  static let soon: Int64 = 20_000_000

  mutating func checkSoon(_ application: Int, _ server: Int) {
    for probe in probesOf[application][server] {
      if probes[probe].phase == .waiting {
        wheel.armNoLater(probe, at: now + Self.soon)
      } else {
        probes[probe].isDueAgain = true
      }
    }
  }
}
