import CReactor
import Glibc
import Topology

/// Whether something listens at an address.
enum AddressProbe {
  /// Connects and closes; waits at most `milliseconds` for each of the host's addresses.
  static func answers(_ address: Address, within milliseconds: Int32 = 200) -> Bool {
    switch address {
    case .ipv4(let value, let port):
      var place = sockaddr_in()
      place.sin_family = sa_family_t(AF_INET)
      place.sin_port = port.bigEndian
      place.sin_addr.s_addr = value.bigEndian
      return connects(&place, size: MemoryLayout<sockaddr_in>.size, family: AF_INET, within: milliseconds)
    case .ipv6(let high, let low, let port):
      var place = sockaddr_in6()
      place.sin6_family = sa_family_t(AF_INET6)
      place.sin6_port = port.bigEndian
      withUnsafeMutableBytes(of: &place.sin6_addr) {
        $0.storeBytes(of: high.bigEndian, as: UInt64.self)
        $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
      }
      return connects(&place, size: MemoryLayout<sockaddr_in6>.size, family: AF_INET6, within: milliseconds)
    case .unix(let path):
      var place = sockaddr_un()
      place.sun_family = sa_family_t(AF_UNIX)
      var bytes = Array(path.utf8)
      // An abstract name begins with a zero byte and ends without one (unix(7)).
      let isAbstract = path.hasPrefix("@")
      if isAbstract { bytes[0] = 0 } else { bytes.append(0) }
      withUnsafeMutableBytes(of: &place.sun_path) { $0.copyBytes(from: bytes.prefix($0.count)) }
      let size = MemoryLayout<sa_family_t>.size + bytes.count
      return connects(&place, size: size, family: AF_UNIX, within: milliseconds)
    case .host(let name, let port):
      return resolved(name, port: port).contains { answers($0, within: milliseconds) }
    }
  }

  private static func connects<Place>(
    _ place: inout Place, size: Int, family: Int32, within milliseconds: Int32
  ) -> Bool {
    let type = CR_STREAM | CR_NONBLOCK | CR_CLOEXEC
    let descriptor = socket(family, type, 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    let status = withUnsafePointer(to: &place) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(size)) }
    }
    if status == 0 { return true }
    guard errno == EINPROGRESS else { return false }
    var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    guard poll(&waiting, 1, milliseconds) == 1 else { return false }
    var problem: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &problem, &length) == 0 && problem == 0
  }

  private static func resolved(_ name: String, port: UInt16) -> [Address] {
    var hints = addrinfo()
    hints.ai_socktype = CR_STREAM
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
    defer { freeaddrinfo(list) }
    var addresses: [Address] = []
    var next = list
    while let entry = next {
      next = entry.pointee.ai_next
      let raw = UnsafeRawPointer(entry.pointee.ai_addr)
      if entry.pointee.ai_family == AF_INET, let raw {
        addresses.append(.ipv4(raw.load(as: sockaddr_in.self).sin_addr.s_addr.bigEndian, port: port))
      } else if entry.pointee.ai_family == AF_INET6, let raw {
        var place = raw.load(as: sockaddr_in6.self)
        withUnsafeBytes(of: &place.sin6_addr) {
          let high = UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self))
          let low = UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
          addresses.append(.ipv6(high: high, low: low, port: port))
        }
      }
    }
    return addresses
  }
}
