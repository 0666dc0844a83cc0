internal import CReactor

/// What the kernel knows of the other side's progress.
extension Reactor {
  /// Milliseconds since the peer acknowledged something last; nil when that is not known, as of a Unix socket.
  ///
  /// While bytes of ours are unacknowledged this counts answers to the kernel's own questions, too; afterwards it is the time
  /// since the last byte was acknowledged.
  public mutating func millisecondsSinceAcknowledgement(_ socket: Socket) -> Int32? {
    let milliseconds = cr_since_acknowledgement(descriptor(of: socket))
    return milliseconds < 0 ? nil : milliseconds
  }
}

extension SocketAddress: Equatable {
  /// The same family, address and port, or path.
  public static func == (first: SocketAddress, second: SocketAddress) -> Bool {
    var first = first.raw
    var second = second.raw
    return cr_address_equal(&first, &second) != 0
  }
}
