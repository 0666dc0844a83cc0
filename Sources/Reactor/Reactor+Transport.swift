public import CReactor
internal import Glibc

/// Transports: what stands between a socket's bytes and the stream that is received and sent (TLS).
///
/// The operations stay the same, and so do their results: who uses the socket need not know of the transport. What it
/// exchanges by itself (a handshake, tickets, alerts) never completes an operation: `input` is told when bytes of the stream,
/// its end or an error can be received.
extension Reactor {
  /// Puts a transport between a socket and its operations, none of which may be under way. The reactor owns it from now on: it
  /// ends and frees it when the socket is closed.
  public mutating func attach(_ socket: Socket, _ transport: UnsafeMutablePointer<cr_transport>) {
    guard isCurrent(socket), slots[Int(socket.index)].transport == nil else {
      transport.pointee.operations.pointee.release(transport)
      return
    }
    slots[Int(socket.index)].transport = transport
    // It may hold bytes that were received before.
    slots[Int(socket.index)].flags.insert(.readable)
  }

  /// Takes the transport away, without a word to the peer: what comes and goes from now on are the socket's own bytes.
  public mutating func detach(_ socket: Socket) {
    guard isCurrent(socket) else { return }
    release(slots + Int(socket.index), saying: false)
    slots[Int(socket.index)].flags.insert([.readable, .writable])
  }

  /// Receives without regard to what was reported so far: that something can be read may be among the events not yet taken up.
  /// As `receive`, but it never stays submitted.
  public mutating func receiveAtOnce(_ socket: Socket, into bytes: UnsafeMutableRawPointer, count: Int) -> Int {
    guard isCurrent(socket) else { return Self.closedSocket }
    let slot = slots + Int(socket.index)
    if let transport = slot.pointee.transport { return receiveNow(slot, through: transport, bytes, count) }
    return cr_receive(slot.pointee.descriptor, bytes, count)
  }

  /// Brings the transport up: 0, -errno, or `pending`; then a `connect` completion tells. Not needed before the first receive
  /// or send, which do the same; for who wants to know before.
  public mutating func establish(_ socket: Socket) -> Int {
    guard isCurrent(socket) else { return Self.closedSocket }
    let slot = slots + Int(socket.index)
    guard let transport = slot.pointee.transport else { return 0 }
    let result = Int(transport.pointee.operations.pointee.establish(transport))
    if result == Self.pending { slot.pointee.flags.insert(.establishing) }
    return result
  }

  /// The transport of a socket, to ask it what it knows; nil: it has none, or the socket is closed. Valid until `close`.
  public mutating func transport(of socket: Socket) -> UnsafeMutablePointer<cr_transport>? {
    isCurrent(socket) ? slots[Int(socket.index)].transport : nil
  }

  /// Whether a readable socket has something for its receiver; if not, it counts as not readable until the kernel reports more.
  @inline(__always)
  func hasInput(_ slot: UnsafeMutablePointer<Slot>) -> Bool {
    guard let transport = slot.pointee.transport else { return true }
    if transport.pointee.operations.pointee.peek(transport) > 0 { return true }
    slot.pointee.flags.remove(.readable)
    return false
  }

  /// After readiness was reported: sends what waits. A send may have waited for the peer's part of a handshake.
  @inline(__always)
  func refresh(_ slot: UnsafeMutablePointer<Slot>, _ transport: UnsafeMutablePointer<cr_transport>) {
    _ = transport.pointee.operations.pointee.flush(transport)
    if slot.pointee.flags.contains(.readable) { slot.pointee.flags.insert(.writable) }
  }

  @inline(__always)
  func receiveNow(
    _ slot: UnsafeMutablePointer<Slot>, through transport: UnsafeMutablePointer<cr_transport>,
    _ bytes: UnsafeMutableRawPointer, _ count: Int
  ) -> Int {
    let operations = transport.pointee.operations!
    let result = operations.pointee.receive(transport, bytes, count)
    // The end of the stream, once told by the kernel, is not told again.
    if result == Self.pending
      || (result > 0 && operations.pointee.drained(transport) != 0 && !slot.pointee.flags.contains(.closing))
    {
      slot.pointee.flags.remove(.readable)
    }
    return result
  }

  /// Frees the transport of a socket that is closed; `saying` so to the peer.
  func release(_ slot: UnsafeMutablePointer<Slot>, saying: Bool) {
    guard let transport = slot.pointee.transport else { return }
    if saying { transport.pointee.operations.pointee.end(transport) }
    transport.pointee.operations.pointee.release(transport)
    slot.pointee.transport = nil
  }

  private static var closedSocket: Int { -Int(EBADF) }
}
