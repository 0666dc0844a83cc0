/// Where a socket listens or connects to.
public enum Address: Sendable, Hashable {
  /// An IPv4 address, most significant octet first in the integer (127.0.0.1 is 0x7F000001), and a port.
  case ipv4(UInt32, port: UInt16)
  /// An IPv6 address as two big-endian halves, and a port.
  case ipv6(high: UInt64, low: UInt64, port: UInt16)
  /// A Unix socket, by its path (at most 107 bytes; `@` first names an abstract one).
  case unix(path: String)
  /// A host name that is resolved at start and again at an interval, and a port.
  case host(name: String, port: UInt16)
}
