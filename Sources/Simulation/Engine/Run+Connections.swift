internal import Routing
internal import Topology

/// How an attempt comes by a connection: a kept one, or a handshake.
extension Run {
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
    } else if behaviour.contains(.withoutRedispatch), staysInTier(leg, server) {
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

  // MARK: Without redispatch
  /// Whether the attempt would go to a later tier than one that is believed to live.
  private mutating func staysInTier(
    _ leg: UnsafeMutablePointer<Leg>, _ server: Int32
  ) -> Bool {
    let (pool, order) = (Int(leg.pointee.pool), leg.pointee.exchange.order)
    let rank = pools[pool].rank(of: server, in: order)
    guard rank > 0 else { return false }
    let state = poolStates[pool]
    for other in 0..<state.candidateCount
    where pools[pool].rank(of: other, in: order) < rank && health[Int(state.firstCandidate + other)].takesOwnUsers {
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
