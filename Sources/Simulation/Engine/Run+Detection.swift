internal import Routing
internal import Topology

/// A check that has to notice a failure, and until when.
struct AwaitedDetection {
  var probe: Int32
  var pool: Int32
  var server: Int32
  var which: HealthCheck
  var since: Int64
  var bound: Int64
}

/// Who has to notice what has changed, and the phases that follow from it.
extension Run {
  /// Whether a check fails as things are.
  private mutating func fails(_ probe: Int32) -> Bool {
    let item = probes[Int(probe)]
    let candidate = candidate(item.pool, item.server)
    let node = poolStates[Int(item.pool)].node
    let element = world.elements[Int(candidate.pointee.element)]
    if isSilenced(item.relay, element) { return true }
    if item.relay >= 0 && !world.relays[Int(item.relay)].isUp { return true }
    // A relay takes every connection.
    if !element.isUp && !(item.relay >= 0 && item.isConnect) { return true }
    if !world.passes(candidate.pointee.path, from: node, to: candidate.pointee.element) { return true }
    if !world.returns(candidate.pointee.path, from: candidate.pointee.element, to: node) { return true }
    if item.isMonitor { return element.softStops > 0 }
    if !item.isConnect && element.pagesGone > 0 { return true }
    return item.which == .admission && !element.admits
  }

  /// The check's verdict is what it should say, whatever requests have found out beside it.
  private mutating func hasNoticed(_ awaited: AwaitedDetection) -> Bool {
    let health = health[position(awaited.pool, awaited.server)]
    guard awaited.which == .liveness else { return !health.takesNewUsers }
    return health.liveness != .alive || !(health.livenessCheck?.isUp ?? true)
  }

  private mutating func concerned(_ change: TimedChange) -> [CandidateReference] {
    var concerned: [CandidateReference] = []
    switch change.kind {
    case .kill, .powerOff, .softStop, .checkFails, .drain, .powerOn:
      for element in change.subjects { concerned += network.users[element] }
    case .relaysEnd: for relay in change.subjects { concerned += network.throughRelay[relay] }
    case .cut, .heal: for link in change.subjects { concerned += network.overLink[link] }
    case .cutPairs(let pairs), .healPairs(let pairs):
      for pair in pairs {
        for end in [pair.from, pair.to] {
          for user in network.users[end]
          where !concerned.contains(where: { $0.pool == user.pool && $0.server == user.server }) {
            concerned.append(user)
          }
        }
      }
    default: break
    }
    return concerned
  }

  /// Notes for candidates since when they cannot be heard.
  mutating func listen(_ change: TimedChange) {
    for user in concerned(change) {
      let candidate = candidate(user.pool, user.server)
      let node = poolStates[Int(user.pool)].node
      let isHeard =
        world.elements[Int(candidate.pointee.element)].isPowered
        && world.passes(candidate.pointee.path, from: node, to: candidate.pointee.element)
        && world.returns(candidate.pointee.path, from: candidate.pointee.element, to: node)
      if !isHeard {
        if candidate.pointee.silentSince < 0 { candidate.pointee.silentSince = now }
      } else if candidate.pointee.silentSince >= 0 {
        // Connections kept through the silence are gone if it was long.
        if now - candidate.pointee.silentSince >= poolStates[Int(user.pool)].silence { candidate.pointee.idleCount = 0 }
        candidate.pointee.silentSince = -1
      }
    }
  }

  mutating func awaitDetection(_ change: TimedChange) {
    for user in concerned(change) {
      let state = poolStates[Int(user.pool)]
      guard state.isActive, world.elements[Int(state.node)].isUp else { continue }
      for check in state.firstCheck..<state.firstCheck + state.checkCount
      where probes[Int(check)].server == user.server && fails(check) {
        let model = network.pools[Int(user.pool)].checks[Int(check - state.firstCheck)]
        let entry = AwaitedDetection(
          probe: check, pool: user.pool, server: user.server, which: model.which, since: now,
          bound: now + model.detectionBound)
        guard !hasNoticed(entry), !awaited.contains(where: { $0.probe == check }) else { continue }
        awaited.append(entry)
        schedule(.bound, check, at: entry.bound)
      }
    }
  }

  /// Failures that are over, or whose checker has failed itself, need not be seen any more.
  mutating func dropAnsweredDetections() {
    guard !awaited.isEmpty else { return }
    var left: [AwaitedDetection] = []
    for entry in awaited
    where poolStates[Int(entry.pool)].isActive && fails(entry.probe)
      && world.elements[Int(poolStates[Int(entry.pool)].node)].isUp && !hasNoticed(entry)
    {
      left.append(entry)
    }
    awaited = left
  }

  mutating func detected(_ pool: Int32, _ server: Int32) {
    var left: [AwaitedDetection] = []
    for entry in awaited where entry.pool != pool || entry.server != server || !hasNoticed(entry) { left.append(entry) }
    guard left.count != awaited.count else { return }
    awaited = left
    updatePhase()
  }

  mutating func checkBound(_ probe: Int) {
    guard let position = awaited.firstIndex(where: { $0.probe == Int32(probe) && $0.bound <= now }) else { return }
    let entry = awaited.remove(at: position)
    let node = network.elements[Int(poolStates[Int(entry.pool)].node)].name
    let target = network.elements[Int(candidate(entry.pool, entry.server).pointee.element)].name
    verdicts.detection.missed(node: node, target: target, since: entry.since, bound: entry.bound)
    updatePhase()
  }

  /// The part of the scenario that requests beginning now count to.
  mutating func updatePhase() {
    let phase: PhaseIndex
    if !awaited.isEmpty || addresses.contains(where: { $0.state.isFailingOver }) {
      phase = .detection
    } else if activeFaults > 0 {
      phase = .failedOver
    } else {
      phase = .afterHeal
    }
    record.enter(phase, at: now)
  }
}
