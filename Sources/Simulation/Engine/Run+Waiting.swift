internal import Routing
internal import Topology

/// Requests that wait at a node: for a slot of a full server, for another request's trial, for the right to retry. The order
/// is the proxy's: users with a session first, then the others, then trials, then the budget.
extension Run {
  @inline(never)
  mutating func wait(_ index: Int32, _ action: Exchange.Action) {
    let leg = legs + Int(index)
    let pool = leg.pointee.pool
    let state = poolStates + Int(pool)
    disturb(index)
    var limit = state.pointee.queueTimeout
    switch action {
    case .queue(let server):
      traceOutcome(index, "waits for a slot of \(network.elements[Int(candidate(pool, server).pointee.element)].name)")
    case .awaitTrial(let server):
      traceOutcome(
        index, "waits for the trial of \(network.elements[Int(candidate(pool, server).pointee.element)].name)")
      leg.pointee.awaited = server
      limit = state.pointee.connectTimeout * 2
    default:
      traceOutcome(index, "waits for the right to retry")
    }
    leg.pointee.token &+= 1
    waitingLegs[Int(pool)].append(index)
    state.pointee.waiting += 1
    schedule(.waitTimeout, index, token: leg.pointee.token, at: now + limit)
    if !state.pointee.pollIsScheduled {
      state.pointee.pollIsScheduled = true
      schedule(.poll, pool, at: now + ModelTimes.waitingPoll)
    }
    armAncestors(index)
  }

  mutating func poll(_ pool: Int32) {
    poolStates[Int(pool)].pollIsScheduled = false
    retryWaiting(pool)
    if pools[Int(pool)].hasEvidence { takeEvidence(pool) }
    if poolStates[Int(pool)].waiting > 0 && !poolStates[Int(pool)].pollIsScheduled {
      poolStates[Int(pool)].pollIsScheduled = true
      schedule(.poll, pool, at: now + ModelTimes.waitingPoll)
    }
  }

  mutating func waitedTooLong(_ index: Int32) {
    let pool = legs[Int(index)].pool
    if legs[Int(index)].exchange.state == .awaitingBudget { mark(index, .overloaded) }
    removeWaiting(index, pool)
    legs[Int(index)].token &+= 1
    pools[Int(pool)].refreshIfNeeded(now: now)
    perform(legs[Int(index)].exchange.waitedTooLong(pool: &pools[Int(pool)], now: now), index)
    settle(pool)
  }

  mutating func removeWaiting(_ leg: Int32, _ pool: Int32) {
    guard let position = waitingLegs[Int(pool)].firstIndex(of: leg) else { return }
    waitingLegs[Int(pool)].remove(at: position)
    poolStates[Int(pool)].waiting -= 1
  }

  /// Those whose slot was granted go on. Then those who wait get another try, the first of each list first; who has to wait on keeps the
  /// place and the deadline.
  @inline(never)
  mutating func retryWaiting(_ pool: Int32) {
    guard !isRetrying else { return }
    isRetrying = true
    defer { isRetrying = false }
    pools[Int(pool)].refreshIfNeeded(now: now)
    while let index = pools[Int(pool)].nextGranted() {
      removeWaiting(index, pool)
      perform(legs[Int(index)].exchange.slotFreed(pool: &pools[Int(pool)], now: now), index)
    }
    for rank in 0..<4 {
      // Servers, by number, that turned the first of their list away.
      var full = TriedServers()
      for index in waitingLegs[Int(pool)] where self.rank(index) == rank {
        guard legs[Int(index)].flags.contains(.alive) else { continue }
        let server = legs[Int(index)].exchange.server
        if rank < 2 && full.contains(server) { continue }
        let action: Exchange.Action
        switch legs[Int(index)].exchange.state {
        case .queued: action = legs[Int(index)].exchange.slotFreed(pool: &pools[Int(pool)], now: now)
        case .awaitingTrial:
          let awaited = legs[Int(index)].awaited
          if pools[Int(pool)].trialIsPending(awaited, now: now) { continue }
          action = legs[Int(index)].exchange.trialResolved(pool: &pools[Int(pool)], now: now)
        case .awaitingBudget: action = legs[Int(index)].exchange.budgetFreed(pool: &pools[Int(pool)], now: now)
        case .idle, .connecting, .awaitingResponse, .relaying, .done: continue
        }
        if case .queue(let again) = action, again == server, rank < 2 {
          full.insert(server)
          continue
        }
        if action == .awaitBudget && rank == 3 { break }
        removeWaiting(index, pool)
        perform(action, index)
      }
    }
  }

  private mutating func rank(_ leg: Int32) -> Int {
    let exchange = legs[Int(leg)].exchange
    switch exchange.state {
    case .queued: return exchange.binding.group >= 0 ? 0 : 1
    case .awaitingTrial: return 2
    case .awaitingBudget: return 3
    case .idle, .connecting, .awaitingResponse, .relaying, .done: return -1
    }
  }
}
