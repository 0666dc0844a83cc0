internal import Routing
internal import Topology

/// Checks, and what is believed because of them: as the proxy's control thread does (`Prober`, `Monitor`, `Control`).
extension Run {
  mutating func probeBegins(_ index: Int32) {
    let probe = probes + Int(index)
    let state = poolStates + Int(probe.pointee.pool)
    // The next start of the node begins its checks anew.
    guard world.elements[Int(state.pointee.node)].isUp else { return }
    let candidate = candidate(probe.pointee.pool, probe.pointee.server)
    probe.pointee.began = now
    probe.pointee.isRunning = true
    probe.pointee.token &+= 1
    let roundTrips: Int64 = probe.pointee.isConnect ? 1 : 2
    var delay = roundTrips * 2 * world.latency(candidate.pointee.path)
    delay += world.elements[Int(candidate.pointee.element)].slowness
    delay += world.exchangeDelay(candidate.pointee.path, first: ModelTimes.handshakeRetransmission)
    if !probe.pointee.isConnect {
      delay += world.exchangeDelay(candidate.pointee.path, first: ModelTimes.retransmission)
    }
    schedule(.probeEnd, index, token: probe.pointee.token, at: now + min(delay, probe.pointee.timeout))
  }

  mutating func probeEnds(_ index: Int32) {
    let probe = probes + Int(index)
    let state = poolStates + Int(probe.pointee.pool)
    guard world.elements[Int(state.pointee.node)].isUp else { return }
    let candidate = candidate(probe.pointee.pool, probe.pointee.server)
    let element = world.elements + Int(candidate.pointee.element)
    let path = candidate.pointee.path
    let isOpen =
      !isSilenced(probe.pointee.relay, element.pointee)
      && world.passes(path, from: state.pointee.node, to: candidate.pointee.element)
      && world.returns(path, from: candidate.pointee.element, to: state.pointee.node)
    if now - probe.pointee.began >= probe.pointee.timeout { return probeFinished(index, success: false) }
    guard isOpen else {
      return schedule(.probeEnd, index, token: probe.pointee.token, at: probe.pointee.began + probe.pointee.timeout)
    }
    guard answersCheck(probe, candidate, element) else { return probeFinished(index, success: false) }
    if probe.pointee.isMonitor {
      let said = statement(candidate.pointee.element, probe.pointee.pool)
      if behaviour.contains(.withoutStatements) {
        return probeFinished(index, success: said.alive || state.pointee.isOffice)
      }
      probeStated(index, said)
    } else {
      probeFinished(index, success: true)
    }
  }

  /// Whether what a check asks does not even refuse: the target's machine, or the relay's before it, has no power.
  mutating func isSilenced(_ relay: Int32, _ element: World.ElementState) -> Bool {
    guard relay >= 0 else { return !element.isPowered }
    return !world.relays[Int(relay)].isPowered || (network.relays[Int(relay)].sharesMachine && !element.isPowered)
  }

  /// Whether the process is there, and the port that is asked.
  private mutating func answersCheck(
    _ probe: UnsafeMutablePointer<Probe>, _ candidate: UnsafeMutablePointer<CandidateState>,
    _ element: UnsafeMutablePointer<World.ElementState>
  ) -> Bool {
    if probe.pointee.relay >= 0 {
      guard world.relays[Int(probe.pointee.relay)].isUp else { return false }
      // A relay takes every connection; whether somebody is behind it shows only to those who say something. Who drains a server whose
      // admission port it makes, or stops it softly, stops the relay.
      if probe.pointee.isConnect { return probe.pointee.which == .liveness || element.pointee.admits }
    }
    guard element.pointee.isUp else { return false }
    // A soft stop closes the monitor at once; a drained server closes its admission port.
    if probe.pointee.isMonitor { return element.pointee.softStops == 0 }
    if !probe.pointee.isConnect && element.pointee.pagesGone > 0 { return false }
    return probe.pointee.which == .liveness || element.pointee.admits
  }

  /// What a node's monitor says of an application (rule E1).
  mutating func statement(_ node: Int32, _ asking: Int32) -> MonitorStatement {
    let pool = poolOf(node, network.pools[Int(asking)].application)
    var said = MonitorStatement.nobody
    guard pool >= 0 else { return said }
    let state = poolStates + Int(pool)
    for server in 0..<state.pointee.candidateCount {
      let position = Int(state.pointee.firstCandidate + server)
      guard candidates[position].isSpokenFor else { continue }
      said.include(health[position], weight: Int(candidates[position].weight), seconds: now / 1_000_000_000)
    }
    let element = world.elements[Int(node)]
    if !element.admits { said.admit = false }
    if element.drains > 0 && element.drainDeadline > 0 { said.drainDeadline = element.drainDeadline }
    return said
  }

  private mutating func probeStated(_ index: Int32, _ statement: MonitorStatement) {
    let probe = probes + Int(index)
    let candidate = candidate(probe.pointee.pool, probe.pointee.server)
    if probe.pointee.began > hintTime(probe.pointee.pool, candidate.pointee.poolSite) {
      shared[Int(probe.pointee.pool)].hints.end(site: Int(candidate.pointee.poolSite), by: statement)
    }
    let which = probe.pointee.which
    let change = health[position(probe.pointee.pool, probe.pointee.server)].record(
      which, statement: statement, now: now)
    changed(probe.pointee.pool, probe.pointee.server, change)
    probeRests(index, success: true, settled: statement.alive)
  }

  private mutating func probeFinished(_ index: Int32, success: Bool) {
    let probe = probes + Int(index)
    let which = probe.pointee.which
    let change = health[position(probe.pointee.pool, probe.pointee.server)].record(which, success: success, now: now)
    changed(probe.pointee.pool, probe.pointee.server, change)
    probeRests(index, success: success, settled: true)
  }

  private mutating func probeRests(_ index: Int32, success: Bool, settled: Bool) {
    let probe = probes + Int(index)
    probe.pointee.isRunning = false
    _ = probe.pointee.state.record(success: success, now: now)
    let delay = settled ? probe.pointee.state.nextDelay(random: &probe.pointee.random) : probe.pointee.downInterval
    probe.pointee.token &+= 1
    let rest = probe.pointee.isDueAgain ? min(delay, ModelTimes.checkSoon) : delay
    probe.pointee.isDueAgain = false
    probe.pointee.due = now + max(rest, Self.restShortest)
    if success && !probe.pointee.isMonitor { passUneventful(probe) }
    schedule(.probe, index, token: probe.pointee.token, at: probe.pointee.due)
  }

  private static let restShortest: Int64 = 1_000_000

  /// On a quiet day the checks of a server at the node's own site find what is known: those that end before the next change of the
  /// network are gone through at once.
  private mutating func passUneventful(_ probe: UnsafeMutablePointer<Probe>) {
    guard isQuiet else { return }
    let candidate = candidate(probe.pointee.pool, probe.pointee.server)
    let element = world.elements + Int(candidate.pointee.element)
    let length = (probe.pointee.isConnect ? 2 : 4) * world.latency(candidate.pointee.path)
    guard candidate.pointee.path.link < 0, length < probe.pointee.timeout, element.pointee.isUp, element.pointee.admits,
      element.pointee.pagesGone == 0,
      probe.pointee.relay < 0 || world.relays[Int(probe.pointee.relay)].isUp, probe.pointee.state.isSettled,
      health[position(probe.pointee.pool, probe.pointee.server)].isSettled(probe.pointee.which)
    else { return }
    let bound = min(nextChangeAt, end)
    while probe.pointee.due + length < bound {
      probe.pointee.due +=
        length + max(probe.pointee.state.nextDelay(random: &probe.pointee.random), Self.restShortest)
    }
  }

  /// Nothing has failed for so long that no attempt is left that could find something out.
  private var isQuiet: Bool {
    activeFaults == 0 && now - record.disturbedAt > longestConnect && !options.stepByStep
  }

  @inline(__always)
  func position(_ pool: Int32, _ server: Int32) -> Int { Int(poolStates[Int(pool)].firstCandidate + server) }

  // MARK: Evidence and publishing

  private mutating func hintTime(_ pool: Int32, _ site: Int32) -> Int64 {
    hintedAt[Int(poolStates[Int(pool)].firstCandidate + site)]
  }

  /// What requests found out reaches the health machines at once; the proxy's control thread takes it a moment later.
  @inline(never)
  mutating func takeEvidence(_ pool: Int32) {
    let found = pools[Int(pool)].takeEvidence()
    if behaviour.contains(.withoutEvidence) { return }
    for evidence in found {
      if evidence.kind == .hinted {
        let site = candidate(pool, evidence.server).pointee.poolSite
        hintedAt[Int(poolStates[Int(pool)].firstCandidate + site)] = now
        for server in 0..<poolStates[Int(pool)].candidateCount where candidate(pool, server).pointee.poolSite == site {
          checkSoon(pool, server)
        }
      }
      let change = health[position(pool, evidence.server)].record(evidence.kind, now: now)
      changed(pool, evidence.server, change)
    }
  }

  /// Publishes what has changed about a candidate.
  mutating func changed(_ pool: Int32, _ server: Int32, _ change: HealthChange) {
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
    if !awaited.isEmpty { detected(pool, server) }
  }

  mutating func publish(_ pool: Int32, _ server: Int32) {
    let seed = network.pools[Int(pool)].candidates[Int(server)].jitterSeed
    let snapshot = HealthSnapshot(health[position(pool, server)], now: now, jitterSeed: seed)
    shared[Int(pool)].publish(server, snapshot)
  }

  mutating func grow() {
    growthIsScheduled = false
    var left: [CandidateReference] = []
    for entry in growing {
      publish(entry.pool, entry.server)
      let seed = network.pools[Int(entry.pool)].candidates[Int(entry.server)].jitterSeed
      if health[position(entry.pool, entry.server)].isStartingSlowly(now: now, jitterSeed: seed) { left.append(entry) }
    }
    growing = left
    if !growing.isEmpty {
      growthIsScheduled = true
      schedule(.growth, 0, at: now + ModelTimes.growth)
    }
  }

  private mutating func checkSoon(_ pool: Int32, _ server: Int32) {
    let state = poolStates[Int(pool)]
    for index in state.firstCheck..<state.firstCheck + state.checkCount where probes[Int(index)].server == server {
      let probe = probes + Int(index)
      let time = now + ModelTimes.checkSoon
      if probe.pointee.isRunning { probe.pointee.isDueAgain = true }
      guard !probe.pointee.isRunning, time < probe.pointee.due else { continue }
      probe.pointee.token &+= 1
      probe.pointee.due = time
      schedule(.probe, index, token: probe.pointee.token, at: time)
    }
  }

  // MARK: Drains by the operator, where no check can show them

  /// Balancers are told of a drained server that has no admission port to close, and of a deadline, for which a check has no
  /// words. `deadline`: in seconds; 0: none.
  mutating func setDrain(_ element: Int32, _ isDrained: Bool, deadline: Int64) {
    for user in network.users[element] {
      let model = network.pools[Int(user.pool)]
      guard model.role == .siteBalancer else { continue }
      let isTold = deadline > 0 || model.plan.pool.servers[Int(user.server)].admission == nil
      let change = health[position(user.pool, user.server)].setEnabled(
        isDrained && isTold ? .drain : .ready, drainDeadline: deadline > 0 ? deadline : nil, now: now)
      changed(user.pool, user.server, change)
    }
  }
}
