internal import CReactor
internal import Glibc

/// Unix stream sockets at a path, as the server and the client of commands need them.
enum UnixSocket {
  /// Calls `body` with the address of a path; nil: the path is too long.
  static func withAddress<Result>(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result? {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
  }

  /// A socket that does not block and is not inherited; negative: the error's number.
  static func make() -> Int32 {
    let descriptor = socket(AF_UNIX, CR_STREAM | CR_NONBLOCK | CR_CLOEXEC, 0)
    return descriptor < 0 ? -errno : descriptor
  }

  /// Waits until the descriptor is ready. False: the time is over.
  static func wait(_ descriptor: Int32, for events: Int32, milliseconds: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    while true {
      let count = poll(&entry, 1, milliseconds)
      if count < 0 && errno == EINTR { continue }
      return count > 0
    }
  }

  static func text(of error: Int32) -> String { String(cString: strerror(error)) }
}
