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
/// change on its standard input, `NODE SERVER STATE CAUSE`, and is killed after `secondsMax`.
final class ChangeNotices: Sendable {
  /// Changes that wait for a run at most; what comes beyond them is counted.
  static let waitingMax = 500
  /// Bytes of a line.
  static let lineBytesMax = 120
  /// How long a command may run.
  static let secondsMax: Int32 = 60

  private struct Waiting {
    var lines: [String] = []
    var dropped = 0
  }

  private let plan: NotifyPlan
  private let variables: [String]
  /// Variables of the node's own that the command does not get: secrets, and what is between the node and its service manager.
  private let hidden: [String]
  private let logger: Logger
  private let node: String
  private let waiting = Mutex(Waiting())
  private let bell: Int32
  private let isRetired = Atomic<Bool>(false)

  /// Starts the thread. Nil: the node tells nobody, or no thread could be had (logged).
  init?(_ plan: NodePlan, logger: Logger) {
    guard let notify = plan.notify else { return nil }
    self.plan = notify
    self.logger = logger
    node = plan.name
    hidden = plan.secretVariables + ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", HandOverLine.variable]
    variables = ["GEODIRECTOR_NODE=\(plan.name)", "GEODIRECTOR_NETWORK=\(plan.network)"]
    bell = cr_blocking_eventfd()
    guard bell >= 0 else {
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
    // One line, whatever the cause has in it, and so short that a run's lines fit into a pipe.
    let text = "\(node) \(server) \(state) \(cause)".map { $0.isNewline ? " " : $0 }
    let line = String(decoding: String(text).utf8.prefix(Self.lineBytesMax), as: UTF8.self)
    waiting.withLock { waiting in
      if waiting.lines.count < Self.waitingMax { waiting.lines.append(line) } else { waiting.dropped += 1 }
    }
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

  private func serve() {
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
      cr_pause(Int32(clamping: plan.interval.nanosecondsClamped / 1_000_000))
      // The bell may have rung for what was told already.
      if isRetired.load(ordering: .acquiring) { cr_eventfd_wake(bell) }
    }
  }

  deinit { if bell >= 0 { _ = cr_close(bell) } }

  private func run(_ changes: Waiting) {
    let input = changes.lines.map { $0 + "\n" }.joined()
    let own =
      variables + ["GEODIRECTOR_CHANGES=\(changes.lines.count)", "GEODIRECTOR_DROPPED=\(changes.dropped)"]
    var words = plan.command.map { strdup($0) } + [nil]
    var variables = own.map { strdup($0) } + [nil]
    var hidden = self.hidden.map { strdup($0) } + [nil]
    defer {
      for name in hidden { free(name) }
      for word in words { free(word) }
      for variable in variables { free(variable) }
    }
    let status = Array(input.utf8).withUnsafeBytes { bytes in
      cr_run(&words, &variables, &hidden, bytes.baseAddress, bytes.count, Self.secondsMax)
    }
    if status == 0 { return }
    let why =
      status < 0
      ? String(cString: cr_error_text(status))
      : status == CR_RUN_TIMED_OUT ? "it was killed after \(Self.secondsMax) s" : "it ended with \(status)"
    logger.warning("\(node): the command that is to be notified, \(plan.command[0]), failed: \(why)")
  }
}
