internal import Routing
internal import Topology

/// One attempt of a node to have a request served by a candidate: a connection, the request, the wait for the answer.
extension Run {
  // MARK: Connections

  @inline(__always)
  mutating func connect(_ index: Int32, _ server: Int32, _ policy: Exchange.PooledConnections) {
    let leg = legs + Int(index)
    let state = poolStates + Int(leg.pointee.pool)
    let candidate = candidate(leg.pointee.pool, server)
    leg.pointee.token &+= 1
    leg.pointee.attemptBegan = now
    leg.pointee.retries = 0
    leg.pointee.flags.subtract([.wasKept, .delivered, .replied, .armed, .connecting, .watched])
    if leg.pointee.firstTier < 0 {
      leg.pointee.firstTier = candidate.pointee.tier
    } else if behaviour.contains(.withoutRedispatch), staysInTier(leg, candidate) {
      return giveUp(index)
    }
    if leg.pointee.flags.contains(.traced) { traceChoice(index, server) }
    if policy != .none, takeIdle(candidate, state, policy, leg) {
      leg.pointee.flags.insert(.wasKept)
      leg.pointee.exchange.connected(isNew: false, pool: &pools[Int(leg.pointee.pool)])
      send(index, candidate, state)
      return
    }
    leg.pointee.flags.insert(.connecting)
    let roundTrip =
      2 * world.latency(candidate.pointee.path)
      + world.exchangeDelay(candidate.pointee.path, first: ModelTimes.handshakeRetransmission)
    if roundTrip >= state.pointee.connectTimeout {
      schedule(.connectTimeout, index, token: leg.pointee.token, at: now + state.pointee.connectTimeout)
    } else {
      schedule(.connectResult, index, token: leg.pointee.token, at: now + roundTrip)
    }
  }

  /// The latest kept connection, if it may carry the request.
  @inline(__always)
  private mutating func takeIdle(
    _ candidate: UnsafeMutablePointer<CandidateState>, _ state: UnsafeMutablePointer<PoolState>,
    _ policy: Exchange.PooledConnections, _ leg: UnsafeMutablePointer<Leg>
  ) -> Bool {
    guard candidate.pointee.idleCount > 0, let idle = candidate.pointee.idle else { return false }
    if candidate.pointee.silentSince >= 0 && now - candidate.pointee.silentSince >= state.pointee.silence {
      // The kernel has given them up.
      candidate.pointee.idleCount = 0
      return false
    }
    let last = idle[Int(candidate.pointee.idleCount) - 1]
    if now - last.since >= state.pointee.pooled {
      // The others have been idle for longer still.
      candidate.pointee.idleCount = 0
      return false
    }
    if policy == .recentlyUsed && now - last.since >= state.pointee.reuseWindow { return false }
    candidate.pointee.idleCount -= 1
    leg.pointee.targetEpoch = last.epoch
    return true
  }

  @inline(__always)
  mutating func keepIdle(
    _ candidate: UnsafeMutablePointer<CandidateState>, _ state: UnsafeMutablePointer<PoolState>, epoch: UInt32
  ) {
    if candidate.pointee.idle == nil {
      candidate.pointee.idle = .allocate(capacity: max(1, Int(state.pointee.pooledMax)))
    }
    guard let idle = candidate.pointee.idle else { return }
    if candidate.pointee.idleCount >= state.pointee.pooledMax {
      // Those that are past their time make room.
      var kept: Int32 = 0
      for position in 0..<Int(candidate.pointee.idleCount) where now - idle[position].since < state.pointee.pooled {
        idle[Int(kept)] = idle[position]
        kept += 1
      }
      candidate.pointee.idleCount = kept
      guard kept < state.pointee.pooledMax else { return }
    }
    idle[Int(candidate.pointee.idleCount)] = IdleConnection(since: now, epoch: epoch)
    candidate.pointee.idleCount += 1
  }

  /// The handshake is over, or another SYN has gone unanswered.
  mutating func connectResult(_ index: Int32) {
    let leg = legs + Int(index)
    let pool = leg.pointee.pool
    let state = poolStates + Int(pool)
    let candidate = candidate(pool, leg.pointee.exchange.server)
    let target = candidate.pointee.element
    let element = world.elements + Int(target)
    guard element.pointee.isPowered, world.passes(candidate.pointee.path, from: state.pointee.node, to: target),
      world.returns(candidate.pointee.path, from: target, to: state.pointee.node)
    else { return repeatHandshake(index, leg, candidate, state) }
    guard element.pointee.isUp else { return connectFailed(index, "connection refused") }
    leg.pointee.flags.remove(.connecting)
    leg.pointee.targetEpoch = element.pointee.epoch
    leg.pointee.exchange.connected(isNew: true, pool: &pools[Int(pool)])
    send(index, candidate, state)
    settle(pool)
  }

  @inline(never)
  private mutating func repeatHandshake(
    _ index: Int32, _ leg: UnsafeMutablePointer<Leg>, _ candidate: UnsafeMutablePointer<CandidateState>,
    _ state: UnsafeMutablePointer<PoolState>
  ) {
    leg.pointee.retries += 1
    let sent = leg.pointee.attemptBegan + ModelTimes.handshakeRetransmission * ((1 << Int64(leg.pointee.retries)) - 1)
    let result = sent + 2 * world.latency(candidate.pointee.path)
    let limit = leg.pointee.attemptBegan + state.pointee.connectTimeout
    if result < limit {
      schedule(.connectResult, index, token: leg.pointee.token, at: max(now, result))
    } else {
      schedule(.connectTimeout, index, token: leg.pointee.token, at: max(now, limit))
    }
    armAncestors(index)
  }

  @inline(never)
  mutating func connectFailed(_ index: Int32, _ how: String) {
    let leg = legs + Int(index)
    let pool = leg.pointee.pool
    disturb(index)
    traceOutcome(index, how)
    leg.pointee.token &+= 1
    leg.pointee.flags.remove(.connecting)
    pools[Int(pool)].refreshIfNeeded(now: now)
    perform(leg.pointee.exchange.connectFailed(ownFault: false, pool: &pools[Int(pool)], now: now), index)
    settle(pool)
  }

  // MARK: The request on its way

  @inline(__always)
  private mutating func send(
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

  // MARK: Mutations

  /// Whether the attempt would leave the tier of the first one although that is believed to live.
  private mutating func staysInTier(
    _ leg: UnsafeMutablePointer<Leg>, _ candidate: UnsafeMutablePointer<CandidateState>
  ) -> Bool {
    guard candidate.pointee.tier != leg.pointee.firstTier else { return false }
    let state = poolStates[Int(leg.pointee.pool)]
    for server in 0..<state.candidateCount
    where candidates[Int(state.firstCandidate + server)].tier == leg.pointee.firstTier
      && health[Int(state.firstCandidate + server)].takesOwnUsers
    {
      return true
    }
    return false
  }

  private mutating func giveUp(_ index: Int32) {
    let pool = Int(legs[Int(index)].pool)
    legs[Int(index)].exchange.finish(pool: &pools[pool])
    var result = Result()
    result.status = 503
    respond(index, result)
  }
}
