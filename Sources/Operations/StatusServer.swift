internal import CReactor
internal import Glibc

/// Serves a node's status page to people: HTTP with user and password, a request a connection, on a thread of its own.
///
/// Bounds: `clientsMax` connections, a head of `StatusRequest.headBytesMax` bytes, `timeMilliseconds` for request and answer. Beyond
/// that the one that has been there for longest gives way.
public struct StatusServer {
  /// Connections at once.
  static let clientsMax = 32
  /// From the connection to the end of the answer, in milliseconds.
  static let timeMilliseconds: Int64 = 10_000
  /// So long nothing is accepted after an attempt that failed, in milliseconds: what was missing then is missing now.
  static let restMilliseconds: Int64 = 100
  /// How long the other side may take to close once it has the answer, in milliseconds.
  static let lingerMilliseconds: Int64 = 1_000

  private struct Client {
    var descriptor: Int32
    var input: [UInt8] = []
    var output: [UInt8] = []
    var written = 0
    var endsAt: Int64
    /// The answer is with the kernel: what still comes is thrown away until the other side closes.
    var isDone = false
  }

  private let descriptor: Int32
  private let path: String
  private let authentication: BasicAuthentication
  private let status: () -> NodeStatus?
  private var clients: [Client] = []
  private var acceptsAt: Int64 = 0

  /// A server of a listening socket.
  /// - Parameter status: how the node is, asked only for those who may see it; nil: it does not say in time.
  public init(
    descriptor: Int32, path: String, authentication: BasicAuthentication, status: @escaping () -> NodeStatus?
  ) {
    self.descriptor = descriptor
    self.path = path
    self.authentication = authentication
    self.status = status
  }

  /// Serves for as long as `isRunning` says so; looked at after everything that happens, and once a second. Who is there then is
  /// answered still.
  public mutating func run(while isRunning: () -> Bool) {
    var accepts = true
    while accepts || !clients.isEmpty {
      accepts = accepts && isRunning()
      let rest = max(0, acceptsAt - Self.now())
      // A descriptor of -1 is passed over by poll.
      var entries = [pollfd(fd: rest > 0 || !accepts ? -1 : descriptor, events: Int16(POLLIN), revents: 0)]
      for client in clients {
        let events = client.output.isEmpty ? POLLIN : POLLOUT
        entries.append(pollfd(fd: client.descriptor, events: Int16(events), revents: 0))
      }
      if !accepts && clients.isEmpty { break }
      _ = poll(&entries, nfds_t(entries.count), rest > 0 ? Int32(rest) : 1_000)
      let now = Self.now()
      for index in clients.indices.reversed() where !serve(index, isReady: entries[index + 1].revents != 0, now: now) {
        close(clients[index].descriptor)
        clients.remove(at: index)
      }
      if entries[0].revents != 0, isRunning() { accept(now) }
    }
  }

  private mutating func accept(_ now: Int64) {
    var hasAccepted = false
    while true {
      var peer = cr_address()
      let accepted = cr_accept(descriptor, &peer)
      guard accepted >= 0 else {
        if accepted != -EAGAIN || !hasAccepted { acceptsAt = now + Self.restMilliseconds }
        return
      }
      hasAccepted = true
      if clients.count >= Self.clientsMax {
        close(clients[0].descriptor)
        clients.removeFirst()
      }
      clients.append(Client(descriptor: accepted, endsAt: now + Self.timeMilliseconds))
    }
  }

  /// Reads, answers and writes what can be. False: the connection is over.
  private mutating func serve(_ index: Int, isReady: Bool, now: Int64) -> Bool {
    guard now < clients[index].endsAt else { return false }
    guard isReady else { return true }
    if clients[index].output.isEmpty {
      var buffer = [UInt8](repeating: 0, count: 4096)
      let count = recv(clients[index].descriptor, &buffer, buffer.count, 0)
      guard count > 0 else { return count < 0 && (errno == EAGAIN || errno == EINTR) }
      if clients[index].isDone { return true }
      clients[index].input += buffer[..<count]
      guard let answer = answer(to: clients[index].input) else { return true }
      clients[index].output = Array(answer.utf8)
    }
    return write(index, now)
  }

  private func answer(to input: [UInt8]) -> String? {
    switch StatusRequest.read(input, path: path, authentication: authentication) {
    case .needsMore: return nil
    case .answer(let text): return text
    case .page(let asJSON, let isHead):
      guard let status = status() else {
        return StatusRequest.text(status: "503 Service Unavailable", body: "The node does not answer.\n")
      }
      return StatusRequest.text(
        status: "200 OK", type: asJSON ? "application/json" : "text/html", body: asJSON ? status.json : status.html,
        isHead: isHead)
    }
  }

  private mutating func write(_ index: Int, _ now: Int64) -> Bool {
    while clients[index].written < clients[index].output.count {
      let (descriptor, start) = (clients[index].descriptor, clients[index].written)
      let count = clients[index].output.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress! + start, $0.count - start, Int32(MSG_NOSIGNAL))
      }
      if count < 0 {
        if errno == EINTR { continue }
        return errno == EAGAIN
      }
      clients[index].written += count
    }
    clients[index].output = []
    clients[index].isDone = true
    // Closed with bytes unread it would be reset, and the answer with it.
    _ = cr_shutdown_write(clients[index].descriptor)
    clients[index].endsAt = min(clients[index].endsAt, now + Self.lingerMilliseconds)
    return true
  }

  private static func now() -> Int64 { cr_monotonic() / 1_000_000 }
}
