internal import CReactor
internal import Glibc

/// Serves commands on a Unix socket, on a thread of its own: a slow operator, or one who sends nonsense, delays nobody else.
///
/// Each line is a command, each answer ends with an empty line; a connection may send several. Who may connect is a matter of the
/// socket's permissions.
public struct AdminServer {
  /// Connections at once; a further one takes the place of that on which nothing has moved for longest.
  static let clientsMax = 16
  /// A connection that moved as lately as this keeps its place, in milliseconds.
  static let settledMilliseconds: Int64 = 1_000
  /// So long nothing is accepted after an attempt that failed, in milliseconds: what was missing then is missing now.
  static let restMilliseconds: Int64 = 100
  /// Bytes of answers that wait for one client.
  static let outputBytesMax = 16 << 20
  /// A connection on which nothing moves for this long is closed, in milliseconds.
  static let idleMilliseconds: Int64 = 60_000

  private struct Client {
    var socket: ClientSocket
    /// Nothing more is read; it closes when its answers have been taken.
    var isLeaving = false
    /// What it waits for: its further commands are carried out afterwards.
    var pending: (any PendingReply)?
    /// Until when, at the latest.
    var answerEndsAt: Int64 = 0
  }

  private let listener: AdminListener
  private let perform: (AdminCommand) -> AdminAnswer
  private var clients: [Client] = []
  /// Nothing is accepted before.
  private var acceptsAt: Int64 = 0

  /// A server of a socket.
  /// - Parameter perform: carries a command out, or begins to; called on the thread that runs the server, one command at a time. One that
  ///   takes long is answered `later`: other clients are served meanwhile.
  public init(_ listener: AdminListener, perform: @escaping (AdminCommand) -> AdminAnswer) {
    self.listener = listener
    self.perform = perform
  }

  /// How long those that were accepted may take when nobody is accepted any more, in milliseconds.
  static let leavingMilliseconds: Int64 = 1_000

  /// Serves for as long as `isRunning` says so; looked at after everything that happens, and once a second. Who was accepted by then is
  /// answered still.
  public mutating func run(while isRunning: () -> Bool) {
    var leavesAt: Int64?
    while true {
      if !isRunning() {
        let ends = leavesAt ?? ClientSocket.now() + Self.leavingMilliseconds
        leavesAt = ends
        if clients.isEmpty || ClientSocket.now() >= ends { break }
      }
      let rest = max(0, acceptsAt - ClientSocket.now())
      // A descriptor of -1 is passed over by poll.
      let accepts = rest == 0 && leavesAt == nil
      var entries = [pollfd(fd: accepts ? listener.descriptor : -1, events: Int16(POLLIN), revents: 0)]
      for client in clients {
        let reads = !client.isLeaving && client.pending == nil
        let events = (reads ? POLLIN : 0) | (client.socket.output.isEmpty ? 0 : POLLOUT)
        entries.append(pollfd(fd: client.socket.descriptor, events: Int16(events), revents: 0))
      }
      // Behind the clients, in their order: answers to come.
      for client in clients {
        entries.append(pollfd(fd: client.pending?.descriptor ?? -1, events: Int16(POLLIN), revents: 0))
      }
      _ = poll(&entries, nfds_t(entries.count), leavesAt != nil ? 100 : rest > 0 ? Int32(rest) : 1_000)
      let now = ClientSocket.now()
      // The client that waits longest first; those that are done go.
      for index in clients.indices.reversed() where !serve(index, ready: entries[index + 1].revents, now: now) {
        close(clients[index].socket.descriptor)
        clients.remove(at: index)
      }
      // Another process may serve the socket by now.
      if entries[0].revents != 0, isRunning() { accept(now) }
    }
    for client in clients { close(client.socket.descriptor) }
  }

  private mutating func accept(_ now: Int64) {
    var hasAccepted = false
    while true {
      var leaving: Int?
      if clients.count >= Self.clientsMax {
        let settled = now + Self.idleMilliseconds - Self.settledMilliseconds
        // Who waits for an answer keeps its place.
        leaving = clients.indices.filter { clients[$0].pending == nil }.min {
          clients[$0].socket.endsAt < clients[$1].socket.endsAt
        }
        guard let leaving, clients[leaving].socket.endsAt <= settled else {
          acceptsAt = now + Self.restMilliseconds
          return
        }
      }
      var peer = cr_address()
      let descriptor = cr_accept(listener.descriptor, &peer)
      guard descriptor >= 0 else {
        // Who is ready and has nobody is no better.
        if descriptor != -EAGAIN || !hasAccepted { acceptsAt = now + Self.restMilliseconds }
        return
      }
      if let leaving {
        close(clients[leaving].socket.descriptor)
        clients.remove(at: leaving)
      }
      hasAccepted = true
      clients.append(Client(socket: ClientSocket(descriptor: descriptor, endsAt: now + Self.idleMilliseconds)))
    }
  }

  /// Reads, answers and writes what can be. False: the connection is over.
  private mutating func serve(_ index: Int, ready: Int16, now: Int64) -> Bool {
    if let pending = clients[index].pending {
      // Nobody is there any more to whom it could be told.
      if ready & Int16(POLLHUP | POLLERR) != 0 { return false }
      let reply = pending.take()
      if reply == nil, now < clients[index].answerEndsAt { return true }
      clients[index].pending = nil
      clients[index].socket.endsAt = now + Self.idleMilliseconds
      send(index, reply ?? .refused("the node does not answer"))
      answerLines(index)
    } else if ready & Int16(POLLIN | POLLHUP | POLLERR) != 0, !clients[index].isLeaving {
      switch clients[index].socket.receive() {
      case .bytes:
        clients[index].socket.endsAt = now + Self.idleMilliseconds
        answerLines(index)
      case .end: clients[index].isLeaving = true
      case .nothing: break
      case .failure: return false
      }
    }
    let waits = clients[index].pending != nil
    guard clients[index].socket.send(moved: { if !waits { $0.endsAt = now + Self.idleMilliseconds } }) else {
      return false
    }
    if waits { return true }
    if clients[index].isLeaving && clients[index].socket.output.isEmpty { return false }
    return now < clients[index].socket.endsAt
  }

  private mutating func answerLines(_ index: Int) {
    while clients[index].pending == nil, let end = clients[index].socket.input.firstIndex(of: UInt8(ascii: "\n")) {
      var line = clients[index].socket.input[..<end]
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      let text = String(decoding: line, as: UTF8.self)
      clients[index].socket.input.removeSubrange(...end)
      if Self.isRequestLine(text) {
        // Somebody else's user: no line of that request is a command.
        send(index, .refused("commands are taken here, not requests of HTTP"))
        clients[index].socket.input = []
        clients[index].isLeaving = true
        return
      }
      answer(index, to: text)
      // Who asks and never reads gets nothing more.
      if clients[index].socket.output.count > Self.outputBytesMax { clients[index].isLeaving = true }
      if clients[index].isLeaving { return }
    }
    if clients[index].pending == nil, clients[index].socket.input.count > AdminCommand.lineBytesMax {
      // What follows cannot be told from the rest of this line.
      send(index, .refused("the line is longer than \(AdminCommand.lineBytesMax) bytes"))
      clients[index].socket.input = []
      clients[index].isLeaving = true
    }
  }

  /// Whether a line is the first of a request of HTTP/1 (RFC 9112 section 3).
  private static func isRequestLine(_ line: String) -> Bool {
    let words = line.split(separator: " ", omittingEmptySubsequences: false)
    return words.count == 3 && words[2].hasPrefix("HTTP/")
  }

  private mutating func answer(_ index: Int, to line: String) {
    do throws(AdminError) {
      switch perform(try AdminCommand(parsing: line)) {
      case .now(let reply): send(index, reply)
      case .later(let reply, let milliseconds):
        clients[index].pending = reply
        clients[index].answerEndsAt = ClientSocket.now() + Int64(milliseconds)
      }
    } catch {
      send(index, .refused(error.description))
    }
  }

  private mutating func send(_ index: Int, _ reply: AdminReply) { clients[index].socket.append(reply.text.utf8) }
}
