internal import Reactor

/// How a client's connection ends when its last answer is with the kernel (RFC 9112 section 9.6): in stages, where the client may still be
/// sending. What comes in after close(2) is answered by a reset, which takes from the kernels on both sides what the client has not
/// read of the answer.
///
/// While a connection lingers, `untaken` is what was not acknowledged at the last look, `waitedSince` when some of it was last taken, and
/// `patience` how long the client may take nothing, as while it takes an answer; `started` is when that began, and `scanned` the bytes that
/// were dropped since the last look.
extension Worker {
  /// Between two looks; who has taken everything may close its side for as long.
  private static let lingerTime: Int64 = 1_000_000_000
  /// What is still sent is read and dropped for as long at most, so that its sender comes to read the answer.
  private static let dropTime: Int64 = 30_000_000_000
  /// Pieces that are dropped before it is the others' turn.
  private static let dropsMax = 16
  /// An answer of no more bytes leaves at once, in the first ten segments of a connection (RFC 6928), so before any reset.
  private static let firstFlight: UInt64 = 14_600

  /// The connection's last answer is with the kernel: it ends.
  mutating func endConnection(_ client: Int32) {
    let pointer = clients + Int(client)
    if pointer.pointee.flags.contains(.lingerAfter) || pointer.pointee.input.count > 0 || mayLoseAnswer(client) {
      linger(client)
    } else {
      closeClient(client)
    }
  }

  /// A connection between two requests ends. What is left of the last answer may be on its way still.
  mutating func endIdle(_ client: Int32) {
    if reactor.unacknowledgedBytes(clients[Int(client)].socket) > 0 { linger(client) } else { closeClient(client) }
  }

  /// Whether closing now could take the end of the answer from the client: more has come from it, or may come before it has all.
  private mutating func mayLoseAnswer(_ client: Int32) -> Bool {
    let pointer = clients + Int(client)
    // After its own end nothing comes.
    if pointer.pointee.flags.contains(.ended) { return false }
    let result = reactor.receive(pointer.pointee.socket, into: scratch, count: Self.scratchBytes)
    if result > 0 { return true }
    guard result == Reactor.pending else { return false }
    reactor.cancelReceive(pointer.pointee.socket)
    guard pointer.pointee.bytesOut > Self.firstFlight || pointer.pointee.flags.contains(.reused) else { return false }
    return reactor.unacknowledgedBytes(pointer.pointee.socket) > 0
  }

  /// Ends our side, and the connection when the client has all of it or has ended its own.
  mutating func linger(_ client: Int32) {
    let pointer = clients + Int(client)
    beginFlight(client)
    pointer.pointee.state = .lingering
    pointer.pointee.scanned = 0
    pointer.pointee.started = now
    buffers.giveBack(&pointer.pointee.input)
    reactor.shutdownSend(pointer.pointee.socket)
    resetPatience(client)
    pointer.pointee.waitedSince = now
    pointer.pointee.untaken = reactor.unacknowledgedBytes(pointer.pointee.socket)
    setDeadline(client, .linger, Self.lingerTime)
    drain(client)
  }

  /// Reads and drops.
  mutating func drain(_ client: Int32) {
    let pointer = clients + Int(client)
    for _ in 0..<Self.dropsMax {
      let result = reactor.receive(pointer.pointee.socket, into: scratch, count: Self.scratchBytes)
      if result == Reactor.pending {
        reactor.cancelReceive(pointer.pointee.socket)
        _ = reactor.awaitInput(pointer.pointee.socket)
        return
      }
      if result <= 0 { return closeClient(client) }
      pointer.pointee.scanned += result
    }
    schedule(client)
  }

  /// A look at one who lingers.
  mutating func lookAtLingering(_ client: Int32) {
    let pointer = clients + Int(client)
    let left = reactor.unacknowledgedBytes(pointer.pointee.socket)
    if left > 0 {
      guard goesOnTaking(client, left) else { return closeClient(client, reset: true) }
    } else {
      let isSending = pointer.pointee.scanned > 0
      guard isSending, now - pointer.pointee.started < Self.dropTime else { return closeClient(client) }
    }
    pointer.pointee.scanned = 0
    setDeadline(client, .linger, Self.lingerTime)
  }
}
