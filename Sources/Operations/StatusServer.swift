internal import CReactor
internal import Glibc

/// Serves a node's status page to people: HTTP with user and password, a request a connection, on a thread of its own.
///
/// Bounds: `clientsMax` connections, beyond which the one that has been there for longest gives way; a head of
/// `StatusRequest.headBytesMax` bytes, beyond which it is refused (431); `timeMilliseconds` for request and answer, after which a request
/// that was begun is refused (408).
public struct StatusServer {
  /// Connections at once.
  static let clientsMax = 32
  /// From the connection to the end of the answer, in milliseconds.
  static let timeMilliseconds: Int64 = 10_000
  /// So long nothing is accepted after an attempt that failed, in milliseconds: what was missing then is missing now. So a socket that
  /// does not listen for a while, as that of a paused node, is looked at from time to time.
  static let restMilliseconds: Int64 = 100
  /// How long the other side may take to close once it has the answer, in milliseconds.
  static let lingerMilliseconds: Int64 = 1_000

  private struct Client {
    var socket: ClientSocket
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
      let rest = max(0, acceptsAt - ClientSocket.now())
      // A descriptor of -1 is passed over by poll.
      var entries = [pollfd(fd: rest > 0 || !accepts ? -1 : descriptor, events: Int16(POLLIN), revents: 0)]
      for client in clients {
        let events = client.socket.output.isEmpty ? POLLIN : POLLOUT
        entries.append(pollfd(fd: client.socket.descriptor, events: Int16(events), revents: 0))
      }
      if !accepts && clients.isEmpty { break }
      _ = poll(&entries, nfds_t(entries.count), rest > 0 ? Int32(rest) : 1_000)
      let now = ClientSocket.now()
      for index in clients.indices.reversed() where !serve(index, isReady: entries[index + 1].revents != 0, now: now) {
        close(clients[index].socket.descriptor)
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
        close(clients[0].socket.descriptor)
        clients.removeFirst()
      }
      clients.append(Client(socket: ClientSocket(descriptor: accepted, endsAt: now + Self.timeMilliseconds)))
    }
  }

  /// Reads, answers and writes what can be. False: the connection is over.
  private mutating func serve(_ index: Int, isReady: Bool, now: Int64) -> Bool {
    guard now < clients[index].socket.endsAt else { return endLate(index, now) }
    guard isReady else { return true }
    if clients[index].socket.output.isEmpty {
      switch clients[index].socket.receive(kept: !clients[index].isDone) {
      case .nothing: return true
      case .end, .failure: return false
      case .bytes: break
      }
      if clients[index].isDone { return true }
      guard let answer = answer(to: clients[index].socket.input) else { return true }
      clients[index].socket.append(answer.utf8)
    }
    return write(index, now)
  }

  /// The time is up: who has begun a request is told so (RFC 9110 section 15.5.9). False: the connection is over.
  private mutating func endLate(_ index: Int, _ now: Int64) -> Bool {
    let client = clients[index]
    guard !client.isDone, client.socket.output.isEmpty, !client.socket.input.isEmpty else { return false }
    clients[index].socket.endsAt = now + Self.lingerMilliseconds
    clients[index].socket.append(StatusRequest.late.utf8)
    return write(index, now)
  }

  private func answer(to input: [UInt8]) -> String? {
    switch StatusRequest.read(input, path: path, authentication: authentication) {
    case .needsMore: return nil
    case .answer(let text): return text
    case .page(let asJSON, let isHead):
      guard let status = status() else {
        return StatusRequest.text(
          status: "503 Service Unavailable", body: "The node does not answer.\n", isHead: isHead)
      }
      return StatusRequest.text(
        status: "200 OK", type: asJSON ? "application/json" : "text/html", body: asJSON ? status.json : status.html,
        isHead: isHead)
    }
  }

  private mutating func write(_ index: Int, _ now: Int64) -> Bool {
    guard clients[index].socket.send() else { return false }
    guard clients[index].socket.output.isEmpty else { return true }
    clients[index].isDone = true
    // Closed with bytes unread it would be reset, and the answer with it.
    _ = cr_shutdown_write(clients[index].socket.descriptor)
    clients[index].socket.endsAt = min(clients[index].socket.endsAt, now + Self.lingerMilliseconds)
    return true
  }
}
