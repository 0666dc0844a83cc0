internal import CReactor

/// What the kernel knows of the other side's progress.
extension Reactor {
  /// Milliseconds since data left for the peer last; nil when that is not known, as of a Unix socket.
  ///
  /// When nothing is unacknowledged the last byte was acknowledged one round trip later. The kernel's own questions whether the
  /// peer lives do not count, nor do the answers to them.
  public mutating func millisecondsSinceDataSent(_ socket: Socket) -> Int32? {
    let milliseconds = cr_since_data_sent(descriptor(of: socket))
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
