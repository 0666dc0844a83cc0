internal import Routing
internal import Topology

/// What becomes of a request at the nodes behind, when the node before them has given the attempt up: it closes the connection, and
/// as in the proxy a node whose client is gone ends the request and closes its own connection.
extension Run {
  /// The leg's attempt is over without an answer: the next hop is told, if that can reach it.
  @inline(never)
  mutating func abandon(_ index: Int32) {
    let leg = legs + Int(index)
    let child = leg.pointee.child
    guard child >= 0, leg.pointee.flags.contains(.delivered), !leg.pointee.flags.contains(.replied),
      legs[Int(child)].generation == leg.pointee.childGeneration
    else { return }
    leg.pointee.child = -1
    let candidate = candidate(leg.pointee.pool, leg.pointee.exchange.server)
    let node = poolStates[Int(leg.pointee.pool)].node
    // In silence nobody hears of it: the node behind goes on, and what it answers comes to nothing.
    guard world.passes(candidate.pointee.path, from: node, to: candidate.pointee.element) else { return }
    schedule(
      .cancel, child, token: legs[Int(child)].generation, at: now + world.latency(candidate.pointee.path))
  }

  /// The client's side of the leg is gone.
  mutating func cancel(_ index: Int32, generation: UInt32) {
    let leg = legs + Int(index)
    guard leg.pointee.flags.contains(.alive), leg.pointee.generation & Event.tokenMask == generation else { return }
    let pool = leg.pointee.pool
    traceOutcome(index, "given up: the side that asked has gone")
    abandon(index)
    if leg.pointee.exchange.isActive { leg.pointee.exchange.finish(pool: &pools[Int(pool)]) }
    removeWaiting(index, pool)
    freeLeg(index)
    settle(pool)
  }
}
