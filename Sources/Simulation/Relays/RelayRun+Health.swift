internal import Routing
internal import Topology

/// One check of one server of a relay.
struct CheckInProgress {
  var state: CheckState
  var pool: Int32
  var server: Int32
  /// Whom it asks, and at which port.
  var element: Int32
  var port: UInt16
  var timeout: Int64
  var isConnect: Bool
  var detectionBound: Int64
  var began: Int64 = 0
  /// When the next one begins, while none runs.
  var due: Int64 = 0
  var token: UInt32 = 0
  var isRunning = false
  /// Something was learned while it ran: another follows soon.
  var isDueAgain = false
  var random = RandomStream(seed: 0, hash: 0)
}

/// Checks, and what is believed because of them: as the proxy's control thread does.
extension RelayRun {
  mutating func layOutChecks() {
    for (pool, model) in network.pools.enumerated() {
      firstCheck.append(checks.count)
      for (server, candidate) in model.candidates.enumerated() {
        guard let check = candidate.check else { continue }
        checks.append(
          CheckInProgress(
            state: initialState(check), pool: Int32(pool), server: Int32(server),
            element: check.element, port: check.port, timeout: check.model.timeout, isConnect: check.isConnect,
            detectionBound: check.model.detectionBound))
      }
    }
    firstCheck.append(checks.count)
  }

  private func initialState(_ check: RelayCheck) -> CheckState {
    let plan = check.model.plan
    return CheckState(plan: options.behaviour.contains(.withoutFastChecks) ? plan.even : plan, initiallyUp: true)
  }

  mutating func startChecks(_ pool: Int32) {
    let relay = Int(network.pools[Int(pool)].relay)
    for index in firstCheck[Int(pool)]..<firstCheck[Int(pool) + 1] {
      let server = Int(checks[index].server)
      guard let check = network.pools[Int(pool)].candidates[server].check else { continue }
      checks[index].state = initialState(check)
      checks[index].isRunning = false
      checks[index].isDueAgain = false
      checks[index].token &+= 1
      checks[index].random = RandomStream(seed: relayRandom[relay].next(), hash: 0)
      checks[index].due = now + checks[index].state.firstDelay(random: &checks[index].random)
      schedule(.check, Int32(index), token: checks[index].token, at: checks[index].due)
    }
  }

  private func relayRuns(_ index: Int) -> Bool { world[Int(network.pools[Int(checks[index].pool)].relay)].isUp }

  mutating func checkBegins(_ index: Int) {
    // The next start of the relay begins its checks anew.
    guard relayRuns(index) else { return }
    checks[index].began = now
    checks[index].isRunning = true
    checks[index].token &+= 1
    let target = world[Int(checks[index].element)]
    let delay = checks[index].isConnect ? 2 * ModelTimes.local : 4 * ModelTimes.local + target.slowness
    schedule(
      .checkEnds, Int32(index), token: checks[index].token, at: now + min(delay, checks[index].timeout))
  }

  mutating func checkEnds(_ index: Int) {
    guard relayRuns(index) else { return }
    let check = checks[index]
    let isLate = now - check.began >= check.timeout
    if !isLate && !world[Int(check.element)].isPowered {
      return schedule(.checkEnds, Int32(index), token: check.token, at: check.began + check.timeout)
    }
    let success = !isLate && passes(check)
    let change = health[Int(check.pool)][Int(check.server)].record(.liveness, success: success, now: now)
    changed(check.pool, check.server, change)
    checks[index].isRunning = false
    _ = checks[index].state.record(success: success, now: now)
    let delay = checks[index].state.nextDelay(random: &checks[index].random)
    let rest = checks[index].isDueAgain ? min(delay, ModelTimes.checkSoon) : delay
    checks[index].isDueAgain = false
    checks[index].token &+= 1
    checks[index].due = now + max(rest, 1_000_000)
    schedule(.check, Int32(index), token: checks[index].token, at: checks[index].due)
  }

  /// What a check finds as things are: a relay takes every connection, what is behind it shows only to those who say something.
  func passes(_ check: CheckInProgress) -> Bool {
    let target = world[Int(check.element)]
    guard target.isUp else { return false }
    if check.isConnect { return true }
    guard target.slowness + 4 * ModelTimes.local < check.timeout else { return false }
    guard Int(check.element) < network.relayCount else { return true }
    guard let next = network.nextPool(check.element, for: check.pool) else { return false }
    return someServer(of: next, port: check.port, since: now, depth: 1)
  }

  // MARK: Evidence and publishing

  /// What connections found out reaches the health machines at once; the proxy's control thread takes it a moment later.
  mutating func takeEvidence(_ pool: Int32) {
    let found = pools[Int(pool)].takeEvidence()
    if options.behaviour.contains(.withoutEvidence) { return }
    for evidence in found {
      let change = health[Int(pool)][Int(evidence.server)].record(evidence.kind, now: now)
      changed(pool, evidence.server, change)
    }
  }

  private mutating func changed(_ pool: Int32, _ server: Int32, _ change: HealthChange) {
    if change.contains(.checkSoon) { checkSoon(pool, server) }
    guard change.mustPublish else { return }
    publish(pool, server)
    if change.contains(.slowStart) {
      growing.append(CandidateReference(pool: pool, server: server))
      if !growthIsScheduled {
        growthIsScheduled = true
        schedule(.growth, 0, at: now + ModelTimes.growth)
      }
    }
    if !awaited.isEmpty { dropAnsweredDetections() }
  }

  private func jitterSeed(_ pool: Int32, _ server: Int32) -> UInt64 {
    network.pools[Int(pool)].candidates[Int(server)].jitterSeed
  }

  private mutating func publish(_ pool: Int32, _ server: Int32) {
    let snapshot = HealthSnapshot(
      health[Int(pool)][Int(server)], now: now, jitterSeed: jitterSeed(pool, server))
    shared[Int(pool)].publish(server, snapshot)
  }

  mutating func grow() {
    growthIsScheduled = false
    var left: [CandidateReference] = []
    for entry in growing {
      publish(entry.pool, entry.server)
      let isCold = health[Int(entry.pool)][Int(entry.server)].isStartingSlowly(
        now: now, jitterSeed: jitterSeed(entry.pool, entry.server))
      if isCold { left.append(entry) }
    }
    growing = left
    guard !growing.isEmpty else { return }
    growthIsScheduled = true
    schedule(.growth, 0, at: now + ModelTimes.growth)
  }

  private mutating func checkSoon(_ pool: Int32, _ server: Int32) {
    for index in firstCheck[Int(pool)]..<firstCheck[Int(pool) + 1] where checks[index].server == server {
      let time = now + ModelTimes.checkSoon
      if checks[index].isRunning { checks[index].isDueAgain = true }
      guard !checks[index].isRunning, time < checks[index].due else { continue }
      checks[index].token &+= 1
      checks[index].due = time
      schedule(.check, Int32(index), token: checks[index].token, at: time)
    }
  }
}
