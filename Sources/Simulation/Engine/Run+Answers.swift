internal import Routing
internal import Topology

/// Answers on their way back: what a node makes of the next hop's answer, which cookies it writes, what an office learns.
extension Run {
  /// An answer of the next hop is here, if the way is open.
  @inline(__always)
  mutating func response(_ index: Int32) {
    let leg = legs + Int(index)
    let poolIndex = leg.pointee.pool
    let state = poolStates + Int(poolIndex)
    let pool = pools + Int(poolIndex)
    let server = leg.pointee.exchange.server
    let candidate = candidate(poolIndex, server)
    let target = candidate.pointee.element
    let element = world.elements + Int(target)
    if element.pointee.brokenAt >= 0 && element.pointee.brokenAt < leg.pointee.repliedAt
      && element.pointee.epoch != leg.pointee.targetEpoch
    {
      // Its machine lost power while it worked: nothing comes.
      watchSilence(index, leg, candidate)
      return armAncestors(index)
    }
    guard world.returns(candidate.pointee.path, from: target, to: state.pointee.node) else {
      return repeatResponse(index, leg, candidate)
    }
    pool.pointee.refreshIfNeeded(now: now)
    var result = leg.pointee.result
    let action = leg.pointee.exchange.responseHead(
      candidate.pointee.isNode ? result.refusal : .none, pool: &pool.pointee, now: now)
    leg.pointee.token &+= 1
    guard case .relay = action else {
      disturb(index)
      traceOutcome(index, "answered \(result.status): has nobody to serve with")
      perform(action, index)
      return settle(poolIndex)
    }
    if leg.pointee.flags.contains(.traced) { traceAnswer(index, result) }
    // What a hop further away said of itself is not believed.
    result.refusal = .none
    writeCookies(leg, state, pool, candidate, &result)
    leg.pointee.exchange.finish(pool: &pool.pointee)
    if element.pointee.isUp && element.pointee.epoch == leg.pointee.targetEpoch {
      keepIdle(candidate, state, epoch: leg.pointee.targetEpoch)
    }
    respond(index, result)
    settle(poolIndex)
  }

  @inline(__always)
  private mutating func writeCookies(
    _ leg: UnsafeMutablePointer<Leg>, _ state: UnsafeMutablePointer<PoolState>, _ pool: UnsafeMutablePointer<Pool>,
    _ candidate: UnsafeMutablePointer<CandidateState>, _ result: inout Result
  ) {
    switch state.pointee.mode {
    case nil: break
    case .passive:
      let named = result.site >= 0 ? state.pointee.group(result.site) : -1
      let moved = pool.pointee.tellsOfAnotherSite(
        named, binding: leg.pointee.exchange.binding, reason: leg.pointee.exchange.reason,
        server: leg.pointee.exchange.server)
      if !behaviour.contains(.withoutLearning) {
        leg.pointee.exchange.learned(moved: moved, pool: &pool.pointee, now: now)
      }
    case .insert:
      // A node's own error page comes from no server: it says nothing about where the user belongs.
      if result.server < 0 { break }
      let isNews = pool.pointee.insertIsNews(leg.pointee.exchange.binding, server: leg.pointee.exchange.server)
      guard candidate.pointee.hasCookieValue else { break }
      if state.pointee.isBalancer {
        if isNews { result.prefix = candidate.pointee.element }
      } else if isNews || refreshes(leg, state) {
        result.site = candidate.pointee.site
      }
    case .prefix:
      if result.setsSession {
        state.pointee.knowsAttributes = true
        if candidate.pointee.hasCookieValue { result.prefix = candidate.pointee.element }
      } else if candidate.pointee.hasCookieValue, !behaviour.contains(.withoutPrefixRewrite),
        state.pointee.hasPath || state.pointee.knowsAttributes,
        pool.pointee.prefixIsNews(
          leg.pointee.exchange.binding, server: leg.pointee.exchange.server,
          hasSession: leg.pointee.cookies.session != 0)
      {
        result.prefix = candidate.pointee.element
      }
    }
  }

  /// Dates have a grain of four seconds: within it there is nothing new to tell.
  @inline(__always)
  private mutating func refreshes(_ leg: UnsafeMutablePointer<Leg>, _ state: UnsafeMutablePointer<PoolState>) -> Bool {
    guard state.pointee.maxIdle > 0 else { return false }
    return leg.pointee.cookies.siteLast / 4 != UInt32(truncatingIfNeeded: now / 1_000_000_000) / 4
  }

  /// The answer leaves the node, for the node before it or for the user; the leg is over.
  @inline(__always)
  mutating func respond(_ index: Int32, _ result: Result) {
    let leg = legs + Int(index)
    let left = world.slowNodes > 0 ? now + slowness(leg) : now
    guard leg.pointee.parent >= 0 else { return complete(index, result, at: left) }
    let parent = legs + Int(leg.pointee.parent)
    if parent.pointee.token == leg.pointee.parentToken {
      let candidate = candidate(parent.pointee.pool, parent.pointee.exchange.server)
      parent.pointee.result = result
      parent.pointee.repliedAt = left
      parent.pointee.flags.insert(.replied)
      let arrival = world.transmit(
        candidate.pointee.path, towardsCandidate: false, bytes: Int(result.bytes), now: left)
      if candidate.pointee.path.link >= 0 { charge(parent, candidate.pointee.path.link, Int(result.bytes)) }
      schedule(.response, leg.pointee.parent, token: leg.pointee.parentToken, at: arrival)
      if arrival >= parent.pointee.deadline { armAncestors(leg.pointee.parent) }
    }
    freeLeg(index)
  }

  /// What a slow machine adds to the answers of its node.
  private func slowness(_ leg: UnsafeMutablePointer<Leg>) -> Int64 {
    leg.pointee.pool >= 0 ? world.elements[Int(poolStates[Int(leg.pointee.pool)].node)].slowness : 0
  }

  /// The answer is lost on a cut link: the other side sends it again, at growing intervals.
  @inline(never)
  private mutating func repeatResponse(
    _ index: Int32, _ leg: UnsafeMutablePointer<Leg>, _ candidate: UnsafeMutablePointer<CandidateState>
  ) {
    disturb(index)
    leg.pointee.retries = min(leg.pointee.retries + 1, 20)
    let latency = world.latency(candidate.pointee.path)
    let wait = (ModelTimes.retransmission + 2 * latency) * ((1 << Int64(leg.pointee.retries)) - 1)
    let next = max(now + 1, leg.pointee.repliedAt + latency + wait)
    // Without power nobody sends again.
    let canRepeat = world.elements[Int(candidate.pointee.element)].isPowered
    if canRepeat && next < leg.pointee.deadline { schedule(.response, index, token: leg.pointee.token, at: next) }
    watchSilence(index, leg, candidate)
    armAncestors(index)
  }

  /// The kernel notices in time that the other side of a connection with a request under way has fallen silent.
  mutating func watchSilence(
    _ index: Int32, _ leg: UnsafeMutablePointer<Leg>, _ candidate: UnsafeMutablePointer<CandidateState>
  ) {
    guard !leg.pointee.flags.contains(.watched) else { return }
    leg.pointee.flags.insert(.watched)
    let since = max(candidate.pointee.silentSince, leg.pointee.sentAt)
    schedule(
      .acknowledge, index, token: leg.pointee.token,
      at: max(now, since + poolStates[Int(leg.pointee.pool)].silence))
  }
}
