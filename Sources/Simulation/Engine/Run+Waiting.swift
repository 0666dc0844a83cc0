internal import Routing
internal import Topology

/// Requests that wait at a node: for a slot of a full server, for another request's trial, for the right to retry. The order
/// is the proxy's: who was granted a slot, then trials, then the budget.
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
    retryWaiting(pool, looksAtQueues: true)
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

  /// Those whose slot was granted go on. Then those who wait for a trial or the budget get another try, the first one first; who has to wait
  /// on keeps the place and the deadline. Now and then (`looksAtQueues`) those in queues are asked, too.
  @inline(never)
  mutating func retryWaiting(_ pool: Int32, looksAtQueues: Bool = false) {
    guard !isRetrying else { return }
    isRetrying = true
    defer { isRetrying = false }
    pools[Int(pool)].refreshIfNeeded(now: now)
    if looksAtQueues {
      pools[Int(pool)].offerSlotsToLines()
      for index in waitingLegs[Int(pool)] where legs[Int(index)].flags.contains(.alive) {
        let action = legs[Int(index)].exchange.lookWhileQueued(pool: &pools[Int(pool)], now: now)
        if action == .nothing { continue }
        removeWaiting(index, pool)
        perform(action, index)
      }
    }
    while let index = pools[Int(pool)].nextGranted() {
      removeWaiting(index, pool)
      perform(legs[Int(index)].exchange.slotFreed(pool: &pools[Int(pool)], now: now), index)
    }
    for state in [Exchange.State.awaitingTrial, .awaitingBudget] {
      for index in waitingLegs[Int(pool)] where legs[Int(index)].exchange.state == state {
        guard legs[Int(index)].flags.contains(.alive) else { continue }
        let action: Exchange.Action
        if state == .awaitingTrial {
          let leg = legs + Int(index)
          let since = leg.pointee.exchange.exclusions.since
          if pools[Int(pool)].trialIsAwaited(leg.pointee.awaited, since: since, now: now) { continue }
          action = leg.pointee.exchange.trialResolved(pool: &pools[Int(pool)], now: now)
        } else {
          action = legs[Int(index)].exchange.budgetFreed(pool: &pools[Int(pool)], now: now)
          if action == .awaitBudget { break }
        }
        removeWaiting(index, pool)
        perform(action, index)
      }
    }
  }
}
