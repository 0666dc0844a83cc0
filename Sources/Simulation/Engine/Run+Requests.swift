internal import Routing
internal import Topology

/// A request arrives at a node: its cookies are read, and the Exchange decides. What it says is carried out here, as
/// `Worker+Request` and `Worker+Exchange` do in the proxy.
extension Run {
  // MARK: The slab of legs

  @inline(__always)
  mutating func takeLeg() -> Int32 {
    if freeLeg >= 0 {
      let leg = freeLeg
      freeLeg = legs[Int(leg)].nextFree
      return leg
    }
    if legCount == legCapacity { growLegs() }
    let leg = Int32(legCount)
    legCount += 1
    (legs + Int(leg)).initialize(to: Leg())
    return leg
  }

  @inline(never)
  private mutating func growLegs() {
    let larger = UnsafeMutablePointer<Leg>.allocate(capacity: legCapacity * 2)
    larger.moveInitialize(from: legs, count: legCount)
    legs.deallocate()
    legs = larger
    legCapacity *= 2
  }

  @inline(__always)
  mutating func freeLeg(_ leg: Int32) {
    legs[Int(leg)].flags = []
    legs[Int(leg)].token &+= 1
    legs[Int(leg)].generation &+= 1
    legs[Int(leg)].nextFree = freeLeg
    freeLeg = leg
  }

  // MARK: The beginning

  /// The request's head is complete at the leg's node.
  @inline(__always)
  mutating func begin(_ index: Int32) {
    let leg = legs + Int(index)
    let pool = pools + Int(leg.pointee.pool)
    let state = poolStates + Int(leg.pointee.pool)
    leg.pointee.firstTier = -1
    leg.pointee.attempt = -1
    pool.pointee.refreshIfNeeded(now: now)
    let binding = binding(leg, state, pool)
    let request = Exchange.Request(
      isIdempotent: !leg.pointee.flags.contains(.isPost), binding: binding,
      key: SelectionKey(
        clientHash: StableHash.avalanche(userHashes &+ UInt64(UInt32(bitPattern: leg.pointee.user))),
        sessionHash: binding.sessionHash), order: order(leg))
    let action = leg.pointee.exchange.begin(
      request, attemptsMax: Int(state.pointee.attemptsMax), waiter: index, pool: &pool.pointee, now: now)
    if leg.pointee.requestBytes > state.pointee.bodyBytesMax { leg.pointee.exchange.replayLost() }
    perform(action, index)
    settle(Int32(pool - pools))
  }

  /// The order in which the request takes the tiers: at its entry the user's own (`TierOrders`).
  @inline(__always)
  private func order(_ leg: UnsafeMutablePointer<Leg>) -> Int32 {
    guard hasPlaces, leg.pointee.parent < 0 else { return 0 }
    return population.entries[entry(users + Int(leg.pointee.user))].order
  }

  /// Where the request's cookies say it belongs (rules B1 to B3): the numbers of a simulated jar stand for their text.
  @inline(__always)
  private mutating func binding(
    _ leg: UnsafeMutablePointer<Leg>, _ state: UnsafeMutablePointer<PoolState>, _ pool: UnsafeMutablePointer<Pool>
  ) -> Binding {
    switch state.pointee.mode {
    case nil: return .none
    case .passive, .insert:
      let value = state.pointee.isBalancer ? leg.pointee.cookies.server : leg.pointee.cookies.site
      guard value >= 0 else { return .none }
      let group = state.pointee.group(value)
      if state.pointee.hasDates {
        return Binding.dated(
          group: group, lastSeen: leg.pointee.cookies.siteLast, firstGiven: leg.pointee.cookies.siteFirst,
          maxIdle: state.pointee.maxIdle, maxLife: state.pointee.maxLife, seconds: now / 1_000_000_000)
      }
      return Binding(presence: group >= 0 ? .named : .unknown, group: group, sessionHash: 0)
    case .prefix:
      guard leg.pointee.cookies.session != 0 else { return .none }
      let group = state.pointee.group(leg.pointee.cookies.server)
      return Binding(presence: group >= 0 ? .named : .unknown, group: group, sessionHash: leg.pointee.sessionHash)
    }
  }

  // MARK: What the Exchange says

  @inline(__always)
  mutating func perform(_ action: Exchange.Action, _ leg: Int32) {
    switch action {
    case .connect(let server, let policy): connect(leg, server, policy)
    case .relay, .nothing: break
    case .queue, .awaitTrial, .awaitBudget: wait(leg, action)
    case .answer(let failure): answer(leg, failure)
    }
  }

  /// The node answers by itself.
  @inline(never)
  private mutating func answer(_ index: Int32, _ failure: Exchange.Failure) {
    disturb(index)
    traceOutcome(index, "no way left: answers \(failure.status)")
    if failure == .connectionLimitReached || failure == .shed { mark(index, .overloaded) }
    var result = Result()
    result.status = UInt16(failure.status)
    result.refusal = failure.refusal
    result.bytes = Int32(ModelTimes.ownAnswerBytes)
    respond(index, result)
  }

  /// The request is no ordinary one: the checkers look at it closely.
  mutating func disturb(_ index: Int32) { mark(index, .disturbed) }

  /// Notes something at the request's root, if it is still there.
  mutating func mark(_ index: Int32, _ flag: Leg.Flags) {
    let leg = legs + Int(index)
    let root = legs + Int(leg.pointee.root)
    if root.pointee.generation == leg.pointee.rootGeneration { root.pointee.flags.insert(flag) }
  }

  /// What the pool's exchanges have freed or learned is passed on, as a worker does at the end of a round.
  @inline(__always)
  mutating func settle(_ pool: Int32) {
    if pools[Int(pool)].hasEvidence { takeEvidence(pool) }
    if pools[Int(pool)].hasFreed { _ = pools[Int(pool)].takeFreed() }
    if poolStates[Int(pool)].waiting > 0 { retryWaiting(pool) }
  }
}
