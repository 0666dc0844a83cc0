internal import CReactor
internal import Glibc
internal import Logging
internal import Operations
internal import Synchronization
internal import Topology

/// Commands on their way to the control thread, and the answers back. Workers have no part in it.
final class AdminMailbox: Sendable {
  /// A command and the place where its answer is awaited.
  final class Ticket: PendingReply {
    let command: AdminCommand
    private let reply = Mutex<AdminReply?>(nil)
    private let event = cr_eventfd()

    init(_ command: AdminCommand) { self.command = command }
    deinit { if event >= 0 { _ = cr_close(event) } }

    /// On the control thread.
    func answer(_ reply: AdminReply) {
      self.reply.withLock { $0 = reply }
      if event >= 0 { cr_eventfd_wake(event) }
    }

    /// Readable when the answer has come.
    var descriptor: Int32 { event }

    /// What it is; nil: it has not come.
    func take() -> AdminReply? { reply.withLock { $0 } }

    /// On the thread that asked; nil: no answer in time.
    func await(milliseconds: Int32) -> AdminReply? {
      var entry = pollfd(fd: event, events: Int16(POLLIN), revents: 0)
      if event >= 0 { _ = poll(&entry, 1, milliseconds) }
      return reply.withLock { $0 }
    }
  }

  private let tickets = Mutex<[Ticket]>([])

  func post(_ ticket: Ticket) { tickets.withLock { $0.append(ticket) } }

  func take() -> [Ticket] {
    tickets.withLock { tickets in
      defer { tickets = [] }
      return tickets
    }
  }
}

/// The thread that serves a node's command socket.
final class AdminThread: Sendable {
  let listener: AdminListener
  /// Permissions of the socket, as planned.
  let mode: UInt16
  private let process: ProcessShared
  private let isRetired = Atomic<Bool>(false)
  /// Another process serves the socket from here on: its path stays.
  private let hasLeft = Atomic<Bool>(false)
  private let handingOver = Atomic<Bool>(false)
  /// The control thread looks at its mail after everything it does: seconds mean that something is badly wrong.
  private static let answerMilliseconds: Int32 = 5_000
  /// A reload reads files, and looks up names: two of them may follow each other.
  private static let reloadMilliseconds: Int32 = 120_000

  init(_ listener: AdminListener, mode: UInt16, _ process: ProcessShared) {
    self.listener = listener
    self.mode = mode
    self.process = process
  }

  /// Starts it.
  func start() throws(ThreadFailure) {
    try ServiceThread.start("admin", stackBytes: ServiceThread.smallStack) { self.run() }
  }

  /// Another socket is served in its place: the thread ends within a second or so, and the socket with it.
  func retire() { isRetired.store(true, ordering: .releasing) }

  /// The socket is another process's: the thread ends within a second or so.
  func leave() {
    hasLeft.store(true, ordering: .releasing)
    retire()
  }

  /// What is ordered now would be lost: it is refused.
  var isHandingOver: Bool {
    get { handingOver.load(ordering: .acquiring) }
    set { handingOver.store(newValue, ordering: .releasing) }
  }

  private func run() {
    cr_thread_yield_to_others(10)
    var server = AdminServer(listener) { [self] command in
      if command == .help { return .now(.done(AdminCommand.summary)) }
      if isHandingOver { return .now(.refused(AdminReply.takenOver)) }
      let ticket = AdminMailbox.Ticket(command)
      process.administration.post(ticket)
      process.controlWaker.wake()
      let limit = command == .reload ? Self.reloadMilliseconds : Self.answerMilliseconds
      return .later(ticket, milliseconds: limit)
    }
    server.run { !isRetired.load(ordering: .acquiring) }
    if hasLeft.load(ordering: .acquiring) { _ = cr_close(listener.descriptor) } else { listener.remove() }
  }
}
