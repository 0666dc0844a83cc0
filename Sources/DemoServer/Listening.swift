import CReactor
import Glibc
import NIOCore
import NIOPosix
import Topology

/// Listening sockets from the topology's addresses.
enum Listening {
  /// Binds, and says in one sentence why it cannot.
  static func bind(_ bootstrap: ServerBootstrap, to address: Address) async throws -> any Channel {
    do {
      switch address {
      case .unix(let path) where path.hasPrefix("@"):
        return try await bootstrap.withBoundSocket(abstractSocket(path.dropFirst(), address: address)).get()
      case .unix(let path):
        return try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
      case .host(let name, let port):
        return try await bootstrap.bind(host: name, port: Int(port)).get()
      case .ipv4, .ipv6:
        return try await bootstrap.bind(to: socketAddress(address)).get()
      }
    } catch let error as IOError {
      throw problem(address, code: error.errnoCode)
    } catch let error as DemoServerError {
      throw error
    } catch {
      throw DemoServerError(kind: .other, description: "cannot listen on \(address): \(error)")
    }
  }

  private static func problem(_ address: Address, code: CInt) -> DemoServerError {
    let place = address.description
    switch code {
    case EADDRINUSE:
      return DemoServerError(
        kind: .portInUse,
        description: "\(place) is in use by another process; `ss -ltnp` tells which: stop it or choose another port")
    case EACCES, EPERM:
      return DemoServerError(
        kind: .missingPrivilege,
        description: "no permission to listen on \(place); "
          + "choose a port above 1023, or give the program the capability CAP_NET_BIND_SERVICE")
    case EADDRNOTAVAIL:
      return DemoServerError(
        kind: .addressNotAvailable,
        description: "no interface of this machine has the address \(place); add it with `ip address add` or correct it"
      )
    default:
      return DemoServerError(
        kind: .other, description: "cannot listen on \(place): \(String(cString: strerror(code)))")
    }
  }

  /// A bound socket with a name outside the file system (unix(7)): a zero byte, then the name, no more.
  private static func abstractSocket(_ name: Substring, address: Address) throws -> CInt {
    let descriptor = socket(AF_UNIX, CR_STREAM | CR_CLOEXEC, 0)
    guard descriptor >= 0 else { throw problem(address, code: errno) }
    var place = sockaddr_un()
    place.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(name.utf8)
    withUnsafeMutableBytes(of: &place.sun_path) { path in
      path[0] = 0
      path[1...].copyBytes(from: bytes.prefix(path.count - 1))
    }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + 1 + bytes.count)
    let status = withUnsafePointer(to: &place) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(descriptor, $0, length) }
    }
    guard status == 0 else {
      let code = errno
      close(descriptor)
      throw problem(address, code: code)
    }
    return descriptor
  }

  private static func socketAddress(_ address: Address) throws -> SocketAddress {
    switch address {
    case .ipv4(let value, let port):
      var socket = sockaddr_in()
      socket.sin_family = sa_family_t(AF_INET)
      socket.sin_port = port.bigEndian
      socket.sin_addr.s_addr = value.bigEndian
      return SocketAddress(socket)
    case .ipv6(let high, let low, let port):
      var bytes: [UInt8] = []
      for half in [high, low] {
        for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: half >> shift)) }
      }
      return try SocketAddress(packedIPAddress: ByteBuffer(bytes: bytes), port: Int(port))
    case .unix(let path):
      return try SocketAddress(unixDomainSocketPath: path)
    case .host(let name, let port):
      return try SocketAddress.makeAddressResolvingHost(name, port: Int(port))
    }
  }
}
