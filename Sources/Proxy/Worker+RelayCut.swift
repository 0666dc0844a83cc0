internal import Glibc
internal import Reactor
internal import Routing
internal import TLS
internal import Topology

/// How a relay's connections end: whole, or cut off on one side.
///
/// A cut (a reset, a time that is up, an end without the one that TLS has for a stream) is passed on as one, but behind all that came
/// before it. What a side sent before it was cut off is still there to be read, and goes to the other side as ever. Then the
/// connection parts: a reset of ours would take from the kernel what the other side has not taken yet, so it waits until all is
/// acknowledged, for as long as that goes on. A TLS peer sees the cut as an end of TCP without a close_notify, in its place in the
/// stream; others, and who had our end already, by the reset.
///
/// While it parts, `untaken` is what was left at the last progress, `waitedSince` when that was, and `patience` the time until the
/// next look.
extension Worker {
  /// How long a side that is left may take nothing of what the other one sent before it was gone, in nanoseconds: 30 s, or the
  /// pool's `timeouts: {tunnel}` if that is shorter.
  func farewell(_ client: Int32) -> Int64 {
    let tunnel = applications[Int(clients[Int(client)].application)].timeouts.tunnel
    return min(tunnel, Int64(30_000_000_000 * shared.plan.timeScale))
  }

  /// Between two looks at what is not acknowledged yet, in nanoseconds: the first and the longest.
  private static let firstLook: Int64 = 2_000_000
  private static let longestLook: Int64 = 250_000_000
  /// Pieces that are dropped at one look.
  private static let droppedMax = 16

  /// Closes a connection of which both directions are over, when everything was passed on, the ends too.
  mutating func finishRelayIfOver(_ client: Int32) {
    let pointer = clients + Int(client)
    let flags = pointer.pointee.flags
    let upstream = upstreams + Int(pointer.pointee.upstream)
    let isClientOver = flags.contains(.ended) && !upstream.pointee.endIsUnderWay
    let isServerOver = upstream.pointee.ended && !flags.contains(.endIsUnderWay)
    switch (isClientOver, isServerOver) {
    case (true, true):
      logRelay(client)
      closeClient(client)
    case (false, false): if flags.contains(.isGone) && upstream.pointee.isGone { relayBroken(client, "CD") }
    // One side had ended before it was gone: the other one has something to send to it still.
    case (true, false): if flags.contains(.isGone) { partFromServer(client) }
    case (false, true): if upstream.pointee.isGone { partFromClient(client) }
    }
  }

  // MARK: One side is gone

  /// A send to the server failed: what it sent before is read first.
  mutating func serverUnreachable(_ client: Int32, _ result: Int) {
    let pointer = clients + Int(client)
    let upstream = upstreams + Int(pointer.pointee.upstream)
    upstream.pointee.isGone = true
    // The kernel tells a reset once. That an end came before it, it tells by another error.
    upstream.pointee.isCut = result != -Int(EPIPE)
    upstream.pointee.endIsUnderWay = false
    buffers.giveBack(&pointer.pointee.request)
    relayMoved(client)
    finishRelayIfOver(client)
    if isRelaying(client) { pumpToClient(client) }
  }

  /// A send to the client failed: what it sent before is read first.
  mutating func clientUnreachable(_ client: Int32, _ result: Int) {
    let pointer = clients + Int(client)
    pointer.pointee.flags.insert(.isGone)
    if result != -Int(EPIPE) { pointer.pointee.flags.insert(.isCut) }
    pointer.pointee.flags.remove(.endIsUnderWay)
    buffers.giveBack(&pointer.pointee.stash)
    relayMoved(client)
    finishRelayIfOver(client)
    if isRelaying(client) { pumpToServer(client) }
  }

  /// Both directions of the client's connection are gone while nothing was under way there.
  mutating func relayHungUp(_ client: Int32) {
    let pointer = clients + Int(client)
    // Where its end was passed on, and ours to it, nothing is wrong: what it sent before is still there to be read.
    if pointer.pointee.flags.contains(.halfClosed) { return }
    guard isRelaying(client) else { return relayBroken(client, "C") }
    pointer.pointee.flags.insert(.isGone)
    relayMoved(client)
    finishRelayIfOver(client)
    if isRelaying(client) { pumpToServer(client) }
  }

  /// Both directions of the server's connection are gone. What it sent before is read first: only who has ended already, and was
  /// to be sent more, is looked at here.
  mutating func relayServerHungUp(_ client: Int32) {
    guard client >= 0 else { return }
    if clients[Int(client)].state == .parting { return endParting(client) }
    guard isRelaying(client), !clients[Int(client)].flags.contains(.ended) else { return }
    // A client that takes nothing would learn of it only when `timeouts.tunnel` is over.
    upstreams[Int(clients[Int(client)].upstream)].isGone = true
    relayMoved(client)
    finishRelayIfOver(client)
  }

  /// The end of `timeouts.tunnel`: nothing has moved for so long, as far as is seen here. Bytes that are with the kernel may move still.
  mutating func relayIdle(_ client: Int32) {
    let pointer = clients + Int(client)
    if isRelaying(client) {
      let server = upstreams[Int(pointer.pointee.upstream)].socket
      let left = reactor.unacknowledgedBytes(pointer.pointee.socket) + reactor.unacknowledgedBytes(server)
      if left > 0, pointer.pointee.untaken == 0 || left < pointer.pointee.untaken {
        pointer.pointee.untaken = left
        return setDeadline(client, .tunnel, farewell(client))
      }
    }
    relayBroken(client, pointer.pointee.flags.contains(.sending) ? "cD" : "sD")
  }

  /// Nothing is left to be delivered: both sides see the cut by a reset. A code of one letter is completed by how far the connection came.
  mutating func relayBroken(_ client: Int32, _ code: StaticString) {
    let pointer = clients + Int(client)
    pointer.pointee.termination =
      code.utf8CodeUnitCount == 1 ? Self.termination(code, pointer.pointee.exchange.state) : Self.code(code)
    logRelay(client)
    if pointer.pointee.upstream >= 0 {
      closeUpstream(pointer.pointee.upstream, reset: true)
      pointer.pointee.upstream = -1
    }
    closeClient(client, reset: true)
  }

  // MARK: Parting

  /// The server is cut off; all that it sent is with the kernel of the client's connection.
  mutating func partFromClient(_ client: Int32) {
    let pointer = clients + Int(client)
    pointer.pointee.termination = Self.code("SD")
    logRelay(client)
    closeUpstream(pointer.pointee.upstream, reset: true)
    pointer.pointee.upstream = -1
    if pointer.pointee.exchange.isActive {
      pointer.pointee.exchange.finish(pool: &pools[Int(pointer.pointee.application)])
    }
    if isSecure(client) && !pointer.pointee.flags.contains(.halfClosed) {
      reactor.detach(pointer.pointee.socket)
      reactor.shutdownSend(pointer.pointee.socket)
    }
    beginParting(client)
  }

  /// The client is cut off; all that it sent is with the kernel of the server's connection.
  mutating func partFromServer(_ client: Int32) {
    let pointer = clients + Int(client)
    let upstream = upstreams + Int(pointer.pointee.upstream)
    pointer.pointee.termination = Self.code("CD")
    logRelay(client)
    if upstream.pointee.isSecured && !pointer.pointee.flags.contains(.ended) {
      reactor.detach(upstream.pointee.socket)
      reactor.shutdownSend(upstream.pointee.socket)
    }
    reactor.cancelReceive(upstream.pointee.socket)
    beginParting(client)
  }

  private mutating func beginParting(_ client: Int32) {
    let pointer = clients + Int(client)
    reactor.cancelReceive(pointer.pointee.socket)
    buffers.giveBack(&pointer.pointee.input)
    buffers.giveBack(&pointer.pointee.request)
    pointer.pointee.state = .parting
    pointer.pointee.waitedSince = now
    pointer.pointee.untaken = .max
    pointer.pointee.patience = Self.firstLook
    let upstream = pointer.pointee.upstream
    let isAlone = upstream >= 0 ? !upstreams[Int(upstream)].isGone : !pointer.pointee.flags.contains(.isGone)
    if isAlone { lookAtParting(client) } else { endParting(client) }
  }

  /// Whether the side that is left has all, or takes no more of it.
  mutating func lookAtParting(_ client: Int32) {
    let pointer = clients + Int(client)
    let upstream = pointer.pointee.upstream
    let socket = upstream >= 0 ? upstreams[Int(upstream)].socket : pointer.pointee.socket
    // Who waits for us to take something would never come to read.
    guard drop(from: socket) else { return endParting(client) }
    let left = reactor.unacknowledgedBytes(socket)
    if left < pointer.pointee.untaken {
      pointer.pointee.untaken = left
      pointer.pointee.waitedSince = now
    }
    guard left > 0, now - pointer.pointee.waitedSince < farewell(client) else { return endParting(client) }
    setDeadline(client, .parting, pointer.pointee.patience)
    pointer.pointee.patience = min(pointer.pointee.patience * 2, Self.longestLook)
  }

  /// False: it is gone, too.
  private mutating func drop(from socket: Reactor.Socket) -> Bool {
    for _ in 0..<Self.droppedMax {
      let result = reactor.receive(socket, into: scratch, count: Self.scratchBytes)
      if result == Reactor.pending { reactor.cancelReceive(socket) }
      if result == Reactor.pending || result == 0 { return true }
      if result < 0 { return false }
    }
    return true
  }

  /// The side that is left has all that came before the cut, or is gone.
  mutating func endParting(_ client: Int32) {
    let pointer = clients + Int(client)
    let upstream = pointer.pointee.upstream
    guard upstream < 0 else {
      let sawEnd = upstreams[Int(upstream)].isSecured && !pointer.pointee.flags.contains(.ended)
      closeUpstream(upstream, reset: !sawEnd)
      pointer.pointee.upstream = -1
      return closeClient(client, reset: true)
    }
    let sawEnd = isSecure(client) && !pointer.pointee.flags.contains(.halfClosed)
    // What it sends before it has read the end is not to be answered by a reset.
    if sawEnd { linger(client) } else { closeClient(client, reset: true) }
  }
}
