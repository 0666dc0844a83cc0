internal import Routing
internal import Topology

/// One attempt of a node to have a request served by a candidate, from the moment it has a connection: the request's way, and the
/// wait for the answer.
extension Run {
  @inline(__always)
  mutating func send(
    _ index: Int32, _ candidate: UnsafeMutablePointer<CandidateState>, _ state: UnsafeMutablePointer<PoolState>
  ) {
    let leg = legs + Int(index)
    leg.pointee.exchange.requestBytesSent()
    leg.pointee.sentAt = now
    leg.pointee.retries = 0
    leg.pointee.deadline = now + state.pointee.serverTimeout
    let arrival = world.transmit(
      candidate.pointee.path, towardsCandidate: true, bytes: Int(leg.pointee.requestBytes), now: now)
    if candidate.pointee.path.link >= 0 { charge(leg, candidate.pointee.path.link, Int(leg.pointee.requestBytes)) }
    if candidate.pointee.isServer && arrival < nextChangeAt && !options.stepByStep {
      // Nothing that the arrival looks at changes until then, and requests reach a server in the order in which they were
      // sent: it may be gone through at once.
      let present = now
      now = arrival
      arrive(index)
      now = present
      return
    }
    schedule(.arrive, index, token: leg.pointee.token, at: arrival)
  }

  /// Counts bytes over a link for the request they belong to.
  @inline(__always)
  mutating func charge(_ leg: UnsafeMutablePointer<Leg>, _ link: Int32, _ bytes: Int) {
    let root = legs + Int(leg.pointee.root)
    guard root.pointee.generation == leg.pointee.rootGeneration else { return }
    let state = world.links + Int(link)
    root.pointee.bytes &+= UInt64(bytes)
    root.pointee.cost += Double(bytes) * state.pointee.costPerByte
    if state.pointee.isInterSite { root.pointee.flags.insert(.crossed) }
    if state.pointee.loss > 0 { root.pointee.flags.insert(.lossy) }
  }

  /// The request is where the next hop stands, if the way is open.
  @inline(__always)
  mutating func arrive(_ index: Int32) {
    let leg = legs + Int(index)
    let state = poolStates + Int(leg.pointee.pool)
    let candidate = candidate(leg.pointee.pool, leg.pointee.exchange.server)
    let target = candidate.pointee.element
    let element = world.elements + Int(target)
    guard element.pointee.isPowered, world.passes(candidate.pointee.path, from: state.pointee.node, to: target) else {
      return retransmit(index, leg, candidate, state)
    }
    guard element.pointee.isUp, element.pointee.epoch == leg.pointee.targetEpoch else {
      return reset(index, leg, candidate, state)
    }
    leg.pointee.flags.insert(.delivered)
    leg.pointee.child = -1
    if !world.returns(candidate.pointee.path, from: target, to: state.pointee.node) {
      schedule(
        .acknowledge, index, token: leg.pointee.token,
        at: max(now, leg.pointee.sentAt + state.pointee.unacknowledged))
      armAncestors(index)
    }
    if candidate.pointee.isServer {
      serve(index, target)
    } else {
      beginChild(index, candidate.pointee.childPool)
    }
  }

  @inline(__always)
  private mutating func beginChild(_ index: Int32, _ pool: Int32) {
    let child = takeLeg()
    let leg = legs + Int(index)
    let new = legs + Int(child)
    leg.pointee.child = child
    leg.pointee.childGeneration = new.pointee.generation
    new.pointee.pool = pool
    new.pointee.user = leg.pointee.user
    new.pointee.parent = index
    new.pointee.parentToken = leg.pointee.token
    new.pointee.root = leg.pointee.root
    new.pointee.rootGeneration = leg.pointee.rootGeneration
    new.pointee.cookies = leg.pointee.cookies
    new.pointee.sessionHash = leg.pointee.sessionHash
    new.pointee.requestBytes = leg.pointee.requestBytes
    new.pointee.began = now
    new.pointee.phase = leg.pointee.phase
    new.pointee.visit = leg.pointee.visit
    new.pointee.flags = leg.pointee.flags.intersection([.isPost, .traced]).union(.alive)
    guard new.pointee.pool >= 0 else {
      // The node does not serve the application.
      new.pointee.pool = leg.pointee.pool
      var result = Result()
      result.status = 421
      return respond(child, result)
    }
    begin(child)
  }

  /// Silence: TCP sends again, at growing intervals, until the path is given up (rule C5).
  @inline(never)
  private mutating func retransmit(
    _ index: Int32, _ leg: UnsafeMutablePointer<Leg>, _ candidate: UnsafeMutablePointer<CandidateState>,
    _ state: UnsafeMutablePointer<PoolState>
  ) {
    disturb(index)
    leg.pointee.retries += 1
    let latency = world.latency(candidate.pointee.path)
    let wait = (ModelTimes.retransmission + 2 * latency) * ((1 << Int64(min(leg.pointee.retries, 20))) - 1)
    let next = leg.pointee.sentAt + wait + latency
    let limit = leg.pointee.sentAt + state.pointee.unacknowledged
    if next < limit {
      schedule(.arrive, index, token: leg.pointee.token, at: max(now, next))
    } else {
      schedule(.lost, index, token: leg.pointee.token, at: max(now, limit))
    }
    armAncestors(index)
  }

  /// Nobody knows the connection there any more.
  @inline(never)
  private mutating func reset(
    _ index: Int32, _ leg: UnsafeMutablePointer<Leg>, _ candidate: UnsafeMutablePointer<CandidateState>,
    _ state: UnsafeMutablePointer<PoolState>
  ) {
    disturb(index)
    let returns = world.returns(candidate.pointee.path, from: candidate.pointee.element, to: state.pointee.node)
    let time =
      returns
      ? now + world.latency(candidate.pointee.path) : max(now, leg.pointee.sentAt + state.pointee.unacknowledged)
    schedule(.lost, index, token: leg.pointee.token, at: time)
    armAncestors(index)
  }

  /// A connection has been silent for so long that the kernel gives it up, unless the other side can be heard again: its
  /// machine may be another's by now, or have started anew.
  mutating func acknowledgementMissing(_ index: Int32) {
    let leg = legs + Int(index)
    guard leg.pointee.exchange.state == .awaitingResponse else { return }
    let state = poolStates + Int(leg.pointee.pool)
    let candidate = candidate(leg.pointee.pool, leg.pointee.exchange.server)
    let element = world.elements[Int(candidate.pointee.element)]
    if candidate.pointee.silentSince < 0 && element.epoch == leg.pointee.targetEpoch { return }
    let limit = candidate.pointee.silentSince + state.pointee.silence
    if candidate.pointee.silentSince >= 0 && now < limit && now < leg.pointee.sentAt + state.pointee.unacknowledged {
      return schedule(.acknowledge, index, token: leg.pointee.token, at: limit)
    }
    lost(index)
  }

  /// The connection is broken before an answer has come.
  @inline(never)
  mutating func lost(_ index: Int32) {
    let leg = legs + Int(index)
    let pool = leg.pointee.pool
    disturb(index)
    traceOutcome(index, "connection lost")
    abandon(index)
    leg.pointee.token &+= 1
    pools[Int(pool)].refreshIfNeeded(now: now)
    let action = leg.pointee.exchange.connectionLost(
      responseBegun: false, wasKept: leg.pointee.flags.contains(.wasKept), pool: &pools[Int(pool)], now: now)
    perform(action, index)
    settle(pool)
  }

  /// The server has been silent for too long.
  mutating func timedOut(_ index: Int32) {
    let leg = legs + Int(index)
    guard leg.pointee.exchange.state == .awaitingResponse else { return }
    if now < leg.pointee.deadline {
      schedule(.timeout, index, token: leg.pointee.token, at: leg.pointee.deadline)
      return
    }
    let pool = leg.pointee.pool
    traceOutcome(index, "no answer in time")
    abandon(index)
    leg.pointee.token &+= 1
    perform(leg.pointee.exchange.responseTimedOut(pool: &pools[Int(pool)]), index)
    settle(pool)
  }

  /// Time-outs are scheduled only where something has gone wrong, for the leg and for those that wait for it.
  mutating func armAncestors(_ index: Int32) {
    var current = index
    while current >= 0 {
      let leg = legs + Int(current)
      if !leg.pointee.flags.contains(.armed) && leg.pointee.exchange.state == .awaitingResponse {
        leg.pointee.flags.insert(.armed)
        schedule(.timeout, current, token: leg.pointee.token, at: max(now, leg.pointee.deadline))
      }
      let parent = leg.pointee.parent
      guard parent >= 0, legs[Int(parent)].token == leg.pointee.parentToken else { return }
      current = parent
    }
  }
}
