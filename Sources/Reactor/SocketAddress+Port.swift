internal import CReactor
internal import Glibc

extension SocketAddress {
  /// The address with this port instead of none; as it is when it has a port, or is a Unix socket.
  public func withPort(ifNone port: UInt16) -> SocketAddress {
    let parts = parts
    guard parts.port == 0 else { return self }
    switch Int32(raw.storage.ss_family) {
    case AF_INET: return SocketAddress(ipv4: UInt32(truncatingIfNeeded: parts.low), port: port)
    case AF_INET6: return SocketAddress(ipv6: parts.high, parts.low, port: port)
    default: return self
    }
  }
}
