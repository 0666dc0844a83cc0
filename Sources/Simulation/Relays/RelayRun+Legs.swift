internal import Routing
internal import Topology

/// A connection at a relay: its exchange chooses a server and tries others until one is reached, as `Worker+Relay` does in the proxy.
extension RelayRun {
  /// A relay has taken the connection.
  mutating func beginLeg(_ index: Int32, pool: Int32, port: UInt16) {
    let user = caller(of: index)
    callers[Int(user)].depth = index - firstLeg(user) + 1
    let leg = legs + Int(index)
    leg.pointee.pool = pool
    leg.pointee.port = port
    leg.pointee.isConnected = false
    pools[Int(pool)].refreshIfNeeded(now: now)
    let key = SelectionKey(clientHash: StableHash.avalanche(seed &+ UInt64(user) &+ 1), sessionHash: 0)
    let action = leg.pointee.exchange.begin(
      Exchange.Request(isIdempotent: true, binding: .none, key: key),
      attemptsMax: network.pools[Int(pool)].plan.retries.attemptsMax, waiter: index, pool: &pools[Int(pool)], now: now)
    perform(action, index)
    settle(pool)
  }

  private mutating func perform(_ action: Exchange.Action, _ leg: Int32) {
    switch action {
    case .connect(let server, _): connect(leg, server)
    case .relay, .nothing: break
    case .queue, .awaitTrial, .awaitBudget: wait(leg, action)
    case .answer(let failure): gaveUp(leg, failure)
    }
  }

  /// The relay has reached nobody, and closes the connection.
  private mutating func gaveUp(_ index: Int32, _ failure: Exchange.Failure) {
    let user = caller(of: index)
    if failure == .connectionLimitReached || failure == .shed { callers[Int(user)].metBound = true }
    closeSoon(user)
  }

  /// The relay's end of the connection is on its way to the user.
  mutating func closeSoon(_ user: Int32) {
    let caller = callers + Int(user)
    caller.pointee.token &+= 1
    schedule(
      .closed, user, token: caller.pointee.token, at: now + Int64(max(1, caller.pointee.depth)) * ModelTimes.local)
  }

  // MARK: Connecting

  private mutating func connect(_ index: Int32, _ server: Int32) {
    let leg = legs + Int(index)
    let (target, port) = network.target(leg.pointee.pool, server, port: leg.pointee.port)
    leg.pointee.target = target
    leg.pointee.targetPort = port
    leg.pointee.token &+= 1
    leg.pointee.attemptBegan = now
    leg.pointee.retries = 0
    scheduleResult(index, after: roundTrips(leg.pointee, server))
  }

  /// What it takes until the connection is made: a handshake, and with TLS another one, which needs the server's process.
  private func roundTrips(_ leg: RelayLeg, _ server: Int32) -> Int64 {
    let isSecured = network.pools[Int(leg.pool)].candidates[Int(server)].connectsByTLS
    return 2 * ModelTimes.local + (isSecured ? 4 * ModelTimes.local + world[Int(leg.target)].slowness : 0)
  }

  private mutating func scheduleResult(_ index: Int32, after delay: Int64) {
    let leg = legs[Int(index)]
    let limit = network.pools[Int(leg.pool)].connectTimeout
    let isInTime = delay < limit
    schedule(
      isInTime ? .connectResult : .connectTimeout, index, token: leg.token,
      at: max(now, leg.attemptBegan + min(delay, limit)))
  }

  /// The handshake is over, or another SYN has gone unanswered.
  mutating func connectResult(_ index: Int32) {
    let leg = legs + Int(index)
    let pool = leg.pointee.pool
    let target = world[Int(leg.pointee.target)]
    guard target.isPowered else {
      leg.pointee.retries += 1
      let sent = ModelTimes.handshakeRetransmission * ((1 << min(leg.pointee.retries, 20)) - 1)
      return scheduleResult(index, after: sent + roundTrips(leg.pointee, leg.pointee.exchange.server))
    }
    guard target.isUp else { return connectFailed(index) }
    let server = Int(leg.pointee.exchange.server)
    if network.pools[Int(pool)].candidates[server].tier > 0 { callers[Int(caller(of: index))].usedBackup = true }
    leg.pointee.isConnected = true
    leg.pointee.epoch = target.epoch
    leg.pointee.exchange.connected(isNew: true, pool: &pools[Int(pool)])
    // Whatever comes back, or nothing: it has been reached, and no other one is asked.
    _ = leg.pointee.exchange.responseHead(.none, pool: &pools[Int(pool)], now: now)
    goOn(index)
    settle(pool)
  }

  /// Behind the relay stands another one, or the server.
  private mutating func goOn(_ index: Int32) {
    let leg = legs[Int(index)]
    let user = caller(of: index)
    let place = index - firstLeg(user) + 1
    guard Int(leg.target) < network.relayCount, place < RelayNetwork.depthMax else {
      return schedule(
        .answered, user, token: callers[Int(user)].token,
        at: now + Int64(place) * ModelTimes.local + world[Int(leg.target)].slowness)
    }
    guard let next = network.nextPool(leg.target, for: leg.pool) else { return closeSoon(user) }
    beginLeg(index + 1, pool: next, port: leg.targetPort)
  }

  mutating func connectFailed(_ index: Int32) {
    let leg = legs + Int(index)
    let pool = leg.pointee.pool
    leg.pointee.token &+= 1
    pools[Int(pool)].refreshIfNeeded(now: now)
    perform(leg.pointee.exchange.connectFailed(ownFault: false, pool: &pools[Int(pool)], now: now), index)
    settle(pool)
  }

  // MARK: The end

  /// The connection is over at every relay that still has it.
  mutating func releaseLegs(_ user: Int32) {
    for place in 0..<callers[Int(user)].depth { release(firstLeg(user) + place) }
    callers[Int(user)].depth = 0
  }

  /// A relay holds nothing of the connection any more.
  mutating func release(_ index: Int32) {
    let leg = legs + Int(index)
    let pool = leg.pointee.pool
    leg.pointee.token &+= 1
    leg.pointee.isConnected = false
    guard pool >= 0 else { return }
    waiting[Int(pool)].removeAll { $0 == index }
    leg.pointee.pool = -1
    if leg.pointee.exchange.isActive { leg.pointee.exchange.finish(pool: &pools[Int(pool)]) }
    settle(pool)
  }

  // MARK: Waiting

  private mutating func wait(_ index: Int32, _ action: Exchange.Action) {
    let leg = legs + Int(index)
    let pool = leg.pointee.pool
    let model = network.pools[Int(pool)]
    var limit = model.queueTimeout
    if case .awaitTrial(let server) = action {
      leg.pointee.awaited = server
      limit = 2 * model.connectTimeout
    }
    leg.pointee.token &+= 1
    waiting[Int(pool)].append(index)
    schedule(.waitTimeout, index, token: leg.pointee.token, at: now + limit)
    schedulePoll(pool)
  }

  private mutating func schedulePoll(_ pool: Int32) {
    guard !waiting[Int(pool)].isEmpty, !pollIsScheduled[Int(pool)] else { return }
    pollIsScheduled[Int(pool)] = true
    schedule(.poll, pool, at: now + ModelTimes.waitingPoll)
  }

  mutating func poll(_ pool: Int32) {
    pollIsScheduled[Int(pool)] = false
    retryWaiting(pool, looksAtQueues: true)
    if pools[Int(pool)].hasEvidence { takeEvidence(pool) }
    schedulePoll(pool)
  }

  mutating func waitedTooLong(_ index: Int32) {
    let leg = legs + Int(index)
    let pool = leg.pointee.pool
    waiting[Int(pool)].removeAll { $0 == index }
    leg.pointee.token &+= 1
    pools[Int(pool)].refreshIfNeeded(now: now)
    perform(leg.pointee.exchange.waitedTooLong(pool: &pools[Int(pool)], now: now), index)
    settle(pool)
  }

  /// What the pool's exchanges have freed or learned is passed on, as a worker does at the end of a round.
  mutating func settle(_ pool: Int32) {
    if pools[Int(pool)].hasEvidence { takeEvidence(pool) }
    if pools[Int(pool)].hasFreed { _ = pools[Int(pool)].takeFreed() }
    if !waiting[Int(pool)].isEmpty { retryWaiting(pool) }
  }

  /// Those whose slot was granted go on; then those who wait for a trial or the budget get another try, the first one first.
  private mutating func retryWaiting(_ pool: Int32, looksAtQueues: Bool = false) {
    guard !isRetrying else { return }
    isRetrying = true
    defer { isRetrying = false }
    let at = Int(pool)
    pools[at].refreshIfNeeded(now: now)
    if looksAtQueues {
      pools[at].offerSlotsToLines()
      for index in waiting[at] where waiting[at].contains(index) {
        let action = legs[Int(index)].exchange.lookWhileQueued(pool: &pools[at], now: now)
        if action != .nothing { resume(index, action) }
      }
    }
    while let index = pools[at].nextGranted() {
      resume(index, legs[Int(index)].exchange.slotFreed(pool: &pools[at], now: now))
    }
    for state in [Exchange.State.awaitingTrial, .awaitingBudget] {
      for index in waiting[at] where waiting[at].contains(index) && legs[Int(index)].exchange.state == state {
        let leg = legs + Int(index)
        if state == .awaitingTrial {
          let since = leg.pointee.exchange.exclusions.since
          if pools[at].trialIsAwaited(leg.pointee.awaited, since: since, now: now) { continue }
          resume(index, leg.pointee.exchange.trialResolved(pool: &pools[at], now: now))
        } else {
          let action = leg.pointee.exchange.budgetFreed(pool: &pools[at], now: now)
          if action == .awaitBudget { break }
          resume(index, action)
        }
      }
    }
  }

  private mutating func resume(_ index: Int32, _ action: Exchange.Action) {
    let pool = Int(legs[Int(index)].pool)
    waiting[pool].removeAll { $0 == index }
    legs[Int(index)].token &+= 1
    perform(action, index)
  }
}
