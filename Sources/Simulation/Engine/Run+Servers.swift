internal import Routing
internal import Topology

/// An application server while a scenario runs: when its places are free again.
struct ServerState {
  let model: ServiceModel
  var random: RandomStream
  /// When each request that is served or waits will be done, the earliest first: a heap, only where places are bounded.
  private var ends: [Int64] = []

  init(_ model: ServiceModel, random: RandomStream) {
    self.model = model
    self.random = random
  }

  /// Takes a request in; when it will be answered, or nil when too many wait.
  @inline(__always)
  mutating func take(now: Int64, slowness: Int64) -> Int64? {
    let service = random.exponential(mean: model.time) + slowness
    return model.concurrency == 0 ? now + service : takeBounded(now, service)
  }

  private mutating func takeBounded(_ now: Int64, _ service: Int64) -> Int64? {
    while let first = ends.first, first <= now { removeFirst() }
    guard ends.count < model.concurrency + model.queue else { return nil }
    var start = now
    if ends.count >= model.concurrency {
      // First come, first served: it begins when all but `concurrency - 1` of those before it are done.
      let sorted = ends.sorted()
      start = sorted[sorted.count - model.concurrency]
    }
    insert(start + service)
    return start + service
  }

  /// The process has ended, and all it was busy with.
  mutating func clear() { ends.removeAll(keepingCapacity: true) }

  private mutating func insert(_ end: Int64) {
    var position = ends.count
    ends.append(end)
    while position > 0, ends[(position - 1) / 2] > end {
      ends.swapAt(position, (position - 1) / 2)
      position = (position - 1) / 2
    }
  }

  private mutating func removeFirst() {
    let last = ends.removeLast()
    guard !ends.isEmpty else { return }
    var position = 0
    ends[0] = last
    while true {
      var smallest = position
      for child in [2 * position + 1, 2 * position + 2] where child < ends.count && ends[child] < ends[smallest] {
        smallest = child
      }
      if smallest == position { return }
      ends.swapAt(position, smallest)
      position = smallest
    }
  }
}

/// What an application server does with a request: sessions in memory, a time to answer.
extension Run {
  @inline(__always)
  mutating func serve(_ index: Int32, _ target: Int32) {
    let leg = legs + Int(index)
    let user = users + Int(leg.pointee.user)
    let element = world.elements + Int(target)
    var result = Result()
    result.status = 200
    result.server = target
    result.bytes = Int32(clamping: habits(user).pointee.responseBytes)
    visit(leg, user, target, element.pointee.epoch, &result)
    guard let done = servers[Int(target) - network.firstServer].take(now: now, slowness: element.pointee.slowness)
    else {
      disturb(index)
      result = Result()
      result.status = 503
      result.server = target
      result.isApplicationError = true
      result.bytes = Int32(ModelTimes.ownAnswerBytes)
      return reply(index, result, at: now)
    }
    if element.pointee.errorShare > 0 { mayFail(index, target, &result) }
    reply(index, result, at: done)
  }

  @inline(never)
  private mutating func mayFail(_ index: Int32, _ target: Int32, _ result: inout Result) {
    let element = world.elements[Int(target)]
    guard servers[Int(target) - network.firstServer].random.chance(element.errorShare) else { return }
    disturb(index)
    result.status = element.errorStatus
    result.isApplicationError = element.errorStatus >= 500
    result.bytes = Int32(ModelTimes.ownAnswerBytes)
  }

  /// The session the request belongs to is known, or one is begun.
  @inline(__always)
  private func visit(
    _ leg: UnsafeMutablePointer<Leg>, _ user: UnsafeMutablePointer<User>, _ target: Int32, _ epoch: UInt32,
    _ result: inout Result
  ) {
    let session = leg.pointee.cookies.session
    let idle = now - user.pointee.lastSeen
    user.pointee.lastSeen = now
    if session != 0 && user.pointee.isKnown(session, at: target, epoch: epoch) {
      if idle < habits(user).pointee.idleExpiry { return }
    } else if session != 0 {
      result.lostSession = true
    }
    result.isNewSession = true
    if session != 0 && behaviour.contains(.applicationsAdoptSessions) {
      user.pointee.remember(User.Home(server: target, epoch: epoch, session: session))
      return
    }
    user.pointee.serial &+= 1
    result.setsSession = true
    result.session = user.pointee.serial
    user.pointee.remember(User.Home(server: target, epoch: epoch, session: user.pointee.serial))
  }

  @inline(__always)
  private mutating func reply(_ index: Int32, _ result: Result, at done: Int64) {
    let leg = legs + Int(index)
    let candidate = candidate(leg.pointee.pool, leg.pointee.exchange.server)
    leg.pointee.result = result
    leg.pointee.repliedAt = done
    leg.pointee.flags.insert(.replied)
    let arrival = world.transmit(
      candidate.pointee.path, towardsCandidate: false, bytes: Int(result.bytes), now: done)
    schedule(.response, index, token: leg.pointee.token, at: arrival)
    if arrival >= leg.pointee.deadline { armAncestors(index) }
  }
}
