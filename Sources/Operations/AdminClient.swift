internal import CReactor
internal import Glibc
internal import Topology

/// Gives commands to a node through its socket.
public struct AdminClient: Sendable {
  /// The socket's path.
  public let path: String
  /// How long a node may take to take a command and to answer it, in milliseconds.
  public let timeoutMilliseconds: Int32

  /// Between two attempts to connect where others wait, too.
  private static let retryMilliseconds: Int32 = 50

  /// A client of a socket; nothing is connected yet.
  public init(path: String, timeoutMilliseconds: Int32 = 10_000) {
    self.path = path
    self.timeoutMilliseconds = timeoutMilliseconds
  }

  /// Whether a node takes commands of this user at the socket at this moment, be it busy.
  public var isAnybodyThere: Bool {
    let descriptor = UnixSocket.make()
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    let error = Self.connect(descriptor, path)
    return error == 0 || error == EAGAIN
  }

  /// Sends one command and returns what the node answers. While another process of the node takes over it is asked again.
  /// - Throws: `AdminError` when the node cannot be reached, does not answer in time, or refuses.
  public func send(_ command: AdminCommand) throws(AdminError) -> String {
    let ends = cr_monotonic() + Int64(timeoutMilliseconds) * 1_000_000
    var refusal: AdminError?
    while true {
      do throws(AdminError) {
        return try send(command, until: ends)
      } catch {
        if error.description == AdminReply.takenOver { refusal = error }
        // Of an attempt that the time cut short the answer before tells more.
        guard Self.left(ends) > 0 else { throw refusal ?? error }
        guard error == refusal else { throw error }
      }
      poll(nil, 0, min(Self.retryMilliseconds, Self.left(ends)))
    }
  }

  private func send(_ command: AdminCommand, until ends: Int64) throws(AdminError) -> String {
    let descriptor = UnixSocket.make()
    guard descriptor >= 0 else { throw AdminError("no socket: \(UnixSocket.text(of: -descriptor))") }
    defer { close(descriptor) }
    var error: Int32
    repeat {
      guard let result = Self.connect(descriptor, path) else {
        throw AdminError("\(path) is too long for a socket")
      }
      error = result
      // Others wait for their turn: connect(2) does not wait on a socket that does not block.
      if error == EAGAIN { poll(nil, 0, min(Self.retryMilliseconds, Self.left(ends))) }
    } while error == EAGAIN && Self.left(ends) > 0
    switch error {
    case 0: break
    case ENOENT: throw AdminError("no node takes commands at \(path): is it running, and has its topology \"admin:\"?")
    case ECONNREFUSED: throw AdminError("no node takes commands at \(path): it has ended")
    case EAGAIN: throw silence
    case EACCES: throw AdminError("\(path) may not be used by this user: its permissions say who may give commands")
    default: throw AdminError("\(path): \(UnixSocket.text(of: error))")
    }
    try write(Array((command.line + "\n").utf8), to: descriptor, until: ends)
    return try read(from: descriptor, until: ends)
  }

  /// Connects; the error's number, nil: the path is too long. Where nobody listens any more, who was displaced there may live still.
  private static func connect(_ descriptor: Int32, _ path: String) -> Int32? {
    let attempt = { (path: String) in
      UnixSocket.withAddress(path) { Glibc.connect(descriptor, $0, $1) == 0 ? 0 : errno }
    }
    let error = attempt(path)
    guard error == ENOENT || error == ECONNREFUSED else { return error }
    let other = attempt(path + AdminPlan.displacedSuffix)
    return other == 0 || other == EAGAIN ? other : error
  }

  private static func left(_ ends: Int64) -> Int32 { Int32(max(0, (ends - cr_monotonic()) / 1_000_000)) }

  private func write(_ bytes: [UInt8], to descriptor: Int32, until ends: Int64) throws(AdminError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL)) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if errno == EAGAIN {
        guard UnixSocket.wait(descriptor, for: POLLOUT, milliseconds: Self.left(ends)) else { throw silence }
      } else if errno != EINTR {
        throw AdminError("\(path): \(UnixSocket.text(of: errno))")
      }
    }
  }

  private var silence: AdminError { AdminError("\(path): no answer within \(timeoutMilliseconds) ms") }

  private func read(from descriptor: Int32, until ends: Int64) throws(AdminError) -> String {
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while answer.suffix(2) != [10, 10] {
      guard UnixSocket.wait(descriptor, for: POLLIN, milliseconds: Self.left(ends)) else { throw silence }
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count > 0 {
        answer += buffer[..<count]
      } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
        throw AdminError("\(path): the node closed the connection without an answer")
      }
    }
    guard let reply = AdminReply.parse(String(decoding: answer, as: UTF8.self)) else {
      throw AdminError("\(path): the answer is not understood")
    }
    return try reply.get()
  }
}
