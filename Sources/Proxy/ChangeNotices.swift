internal import CReactor
internal import Glibc
internal import Logging
internal import Operations
internal import Routing
internal import Synchronization
internal import Topology

/// Tells of servers that go down or come back by running a command, on a thread of its own: a command that hangs, or cannot be
/// run, delays nobody.
///
/// One run at a time, and not more often than `NotifyPlan.interval`: what changes meanwhile is in the next one. A run has a line a
/// change on its standard input, `NODE SERVER STATE CAUSE`, and is killed after `NotifiedCommand.secondsMax`. When the node ends, what
/// waits is told at once (`finish`).
final class ChangeNotices: Sendable {
  /// What waits for a run: what it cannot be told is counted.
  struct Waiting {
    /// Changes at most; their lines have room in a pipe as well.
    static let changesMax = 500
    private(set) var lines: [String] = []
    private(set) var dropped = 0
    private var bytes = 0

    mutating func add(_ line: String) {
      let count = line.utf8.count + 1
      guard lines.count < Self.changesMax, bytes + count <= NotifiedCommand.inputBytesMax else {
        dropped += 1
        return
      }
      lines.append(line)
      bytes += count
    }
  }

  private let plan: NotifyPlan
  private let command: NotifiedCommand
  /// Variables of the node's own that the command does not get: secrets, and what is between the node and its service manager.
  private let hidden: [String]
  private let logger: Logger
  private let node: String
  private let waiting = Mutex(Waiting())
  private let bell: Int32
  /// Ends the wait between two runs.
  private let ending: Int32
  private let isRetired = Atomic<Bool>(false)
  private let isDone = Atomic<Bool>(false)

  /// Starts the thread. Nil: the node tells nobody, or no thread could be had (logged).
  init?(_ plan: NodePlan, logger: Logger) {
    guard let notify = plan.notify else { return nil }
    self.plan = notify
    self.logger = logger
    node = plan.name
    hidden = plan.secretVariables + [HandOverLine.variable]
    command = NotifiedCommand(notify.command, node: plan.name, network: plan.network, hidden: hidden)
    bell = cr_blocking_eventfd()
    ending = cr_eventfd()
    guard bell >= 0, ending >= 0 else {
      logger.error("\(plan.name): nobody can be notified: no descriptor is left")
      return nil
    }
    do throws(ThreadFailure) {
      try ServiceThread.start("notices", stackBytes: ServiceThread.smallStack) { self.serve() }
    } catch {
      logger.error("\(plan.name): nobody can be notified: \(error)")
      return nil
    }
  }

  /// A server has changed: told by the next run.
  func post(server: String, state: String, cause: String) {
    let line = NotifiedCommand.line(node: node, name: server, state: state, cause: cause)
    waiting.withLock { $0.add(line) }
    cr_eventfd_wake(bell)
  }

  /// Whether a plan tells the same command in the same way.
  func serves(_ plan: NodePlan) -> Bool {
    plan.notify == self.plan && plan.name == node && plan.secretVariables.allSatisfy(hidden.contains)
  }

  /// Others tell from now on: the thread ends when what waits has been told.
  func retire() {
    isRetired.store(true, ordering: .releasing)
    cr_eventfd_wake(bell)
  }

  /// The node ends: what waits is told without regard to the interval.
  func finish() {
    cr_eventfd_wake(ending)
    retire()
  }

  /// All has been told, and the thread has ended.
  var hasFinished: Bool { isDone.load(ordering: .acquiring) }

  private func serve() {
    defer { isDone.store(true, ordering: .releasing) }
    while true {
      cr_eventfd_clear(bell)
      let taken = waiting.withLock { waiting in
        defer { waiting = Waiting() }
        return waiting
      }
      guard !taken.lines.isEmpty else {
        if isRetired.load(ordering: .acquiring) { break }
        continue
      }
      run(taken)
      var entry = pollfd(fd: ending, events: Int16(POLLIN), revents: 0)
      _ = poll(&entry, 1, Int32(clamping: plan.interval.nanosecondsClamped / 1_000_000))
      // The bell may have rung for what was told already.
      if isRetired.load(ordering: .acquiring) { cr_eventfd_wake(bell) }
    }
  }

  deinit { for descriptor in [bell, ending] where descriptor >= 0 { _ = cr_close(descriptor) } }

  private func run(_ changes: Waiting) {
    guard let why = command.run(changes.lines, dropped: changes.dropped) else { return }
    logger.warning("\(node): the command that is to be notified, \(plan.command[0]), failed: \(why)")
  }
}

extension Control {
  /// How long the node's end waits for notices: 5 s.
  private static let noticesTime: Int64 = 5_000_000_000

  /// Others tell from now on; what waits here is told still.
  mutating func retireNotices() {
    formerNotices.removeAll { $0.hasFinished }
    guard let notices else { return }
    notices.retire()
    formerNotices.append(notices)
    self.notices = nil
  }

  /// The node ends: what waits for the interval is told before. A command that takes long goes on by itself, and a further signal
  /// ends the wait.
  mutating func finishNotices() {
    retireNotices()
    for notices in formerNotices { notices.finish() }
    let ends = cr_monotonic() + Self.noticesTime
    while formerNotices.contains(where: { !$0.hasFinished }) && cr_monotonic() < ends {
      let signal = cr_signal_next(signals)
      if signal == SIGTERM || signal == SIGINT { return }
      cr_pause(10)
    }
  }
}
