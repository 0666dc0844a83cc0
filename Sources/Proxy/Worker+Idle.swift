internal import Glibc
internal import HTTPMessage
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// Connections to servers kept for the next request, by server, the one used last first.
extension Worker {
  mutating func takeIdle(_ slot: Int, _ policy: Exchange.PooledConnections) -> Int32? {
    while idleHeads[slot] >= 0 {
      let upstream = idleHeads[slot]
      if policy == .recentlyUsed && now - upstreams[Int(upstream)].idleSince >= reuseWindow { return nil }
      // Something has come since: the server's end of the stream, most likely.
      if reactor.mayReceive(upstreams[Int(upstream)].socket) {
        closeUpstream(upstream)
        continue
      }
      unlinkIdle(upstream)
      upstreams[Int(upstream)].wasKept = true
      return upstream
    }
    return nil
  }

  /// Keeps the connection of a finished exchange for the next one.
  mutating func keepIdle(_ upstream: Int32) {
    let pointer = upstreams + Int(upstream)
    let list = slot(of: pointer.pointee.server, in: pointer.pointee.application)
    guard phase != .stopping, idleCounts[list] < Int32(clamping: shared.plan.limits.pooledPerServerMax) else {
      closeUpstream(upstream)
      return
    }
    buffers.giveBack(&pointer.pointee.input)
    pointer.pointee.client = -1
    pointer.pointee.state = .idle
    pointer.pointee.idleSince = now
    pointer.pointee.scanned = 0
    pointer.pointee.deadline = now + applications[Int(pointer.pointee.application)].timeouts.pooled
    pointer.pointee.previous = -1
    pointer.pointee.next = idleHeads[list]
    if idleHeads[list] >= 0 { upstreams[Int(idleHeads[list])].previous = upstream }
    idleHeads[list] = upstream
    idleCounts[list] += 1
    wheel.armNoLater(Int(upstream) << 1 | 1, at: pointer.pointee.deadline)
    if !pointer.pointee.isAwaiting {
      if reactor.awaitInput(pointer.pointee.socket) {
        closeUpstream(upstream)
      } else {
        pointer.pointee.isAwaiting = true
      }
    }
  }

  mutating func unlinkIdle(_ upstream: Int32) {
    let pointer = upstreams + Int(upstream)
    let list = slot(of: pointer.pointee.server, in: pointer.pointee.application)
    if pointer.pointee.previous >= 0 {
      upstreams[Int(pointer.pointee.previous)].next = pointer.pointee.next
    } else {
      idleHeads[list] = pointer.pointee.next
    }
    if pointer.pointee.next >= 0 { upstreams[Int(pointer.pointee.next)].previous = pointer.pointee.previous }
    idleCounts[list] -= 1
  }

  /// Closes one idle connection for its descriptor. False: there is none.
  mutating func evictIdle() -> Bool {
    for list in 0..<serverTotal where idleHeads[list] >= 0 {
      closeUpstream(idleHeads[list])
      return true
    }
    return false
  }

  /// Gives the port of an idle connection to the server's address free for another one, by a reset: closed in order it would
  /// keep the port for as long as late segments may come. False: there is none.
  mutating func freePort(_ slot: Int, at address: SocketAddress) -> Bool {
    var upstream = idleHeads[slot]
    while upstream >= 0 && upstreams[Int(upstream)].place != Upstream.Place(address) {
      upstream = upstreams[Int(upstream)].next
    }
    guard upstream >= 0 else { return false }
    closeUpstream(upstream, reset: true)
    return true
  }

  mutating func upstreamExpired(_ upstream: Int32) {
    let pointer = upstreams + Int(upstream)
    guard pointer.pointee.state == .idle else { return }
    if pointer.pointee.deadline > now {
      wheel.arm(Int(upstream) << 1 | 1, at: pointer.pointee.deadline)
    } else {
      closeUpstream(upstream)
    }
  }
}
