internal import Routing
internal import Topology

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
  private mutating func visit(
    _ leg: UnsafeMutablePointer<Leg>, _ user: UnsafeMutablePointer<User>, _ target: Int32, _ epoch: UInt32,
    _ result: inout Result
  ) {
    let session = leg.pointee.cookies.session
    let idle = now - user.pointee.lastSeen
    user.pointee.lastSeen = now
    if session != 0 && isKnown(leg.pointee.user, session, at: target, epoch: epoch) {
      if idle < habits(user).pointee.idleExpiry { return }
    } else if session != 0 {
      result.lostSession = true
    }
    result.isNewSession = true
    if session != 0 && behaviour.contains(.applicationsAdoptSessions) {
      user.pointee.remember(
        User.Home(server: target, epoch: epoch, session: session), isOfPage: false, &pasts[Int(leg.pointee.user)])
      return
    }
    user.pointee.serial &+= 1
    result.setsSession = true
    result.session = user.pointee.serial
    user.pointee.remember(
      User.Home(server: target, epoch: epoch, session: user.pointee.serial), isOfPage: isInParallel(user),
      &pasts[Int(leg.pointee.user)])
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
