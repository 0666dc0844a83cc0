internal import CReactor
internal import Glibc

/// Tells the service manager how the node is: datagrams to the socket that NOTIFY_SOCKET names (sd_notify(3)).
struct ServiceNotifier: Sendable {
  private let path: [UInt8]
  /// Connected from the beginning, since its name may be out of reach later (chroot); -1: it could not be.
  private let descriptor: Int32

  /// Nil: no service manager wants to know.
  init?(environment: String? = getenv("NOTIFY_SOCKET").map { String(cString: $0) }) {
    guard let environment, environment.hasPrefix("/") || environment.hasPrefix("@") else { return nil }
    var bytes = Array(environment.utf8)
    guard bytes.count > 1, bytes.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) else { return nil }
    // An abstract name begins with a zero (unix(7)).
    if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
    path = bytes
    descriptor = socket(AF_UNIX, CR_DATAGRAM | CR_CLOEXEC, 0)
    _ = Self.withAddress(bytes) { connect(descriptor, $0, $1) }
  }

  private static func withAddress(_ path: [UInt8], _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
  }

  /// The node serves.
  func ready(_ status: String) { send("READY=1\nSTATUS=\(status)\nMAINPID=\(getpid())") }

  /// The node reads something again; `ready` follows.
  func reloading() {
    send("RELOADING=1\nMONOTONIC_USEC=\(cr_monotonic() / 1000)")
  }

  /// Another process of the node serves from here on.
  func replaced(by process: Int32, _ status: String) { send("READY=1\nSTATUS=\(status)\nMAINPID=\(process)") }

  /// The node is ending.
  func stopping() { send("STOPPING=1") }

  /// What it is doing, for people.
  func status(_ text: String) { send("STATUS=\(text)") }

  /// Never waits: a service manager that does not listen delays nothing.
  private func send(_ text: String) {
    guard descriptor >= 0 else { return }
    let bytes = Array(text.utf8)
    let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
    if Glibc.send(descriptor, bytes, bytes.count, flags) >= 0 { return }
    // It was not there in the beginning, or another has taken its place.
    _ = Self.withAddress(path) { connect(descriptor, $0, $1) }
    _ = Glibc.send(descriptor, bytes, bytes.count, flags)
  }
}
