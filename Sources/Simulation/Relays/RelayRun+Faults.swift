internal import Routing
internal import Topology

/// What happens to the network, and who has to notice.
extension RelayRun {
  mutating func apply(_ index: Int) {
    let change = plan.changes[index]
    activeFaults += change.weight
    for element in change.elements {
      let wasUp = world[Int(element)].isUp
      switch change.kind {
      case .end(let silently):
        if silently { world[Int(element)].powerCuts += 1 } else { world[Int(element)].kills += 1 }
        if wasUp {
          world[Int(element)].epoch &+= 1
          noteAvailability(element)
          breakConnections(element, silently: silently)
        }
      case .start(let silently):
        if silently { world[Int(element)].powerCuts -= 1 } else { world[Int(element)].kills -= 1 }
        guard world[Int(element)].isUp else { break }
        noteAvailability(element)
        if Int(element) < network.relayCount { start(Int(element), isFirst: false) }
        hearAgain(element)
      case .slow(let added): slow(element, by: added)
      case .fast(let added): slow(element, by: -added)
      }
    }
    if change.weight > 0 { awaitDetections() }
    dropAnsweredDetections()
    updatePhase()
  }

  private mutating func noteAvailability(_ element: Int32) {
    let truth = world[Int(element)]
    let isAvailable = truth.isUp && truth.slowness < RelayHabits.patience
    if isAvailable && truth.availableSince == .max { world[Int(element)].availableSince = now }
    if !isAvailable && truth.availableSince != .max {
      world[Int(element)].availableSince = .max
      world[Int(element)].failedAt = now
    }
  }

  // MARK: Connections

  /// The legs of a user's connection that an element carries: the first of its own, as a relay, and that which ends at it.
  private func carried(_ user: Int32, by element: Int32) -> (own: Int32?, to: Int32?) {
    var found: (own: Int32?, to: Int32?) = (nil, nil)
    for place in 0..<callers[Int(user)].depth {
      let leg = legs[Int(firstLeg(user) + place)]
      guard leg.pool >= 0 else { continue }
      if network.pools[Int(leg.pool)].relay == element && found.own == nil { found.own = place }
      if leg.isConnected && leg.target == element && found.to == nil { found.to = place }
    }
    return found
  }

  /// Every connection by way of an element breaks: with a reset, or in silence.
  private mutating func breakConnections(_ element: Int32, silently: Bool) {
    for user in 0..<Int32(userCount) where callers[Int(user)].state != .away {
      let carried = carried(user, by: element)
      guard carried.own != nil || carried.to != nil else { continue }
      let state = callers[Int(user)].state
      // A process that has ended knows of nothing, and nothing passes it.
      if let own = carried.own {
        for place in own..<callers[Int(user)].depth { release(firstLeg(user) + place) }
      }
      if state == .broken { continue }
      let hops = Int64(max(1, (carried.to ?? 0) + 1))
      if state == .opening {
        // In silence the user's patience decides.
        callers[Int(user)].token &+= 1
        let (kind, time): (RelayEventKind, Int64) =
          silently
          ? (.patience, callers[Int(user)].began + RelayHabits.patience) : (.closed, now + hops * ModelTimes.local)
        schedule(kind, user, token: callers[Int(user)].token, at: max(now, time))
        continue
      }
      callers[Int(user)].state = .broken
      callers[Int(user)].token &+= 1
      var noticed = now + hops * ModelTimes.local
      if silently {
        noticed = now + RelayHabits.patience
        // The relay in front may find out first.
        if let place = carried.to, carried.own == nil || carried.own ?? 0 > place {
          let pool = legs[Int(firstLeg(user) + place)].pool
          if pool >= 0, let silence = network.pools[Int(pool)].silence { noticed = min(noticed, now + silence) }
        }
      }
      callers[Int(user)].brokenAt = now
      callers[Int(user)].noticesAt = noticed
      schedule(.cut, user, token: callers[Int(user)].token, at: noticed)
    }
  }

  /// An element can be heard again: it knows nothing of the connections it had, and says so when bytes are sent to it once more, which
  /// TCP does after twice as long each time.
  private mutating func hearAgain(_ element: Int32) {
    for user in 0..<Int32(userCount) where callers[Int(user)].state == .broken {
      let carried = carried(user, by: element)
      let isItsRelay = entry(user).relay == element
      guard carried.to != nil || isItsRelay else { continue }
      var sent = callers[Int(user)].brokenAt
      var wait = ModelTimes.retransmission
      while sent < now {
        sent += wait
        wait *= 2
      }
      callers[Int(user)].token &+= 1
      schedule(
        .cut, user, token: callers[Int(user)].token,
        at: max(now, min(sent + 2 * ModelTimes.local, callers[Int(user)].noticesAt)))
    }
  }

  private mutating func slow(_ element: Int32, by added: Int64) {
    let wasStalled = world[Int(element)].slowness >= RelayHabits.patience
    world[Int(element)].slowness += added
    noteAvailability(element)
    let isStalled = world[Int(element)].slowness >= RelayHabits.patience
    guard wasStalled != isStalled else { return }
    for user in 0..<Int32(userCount) {
      guard let place = carried(user, by: element).to, place == callers[Int(user)].depth - 1 else { continue }
      if isStalled && callers[Int(user)].state == .open { watch(user) }
      // What was waited for is said now.
      if !isStalled && callers[Int(user)].state == .opening {
        schedule(
          .answered, user, token: callers[Int(user)].token,
          at: now + Int64(place + 1) * ModelTimes.local + world[Int(element)].slowness)
      }
    }
  }

  // MARK: Detection and phases

  /// A check of a running relay that fails as things are, and has not said so yet.
  private func isUnnoticed(_ index: Int) -> Bool {
    let check = checks[index]
    guard world[Int(network.pools[Int(check.pool)].relay)].isUp, !passes(check) else { return false }
    let belief = health[Int(check.pool)][Int(check.server)]
    return belief.liveness == .alive && (belief.livenessCheck?.isUp ?? true)
  }

  private mutating func awaitDetections() {
    for index in checks.indices where isUnnoticed(index) && !awaited.contains(where: { $0.probe == Int32(index) }) {
      let bound = now + checks[index].detectionBound
      awaited.append(
        AwaitedDetection(
          probe: Int32(index), pool: checks[index].pool, server: checks[index].server, which: .liveness, since: now,
          bound: bound))
      schedule(.bound, Int32(index), at: bound)
    }
  }

  /// Failures that are seen, or over, or whose relay has failed itself, need not be seen any more.
  mutating func dropAnsweredDetections() {
    guard !awaited.isEmpty else { return }
    var left: [AwaitedDetection] = []
    for entry in awaited where isUnnoticed(Int(entry.probe)) { left.append(entry) }
    guard left.count != awaited.count else { return }
    awaited = left
    updatePhase()
  }

  mutating func boundIsOver(_ index: Int) {
    guard let position = awaited.firstIndex(where: { $0.probe == Int32(index) && $0.bound <= now }) else { return }
    let entry = awaited.remove(at: position)
    let pool = network.pools[Int(entry.pool)]
    let (relay, server) = (network.elements[Int(pool.relay)].name, pool.candidates[Int(entry.server)].name)
    undetected.add(
      at: now, user: nil,
      "\(relay) has not noticed within \(Duration.nanoseconds(entry.bound - entry.since).text) that \(server) fails")
    updatePhase()
  }

  mutating func updatePhase() {
    let phase: PhaseIndex = !awaited.isEmpty ? .detection : activeFaults > 0 ? .failedOver : .afterHeal
    record.enter(phase, at: now)
  }
}
