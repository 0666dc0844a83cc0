internal import Topology

/// One request's way to an answer: events in, actions out (rules C and D). It owns no socket and no clock; the driver
/// (the proxy, or the simulator) does what an action says and reports what came of it.
///
/// ```
/// idle -> choosing -> [awaiting trial | queued | awaiting budget] -> connecting -> sending -> awaiting response -> relaying -> done
///            ^------------------- a failed attempt, the next candidate -------------------|
/// ```
/// This file owns every transition.
public struct Exchange: Sendable {
  /// Where the request is.
  public private(set) var state: State = .idle
  /// The server of the current attempt; -1 before the first.
  public private(set) var server: Int32 = -1
  /// Why it is that server.
  public private(set) var reason: Reason = .none
  /// Attempts made, the current one included.
  public private(set) var attempts: Int = 0
  /// Attempts among them that went to a tier behind the first of the request's order: at a director, to another site.
  public private(set) var attemptsAway: Int = 0
  /// The request's binding.
  public private(set) var binding: Binding = .none
  /// The order in which it takes the tiers, the same for all its attempts.
  public private(set) var order: Int32 = 0
  private var key = SelectionKey(clientHash: 0, sessionHash: 0)
  /// What its attempts rule out for the next one.
  public private(set) var exclusions = Pool.Exclusions()
  private var attemptsMax = 1
  private var isIdempotent = false
  private var isReplayable = true
  private var everyAttemptUnprocessed = true
  private var sentAnything = false
  /// An attempt failed after it was connected: somebody has had work with the request.
  private var hasMadeWork = false
  private var holdsSlot = false
  /// The place in a queue; -1: none.
  private var place: Int32 = -1
  /// When it first began to wait: as that it stands in line wherever it is sent then. 0: it never did.
  private var arrival: UInt64 = 0
  /// Whose slots it waits for in that place.
  private var line = SlotQueues.Line.server(-1, isBound: false)
  /// The server was chosen as one that takes new users, not as the session's own.
  private var isNewThere = false
  /// It waits for one server, as attempts rule others out, that without them would do as well.
  private var isKeptAlone = false
  /// The driver's number for the request.
  private var waiter: Int32 = -1
  private var holdsBudget = false
  /// The server is believed down, and the attempt has not yet shown otherwise.
  private var isAgainstBelief = false
  /// When the trial began that this attempt has the right to; nil: it has none.
  private var trialBegan: Int64?
  private var isProbe = false
  /// When the attempt was chosen.
  private var attemptBegan: Int64 = 0
  private var limitReached = false
  /// Attempts among those made that ended before they began, as there was no local port towards the server.
  private var portShortages = 0

  /// No request yet.
  public init() {}

  /// Another request has arrived and will be awaited before an answer, so a response is due.
  public var isActive: Bool { state != .idle && state != .done }

  // MARK: Events

  /// A request's head is complete. `waiter`: by what number `Pool.nextGranted` tells of it.
  public mutating func begin(
    _ request: Request, attemptsMax: Int, waiter: Int32 = -1, pool: inout Pool, now: Int64
  ) -> Action {
    assert(!isActive)
    binding = request.binding
    key = request.key
    order = pool.known(order: request.order)
    isIdempotent = request.isIdempotent
    self.attemptsMax = min(max(1, attemptsMax), TriedServers.capacity)
    exclusions.reset(since: now)
    attempts = 0
    attemptsAway = 0
    server = -1
    reason = .none
    isReplayable = true
    everyAttemptUnprocessed = true
    limitReached = false
    portShortages = 0
    holdsSlot = false
    place = -1
    arrival = 0
    self.waiter = waiter
    holdsBudget = false
    hasMadeWork = false
    isAgainstBelief = false
    trialBegan = nil
    isProbe = false
    pool.budget.requestBegan()
    if pool.capacity > 0 && binding.group < 0 && Int(pool.shared.loads.totalInFlight) >= pool.capacity {
      return end(.shed, &pool)
    }
    return choose(&pool, now)
  }

  /// A slot may have been granted, or the awaited servers may have died or been taken out meanwhile.
  public mutating func slotFreed(pool: inout Pool, now: Int64) -> Action {
    guard state == .queued else { return .nothing }
    guard isStillWanted(&pool) else { return leaveAndChoose(&pool, now) }
    return takeUp(pool.shared.queues.take(place), &pool, now)
  }

  /// Whether it still waits for what it should wait for, to be asked now and then; `nothing`: it waits on.
  public mutating func lookWhileQueued(pool: inout Pool, now: Int64) -> Action {
    guard state == .queued, !isStillWanted(&pool) else { return .nothing }
    return leaveAndChoose(&pool, now)
  }

  private mutating func leaveAndChoose(_ pool: inout Pool, _ now: Int64) -> Action {
    leaveQueue(&pool)
    endTrial(reached: false, &pool)
    return choose(&pool, now)
  }

  /// What the request waits for is what it would be sent to, also now. What has come back since is not ruled out any more by an
  /// attempt made before.
  private mutating func isStillWanted(_ pool: inout Pool) -> Bool {
    if isAgainstBelief && !pool.isInMaintenance(server) { return true }
    guard pool.isServed(line) else { return false }
    // Offices follow hints, and `failback` its own clock: for those the choice stands.
    guard isNewThere, pool.mode != .passive, reason != .failback else { return true }
    let since = exclusions.tried.isEmpty && exclusions.sites == 0 ? Int64.min : attemptBegan
    // The own server has come back (rule C2), or an earlier tier.
    if binding.group >= 0 && pool.isUsable(group: binding.group, aliveSince: since)
      || !pool.spill && pool.admitsEarlier(than: server, order, since: since)
    {
      pool.readmit(to: &exclusions, since: since)
      return false
    }
    if isKeptAlone && pool.hasSlotBeside(server, exclusions) { return false }
    // A server that takes no new users any more is left, if another one takes them (rules C1 and F2).
    if case .server = line, !pool.admits(server) { return !pool.somebodyAdmits() }
    return true
  }

  /// The awaited trial has an outcome, or took too long.
  public mutating func trialResolved(pool: inout Pool, now: Int64) -> Action {
    guard state == .awaitingTrial else { return .nothing }
    return choose(&pool, now)
  }

  /// A retry may be allowed now.
  public mutating func budgetFreed(pool: inout Pool, now: Int64) -> Action {
    guard state == .awaitingBudget else { return .nothing }
    return choose(&pool, now)
  }

  /// The queue, or the wait for a trial or the budget, took too long.
  public mutating func waitedTooLong(pool: inout Pool, now: Int64) -> Action {
    switch state {
    case .awaitingTrial: return choose(&pool, now)
    case .queued:
      // A slot may have been granted in this very moment.
      if isStillWanted(&pool) {
        let action = takeUp(pool.shared.queues.take(place), &pool, now)
        if state != .queued { return action }
      }
      limitReached = true
      return end(.connectionLimitReached, &pool)
    case .awaitingBudget: return end(failureOfAttempts, &pool)
    case .idle, .connecting, .awaitingResponse, .relaying, .done: return .nothing
    }
  }

  /// The connection is there: a new one, or a kept one was taken. `mayBeRejected`: the server may still turn it down
  /// (`connectionRejected`), so that it makes earlier failures good only with its answer.
  public mutating func connected(isNew: Bool, mayBeRejected: Bool = false, pool: inout Pool) {
    assert(state == .connecting)
    state = .awaitingResponse
    sentAnything = false
    // Nobody before has had any work with it: it is no more load than if this had been its first choice, and others may follow.
    if holdsBudget && !hasMadeWork { giveBackBudget(&pool) }
    guard isNew else { return }
    if isAgainstBelief {
      // A node that says it has nobody is reached easily; only an answer shows that it has somebody.
      if !pool.isDeclaredDead(server) { reached(&pool) }
    } else if pool.members[Int(server)].hasFailures {
      if mayBeRejected { return }
      pool.note(server, .connected)
    }
    pool.members[Int(server)].hasFailures = false
  }

  /// The server turned the connection down before it looked at what was sent over it: as good as not connected.
  public mutating func connectionRejected(pool: inout Pool, now: Int64) -> Action {
    guard state == .awaitingResponse else { return .nothing }
    pool.note(server, .connectFailed)
    failTrial(&pool)
    pool.members[Int(server)].hasFailures = true
    pool.shared.trials.revoke(server)
    finishAttempt(&pool)
    guard isReplayable else { return end(.connectionTerminated, &pool) }
    return next(&pool, now)
  }

  /// The first byte of the request left for the server.
  public mutating func requestBytesSent() { sentAnything = true }

  /// Bytes of the request are no longer held: it cannot be sent again.
  public mutating func replayLost() { isReplayable = false }

  /// No connection. `ownFault`: no descriptor or memory of ours, which says nothing of the server (rule C4), and is missing for
  /// any other as well.
  public mutating func connectFailed(ownFault: Bool, pool: inout Pool, now: Int64) -> Action {
    guard state == .connecting else { return .nothing }
    if ownFault { return end(.internalShortage, &pool) }
    pool.note(server, .connectFailed)
    failTrial(&pool)
    pool.members[Int(server)].hasFailures = true
    pool.shared.trials.revoke(server)
    finishAttempt(&pool)
    return next(&pool, now)
  }

  /// No connection, as every local port is in use towards the server. That says nothing of the server (rule C4), nor of the
  /// others: one of them is next, at no cost to the budget, as nothing was tried. A session waits for the shortage to pass.
  public mutating func portsRanOut(pool: inout Pool, now: Int64) -> Action {
    guard state == .connecting else { return .nothing }
    portShortages += 1
    finishAttempt(&pool)
    if pool.wouldLoseSession(binding, leaving: server, excluding: exclusions) { return end(.internalShortage, &pool) }
    return next(&pool, now)
  }

  /// The connection broke before the response's head was complete. `responseBegun`: bytes of it had come.
  /// `wasKept`: the connection had served earlier requests, so the server may just have closed it.
  public mutating func connectionLost(
    responseBegun: Bool, wasKept: Bool, pool: inout Pool, now: Int64
  ) -> Action {
    guard state == .awaitingResponse else { return .nothing }
    let mayRepeat = !sentAnything || (isIdempotent && isReplayable && !responseBegun)
    hasMadeWork = true
    if sentAnything { everyAttemptUnprocessed = false }
    if mayRepeat && wasKept && !responseBegun && isReplayable && !pool.isInMaintenance(server) {
      // The same server once more over a new connection: nothing is known against it.
      state = .connecting
      return .connect(server, .none)
    }
    finishAttempt(&pool)
    guard mayRepeat, isReplayable else { return end(.connectionTerminated, &pool) }
    return next(&pool, now)
  }

  /// The server was silent for too long after the request.
  public mutating func responseTimedOut(pool: inout Pool) -> Action {
    guard state == .awaitingResponse else { return .nothing }
    return end(.responseTimeout, &pool)
  }

  /// What came is not a response.
  public mutating func responseInvalid(pool: inout Pool) -> Action {
    guard state == .awaitingResponse else { return .nothing }
    return end(.invalidResponse, &pool)
  }

  /// The head of a final response came.
  public mutating func responseHead(_ refusal: Refusal, pool: inout Pool, now: Int64) -> Action {
    guard state == .awaitingResponse else { return .nothing }
    if pool.members[Int(server)].hasFailures {
      pool.note(server, .connected)
      pool.members[Int(server)].hasFailures = false
    }
    giveBackBudget(&pool)
    switch refusal {
    case .destinationUnavailable where isReplayable, .connectionTerminated where isReplayable && isIdempotent:
      hasMadeWork = true
      if refusal == .destinationUnavailable {
        // A refusal may come after a long wait at the nodes behind: what was found out since it began is newer.
        if pool.members[Int(server)].aliveSince <= attemptBegan {
          pool.note(server, .declaredDead)
          pool.shared.trials.revoke(server)
        }
        // Those that follow need not ask again at once (rule C2).
        pool.shared.trials.counts(server, now: now)
      } else {
        everyAttemptUnprocessed = false
      }
      // A bound request asks the site's other nodes too, should this one alone be cut off; a free one leaves the site.
      let site = pool.members[Int(server)].site
      if binding.group < 0 || pool.members[Int(server)].group != binding.group {
        if site < 64 { exclusions.sites |= 1 << UInt64(site) }
      }
      finishAttempt(&pool)
      return next(&pool, now)
    case .connectionLimitReached where isReplayable && binding.group < 0:
      limitReached = true
      hasMadeWork = true
      let site = pool.members[Int(server)].site
      if pool.spill && site < 64 {
        exclusions.sites |= 1 << UInt64(site)
        finishAttempt(&pool)
        return next(&pool, now)
      }
    case .none, .destinationUnavailable, .connectionLimitReached, .connectionTerminated: break
    }
    // An office's director answers from another site, too: there only its monitor tells that the site is back.
    if isAgainstBelief && refusal != .destinationUnavailable {
      if pool.mode == .passive && pool.isDeclaredDead(server) {
        // But it does answer: before an error others follow (rule C3).
        endTrial(reached: true, &pool)
      } else {
        reached(&pool)
      }
    }
    state = .relaying
    return .relay
  }

  /// The response was passed on completely, or the client is gone, or the response broke off: nothing is held any more.
  public mutating func finish(pool: inout Pool) {
    guard isActive else { return }
    conclude(&pool)
  }

  /// What a response told of the site behind an office's director (rule E3): `moved`, the user was given another site's cookie.
  public mutating func learned(moved: Bool, pool: inout Pool, now: Int64) {
    guard pool.mode == .passive, server >= 0 else { return }
    let member = pool.members[Int(server)]
    if moved {
      let audience: HintBoard.Audience =
        binding.group >= 0 && binding.group == member.group ? .ownUsers : .newUsers
      pool.shared.hints.set(site: Int(member.site), for: audience, until: now + member.hintInterval)
      pool.note(server, .hinted)
    } else if isProbe {
      pool.shared.hints.clear(site: Int(member.site))
    }
  }

  // MARK: Transitions

  private mutating func choose(_ pool: inout Pool, _ now: Int64) -> Action {
    // The first attempt is free; each further one counts against the budget.
    if attempts > portShortages && !holdsBudget {
      guard pool.budget.take() else {
        state = .awaitingBudget
        return .awaitBudget
      }
      holdsBudget = true
    }
    switch pool.select(binding, key: key, order: order, excluding: &exclusions, now: now) {
    case .server(let chosen, let why, let purpose):
      server = chosen
      reason = why
      isAgainstBelief = why == .trial || why == .lastResort
      trialBegan = purpose == .trial ? now : nil
      isProbe = purpose == .probe
      attemptBegan = now
      return attempt(&pool, now)
    case .awaitTrial(let target):
      state = .awaitingTrial
      return .awaitTrial(target)
    case .none:
      return end(failureOfAttempts, &pool)
    }
  }

  private mutating func attempt(_ pool: inout Pool, _ now: Int64) -> Action {
    let loads = pool.shared.loads
    if loads.isOpen(server) || isOwn(pool.members[Int(server)]), loads.reserveForNewcomer(server) {
      return attemptWithSlot(&pool)
    }
    return queue(&pool, now)
  }

  /// The server is one of those that the request's cookie names.
  private func isOwn(_ member: Pool.Member) -> Bool { binding.group >= 0 && member.group == binding.group }

  @inline(never)
  private mutating func queue(_ pool: inout Pool, _ now: Int64) -> Action {
    let wide = pool.line(server, binding)
    let isAlone = isAgainstBelief || isProbe || pool.ruleOut(exclusions, wide)
    line = isAlone ? .server(server, isBound: binding.group >= 0) : wide
    isKeptAlone = line != wide
    isNewThere = pool.admits(server) && !isOwn(pool.members[Int(server)])
    guard let place = pool.join(line, waiter: waiter, arrival: arrival) else {
      limitReached = true
      return end(.connectionLimitReached, &pool)
    }
    self.place = place
    if arrival == 0 { arrival = pool.shared.queues.arrival(of: place) }
    return takeUp(pool.seekSlot(place, line, first: server), &pool, now)
  }

  /// The place was granted a slot of this server; -1: of none yet.
  private mutating func takeUp(_ granted: Int32, _ pool: inout Pool, _ now: Int64) -> Action {
    guard granted >= 0 else {
      state = .queued
      return .queue(server)
    }
    place = -1
    // Another worker may have granted it by an older belief.
    guard pool.isFit(granted, for: line) else {
      pool.release(granted)
      return choose(&pool, now)
    }
    server = granted
    attemptBegan = now
    return attemptWithSlot(&pool)
  }

  private mutating func attemptWithSlot(_ pool: inout Pool) -> Action {
    let pooled: PooledConnections = isAgainstBelief ? .none : .any
    holdsSlot = true
    attempts += 1
    if Int(pool.tier(of: server)) != pool.tier(at: 0, of: order) { attemptsAway += 1 }
    exclusions.tried.insert(server)
    state = .connecting
    return .connect(server, pooled == .any && !isIdempotent ? .recentlyUsed : pooled)
  }

  /// Gives the place in the queue up, and with it a slot that it was granted a moment ago.
  private mutating func leaveQueue(_ pool: inout Pool) {
    guard place >= 0 else { return }
    let granted = pool.shared.queues.leave(place, pool.shared.loads)
    place = -1
    if granted >= 0 { pool.release(granted) }
  }

  private mutating func next(_ pool: inout Pool, _ now: Int64) -> Action {
    guard attempts - portShortages < attemptsMax && attempts < TriedServers.capacity else {
      return end(failureOfAttempts, &pool)
    }
    return choose(&pool, now)
  }

  private var failureOfAttempts: Failure {
    if !everyAttemptUnprocessed { return .connectionTerminated }
    // Those that were not tried may well be there.
    if portShortages > 0 { return .internalShortage }
    return limitReached ? .connectionLimitReached : .destinationUnavailable
  }

  private mutating func finishAttempt(_ pool: inout Pool) {
    giveBackBudget(&pool)
    endTrial(reached: false, &pool)
    isAgainstBelief = false
    leaveQueue(&pool)
    if holdsSlot {
      pool.release(server)
      holdsSlot = false
    }
  }

  /// The attempt has shown that the server is there, whatever is believed.
  private mutating func reached(_ pool: inout Pool) {
    pool.note(server, .trialSucceeded)
    endTrial(reached: true, &pool)
    isAgainstBelief = false
  }

  private func failTrial(_ pool: inout Pool) {
    if let trialBegan { pool.shared.trials.fail(server, began: trialBegan) }
  }

  private mutating func endTrial(reached: Bool, _ pool: inout Pool) {
    guard let began = trialBegan else { return }
    pool.shared.trials.finish(server, began: began, reached: reached)
    trialBegan = nil
  }

  private mutating func giveBackBudget(_ pool: inout Pool) {
    if holdsBudget {
      pool.budget.giveBack()
      holdsBudget = false
    }
  }

  private mutating func end(_ failure: Failure, _ pool: inout Pool) -> Action {
    finishAttempt(&pool)
    conclude(&pool)
    return .answer(failure)
  }

  private mutating func conclude(_ pool: inout Pool) {
    finishAttempt(&pool)
    pool.budget.requestEnded()
    state = .done
  }
}
