internal import CReactor
internal import Glibc
internal import Logging
internal import Operations
internal import Synchronization
internal import Topology

/// Commands on their way to the control thread, and the answers back. Workers have no part in it.
final class AdminMailbox: Sendable {
  /// A command and the place where its answer is awaited.
  final class Ticket: Sendable {
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
final class AdminThread: @unchecked Sendable {
  private let listener: AdminListener
  private let shared: NodeShared
  /// The control thread looks at its mail after everything it does: seconds mean that something is badly wrong.
  private static let answerMilliseconds: Int32 = 5_000

  private init(_ listener: AdminListener, _ shared: NodeShared) {
    self.listener = listener
    self.shared = shared
  }

  /// Starts it. False: no thread could be had.
  static func start(_ listener: AdminListener, _ shared: NodeShared) -> Bool {
    let unmanaged = Unmanaged.passRetained(AdminThread(listener, shared))
    let status = cr_thread_start(
      { argument in
        Unmanaged<AdminThread>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, unmanaged.toOpaque(), "admin")
    if status < 0 { unmanaged.release() }
    return status >= 0
  }

  private func run() {
    cr_thread_yield_to_others(10)
    var server = AdminServer(listener) { [shared] command in
      if command == .help { return .done(AdminCommand.summary) }
      let ticket = AdminMailbox.Ticket(command)
      shared.administration.post(ticket)
      shared.controlWaker.wake()
      return ticket.await(milliseconds: Self.answerMilliseconds) ?? .refused("the node does not answer")
    }
    server.run { true }
  }
}
