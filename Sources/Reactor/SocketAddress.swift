public import CReactor

/// A socket address in the kernel's form: IPv4, IPv6 or Unix.
public struct SocketAddress: Sendable {
  /// The address as the C shim holds it.
  public var raw: cr_address

  /// An IPv4 address, most significant octet first in the integer.
  public init(ipv4 address: UInt32, port: UInt16) {
    raw = cr_address()
    _ = cr_address_ipv4(&raw, address, port)
  }

  /// An IPv6 address as two big-endian halves.
  public init(ipv6 high: UInt64, _ low: UInt64, port: UInt16) {
    raw = cr_address()
    _ = cr_address_ipv6(&raw, high, low, port)
  }

  /// A Unix socket; `@` first names an abstract one. Nil: the path is empty or longer than 107 bytes.
  public init?(unix path: String) {
    raw = cr_address()
    guard cr_address_unix(&raw, path, path.utf8.count) == 0 else { return nil }
  }

  /// An address the kernel gave.
  public init(raw: cr_address) { self.raw = raw }

  /// The 128-bit form (IPv4 as ::ffff:a.b.c.d; Unix as all zero) and the port.
  public var parts: (high: UInt64, low: UInt64, port: UInt16) {
    var high: UInt64 = 0
    var low: UInt64 = 0
    var port: UInt16 = 0
    var copy = raw
    cr_address_parts(&copy, &high, &low, &port)
    return (high, low, port)
  }

  /// The stream addresses a name has now; empty when it does not resolve. Blocks: never on a worker.
  public static func resolve(name: String, port: UInt16) -> [SocketAddress] {
    var found = [cr_address](repeating: cr_address(), count: 16)
    let count = cr_resolve(name, port, &found, Int32(found.count))
    guard count > 0 else { return [] }
    return found[..<Int(count)].map(SocketAddress.init(raw:))
  }
}
