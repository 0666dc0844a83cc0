internal import Routing
internal import Topology

/// What happens to the network.
extension Run {
  mutating func planFaults() {
    let plan = FaultPlan(network, scenario: scenario)
    changes = behaviour.contains(.sitesByName) ? withoutOffices(plan.changes) : plan.changes
    record.marks = plan.marks
    settleNextChange()
    for (index, change) in changes.enumerated() where change.at <= end {
      schedule(.fault, Int32(index), at: max(0, change.at))
    }
    truth.remember(world, at: -1)
  }

  mutating func apply(_ index: Int) {
    let change = changes[index]
    var broken: [Int32] = []
    changesApplied = index + 1
    switch change.kind {
    case .kill: for element in change.subjects where kill(element, silently: false) { broken.append(element) }
    case .revive: for element in change.subjects { revive(element) }
    case .powerOff: for element in change.subjects where kill(element, silently: true) { broken.append(element) }
    case .powerOn: for element in change.subjects { powerOn(element) }
    case .retire: for element in change.subjects { retire(element) }
    case .softStop: for element in change.subjects { softStop(element, 1) }
    case .softStopEnds: for element in change.subjects { softStop(element, -1) }
    case .checkFails: for element in change.subjects { world.elements[Int(element)].pagesGone += 1 }
    case .checkFailsEnds: for element in change.subjects { world.elements[Int(element)].pagesGone -= 1 }
    case .drain(let deadline): for element in change.subjects { drain(element, 1, deadline) }
    case .drainEnds: for element in change.subjects { drain(element, -1, 0) }
    case .drainDeadline(let step):
      // Who was told of the deadline moves the users by itself: this is for the oracle.
      for element in change.subjects { world.elements[Int(element)].deadlinesOver += step }
    case .slow(let added): slow(change.subjects, added, 1)
    case .slowEnds(let added): slow(change.subjects, -added, -1)
    case .fail(let share, let status):
      for element in change.subjects {
        world.elements[Int(element)].errorShare = share
        world.elements[Int(element)].errorStatus = status
      }
    case .failEnds: for element in change.subjects { world.elements[Int(element)].errorShare = 0 }
    case .cut(let forward, let backward): cut(change.subjects, forward, backward, 1)
    case .heal(let forward, let backward): cut(change.subjects, forward, backward, -1)
    case .cutPairs(let pairs): world.pairCuts += pairs
    case .healPairs(let pairs):
      for pair in pairs { if let at = world.pairCuts.firstIndex(of: pair) { world.pairCuts.remove(at: at) } }
    case .slowLink(let added, let divided): slowLink(change.subjects, added, divided)
    case .slowLinkEnds(let added, let divided): slowLink(change.subjects, -added, divided > 0 ? 1 / divided : 1)
    case .lossy(let share): lose(change.subjects, share)
    case .lossyEnds(let share): lose(change.subjects, -share)
    case .relaysEnd(let silently): for relay in change.subjects { end(relay, silently, 1) }
    case .relaysStart(let silently): for relay in change.subjects { end(relay, silently, -1) }
    case .adopt(let version): for node in change.subjects { adopt(Int(node), version) }
    case .mark: break
    }
    world.hasPairCuts = !world.pairCuts.isEmpty
    listen(change)
    activeFaults += change.weight
    let lost = observeAddresses()
    settleNextChange()
    truth.remember(world, at: now)
    verdicts.worldChanged(at: now)
    record.disturbedAt = now
    // Only now, as requests may end by it: the oracle has to know what has ended them.
    for element in broken { breakConnections(element, silently: !world.elements[Int(element)].isPowered) }
    for (entry, element) in lost { breakOff(entry: entry, at: element) }
    if change.isFailure { awaitDetection(change) }
    dropAnsweredDetections()
    updatePhase()
  }

  /// What comes first: another fault, or a move of an address.
  mutating func settleNextChange() {
    nextChangeAt = changesApplied < changes.count ? changes[changesApplied].at : .max
    for address in addresses { nextChangeAt = min(nextChangeAt, address.state.nextAt) }
  }

  // MARK: Elements

  /// True: it ran until now, and its connections are to be broken.
  private mutating func kill(_ element: Int32, silently: Bool) -> Bool {
    let state = world.elements + Int(element)
    let wasUp = state.pointee.isUp
    if silently { state.pointee.powerCuts += 1 } else { state.pointee.kills += 1 }
    guard wasUp else { return false }
    state.pointee.epoch &+= 1
    state.pointee.brokenAt = now
    if element >= network.firstServer { servers[Int(element) - network.firstServer].clear() }
    return true
  }

  private mutating func end(_ relay: Int32, _ silently: Bool, _ step: Int16) {
    if silently { world.relays[Int(relay)].powerCuts += step } else { world.relays[Int(relay)].kills += step }
  }

  private mutating func revive(_ element: Int32) {
    let state = world.elements + Int(element)
    guard state.pointee.kills > 0 else { return }
    state.pointee.kills -= 1
    if state.pointee.isUp { start(element) }
  }

  private mutating func powerOn(_ element: Int32) {
    let state = world.elements + Int(element)
    guard state.pointee.powerCuts > 0 else { return }
    state.pointee.powerCuts -= 1
    if state.pointee.isUp { start(element) }
  }

  private mutating func start(_ element: Int32) {
    guard element < network.firstServer else { return }
    // What a soft stop had left in flight ends here, and those who wait for it are told.
    for index in 0..<Int32(legCount) where isAt(index, element) {
      let parent = legs[Int(index)].parent
      let isAwaited = parent >= 0 && legs[Int(parent)].token == legs[Int(index)].parentToken
      destroy(index)
      if isAwaited { hopIsGone(parent, element, silently: false) }
    }
    startNode(Int(element), isFirst: false)
  }

  /// A soft stop's last step: no connection is taken, what is in flight is finished.
  private mutating func retire(_ element: Int32) {
    let state = world.elements + Int(element)
    let wasUp = state.pointee.isUp
    state.pointee.kills += 1
    guard wasUp else { return }
    state.pointee.epoch &+= 1
    for user in network.users[element] { candidate(user.pool, user.server).pointee.idleCount = 0 }
  }

  private mutating func isAt(_ leg: Int32, _ element: Int32) -> Bool {
    let state = legs[Int(leg)]
    return state.flags.contains(.alive) && state.pool >= 0 && poolStates[Int(state.pool)].node == element
  }

  /// Every connection to and from an element breaks: with a reset, or in silence.
  private mutating func breakConnections(_ element: Int32, silently: Bool) {
    if !silently {
      for user in network.users[element] {
        let candidate = candidate(user.pool, user.server)
        let node = poolStates[Int(user.pool)].node
        if world.returns(candidate.pointee.path, from: element, to: node) { candidate.pointee.idleCount = 0 }
      }
    }
    for index in 0..<Int32(legCount) {
      let leg = legs + Int(index)
      guard leg.pointee.flags.contains(.alive), leg.pointee.pool >= 0 else { continue }
      if poolStates[Int(leg.pointee.pool)].node == element {
        destroy(index)
      } else if leg.pointee.exchange.state == .awaitingResponse,
        candidate(leg.pointee.pool, leg.pointee.exchange.server).pointee.element == element
      {
        hopIsGone(index, element, silently: silently)
      }
    }
  }

  private mutating func hopIsGone(_ index: Int32, _ element: Int32, silently: Bool) {
    let leg = legs + Int(index)
    disturb(index)
    // An answer that has left the hop still comes.
    if leg.pointee.flags.contains(.replied) && leg.pointee.repliedAt <= now { return }
    // The request is still under way: it will find nobody.
    guard leg.pointee.flags.contains(.delivered) else { return }
    leg.pointee.token &+= 1
    leg.pointee.flags.subtract([.armed, .watched])
    let candidate = candidate(leg.pointee.pool, leg.pointee.exchange.server)
    let node = poolStates[Int(leg.pointee.pool)].node
    if !silently && world.returns(candidate.pointee.path, from: element, to: node) {
      schedule(.lost, index, token: leg.pointee.token, at: now + world.latency(candidate.pointee.path))
    } else {
      candidate.pointee.silentSince = candidate.pointee.silentSince < 0 ? now : candidate.pointee.silentSince
      watchSilence(index, leg, candidate)
    }
    armAncestors(index)
  }

  /// A leg ends with its node. Users whose entry it was are told by the end of their connection.
  private mutating func destroy(_ index: Int32) {
    let leg = legs + Int(index)
    let pool = Int(leg.pointee.pool)
    if leg.pointee.exchange.isActive { leg.pointee.exchange.finish(pool: &pools[pool]) }
    if let position = waitingLegs[pool].firstIndex(of: index) {
      waitingLegs[pool].remove(at: position)
      poolStates[pool].waiting -= 1
    }
    guard leg.pointee.parent < 0 else { return freeLeg(index) }
    disturb(index)
    traceOutcome(index, "the entry broke off")
    complete(index, Result(), at: now)
  }

  private mutating func softStop(_ element: Int32, _ step: Int16) {
    world.elements[Int(element)].softStops += step
    if element >= network.firstServer { setDrain(element, step > 0, deadline: 0) }
  }

  private mutating func drain(_ element: Int32, _ step: Int16, _ deadline: Int64) {
    world.elements[Int(element)].drains += step
    world.elements[Int(element)].drainDeadline = deadline
    if element >= network.firstServer { setDrain(element, step > 0, deadline: deadline) }
  }

  private mutating func slow(_ elements: [Int32], _ added: Int64, _ step: Int) {
    for element in elements {
      world.elements[Int(element)].slowness += added
      if Int(element) < network.nodeCount { world.slowNodes += step }
    }
  }

  // MARK: Links

  private mutating func cut(_ links: [Int32], _ forward: Bool, _ backward: Bool, _ step: Int16) {
    for link in links {
      let state = world.links + Int(link)
      if forward { state.pointee.cutForward += step }
      if backward { state.pointee.cutBackward += step }
      world.cutLinks.removeAll { $0 == link }
      if state.pointee.cutForward > 0 || state.pointee.cutBackward > 0 { world.cutLinks.append(link) }
    }
  }

  private mutating func slowLink(_ links: [Int32], _ added: Int64, _ divided: Double) {
    for link in links {
      let state = world.links + Int(link)
      state.pointee.latency += added
      if divided > 0 { state.pointee.nanosecondsPerByte *= divided }
      settleLink(link)
    }
  }

  private mutating func lose(_ links: [Int32], _ share: Double) {
    for link in links {
      let state = world.links + Int(link)
      state.pointee.loss = min(max(state.pointee.loss + share, 0), 1)
      settleLink(link)
    }
  }

  private mutating func settleLink(_ link: Int32) {
    let state = world.links + Int(link)
    if state.pointee.loss < 1e-12 { state.pointee.loss = 0 }
    state.pointee.isPlain = state.pointee.nanosecondsPerByte == 0 && state.pointee.loss == 0
    world.changedLinks.removeAll { $0 == link }
    let usual = network.links[Int(link)]
    if state.pointee.latency != usual.latency || state.pointee.loss != usual.loss { world.changedLinks.append(link) }
  }
}
