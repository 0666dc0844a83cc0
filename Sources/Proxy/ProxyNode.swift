internal import CReactor
internal import Glibc
public import Logging
internal import Operations
internal import Reactor
internal import Synchronization
public import Topology

/// A node of the network as a running process: workers that serve, and a control thread that checks health, answers the
/// monitor and handles signals.
public enum ProxyNode {
  /// Runs the node until a signal stops it: SIGTERM and SIGINT finish what is in flight, SIGUSR1 stops softly (rule F3). At
  /// SIGHUP the node serves by the topology as it is then, and reads certificates, keys and databases again; the end of its terminal
  /// stops it. SIGTTOU pauses listening, SIGTTIN resumes it. SIGUSR2 hands everything over to another process of the program.
  ///
  /// Blocks the calling thread. Returns when the node has stopped cleanly. Signals are handled for the whole process.
  public static func run(plan: NodePlan, options: NodeOptions, logger: Logger = Logger(label: "geodirector"))
    throws(NodeError)
  {
    let inheritance = try Inheritance.take()
    do throws(NodeError) {
      try serve(plan, options, logger, inheritance)
    } catch {
      inheritance?.fail(error.description)
      throw error
    }
  }

  private static func serve(
    _ plan: NodePlan, _ options: NodeOptions, _ logger: Logger, _ inheritance: Inheritance?
  ) throws(NodeError) {
    let (plan, options) = try Confinement.prepared(plan, options)
    let account = try Privileges.account(of: plan)
    let process = ProcessShared()
    process.connections.limit = plan.limits.connectionsMax
    // Names first: nobody can connect yet, and a signal ends the process while a name server is silent.
    let generation = try Generation(plan: plan, process: process, options: options, before: nil, logger: logger)
    try generation.takeLock(inherited: inheritance?.take("lock \(generation.lockName)"))
    // From the first moment somebody can connect, a signal has to stop the node in order.
    let watched: [Int32] = [SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP, SIGTTOU, SIGTTIN]
    let signals = cr_signal_watch(watched, Int32(watched.count))
    guard signals >= 0 else {
      throw NodeError(kind: .system, description: "signals cannot be watched: \(SystemError(code: signals))")
    }
    let notifier = ServiceNotifier()
    do throws(NodeError) {
      let known = plan.admin.flatMap { admin in
        inheritance?.take("admin \(admin.socketPath)").flatMap {
          AdminListener(path: admin.socketPath, mode: admin.mode, adopting: $0)
        }
      }
      try generation.openSockets(there: inheritance?.sockets ?? [], adminListener: known)
    } catch {
      generation.abandon()
      throw error
    }
    let log = try openLog(options.accessLog, inheritance)
    // Who takes over from another process writes it when that is sure.
    var pidFile: PidFile?
    if inheritance == nil, let path = plan.pidPath { pidFile = try PidFile(path) }
    defer { pidFile?.remove() }
    // The socket of commands is taken away at the end by who the process is then.
    if let account, let path = plan.admin?.socketPath { _ = chown(path, account.user, account.group) }
    try Confinement.enter(plan)
    if let account {
      try Privileges.become(account)
      generation.shared.secrets?.warnOfUnreadable()
    }
    var control: Control
    do {
      control = try Control(generation: generation, signals: signals, notifier: notifier, logger: logger)
    } catch {
      throw NodeError(kind: .system, description: "the control thread could not start: \(error)")
    }
    do throws(NodeError) {
      try generation.startWorkers(log: log)
      try goOn(&control, inheritance, plan, logger)
    } catch {
      generation.abandon()
      throw error
    }
    if inheritance != nil, let path = plan.pidPath {
      do throws(NodeError) {
        pidFile = try PidFile(path, takingOverFrom: getppid())
      } catch {
        logger.error("\(plan.name): \(error.description)")
      }
    }
    defer { control.removeAdmin() }
    guard generation.startBeside(readsAgain: false) else {
      throw NodeError(
        kind: .system,
        description: "no thread could be started for commands or the status page: raise the limit on threads")
    }
    // It starts threads of full priority: so it is there before this one lowers its own.
    guard ChangeThread(process: process, options: options, log: log, logger: logger).start() else {
      throw NodeError(kind: .system, description: "no thread could be started for changes: raise the limit on threads")
    }
    generation.line.open()
    logger.info(
      "\(plan.name) serves",
      metadata: [
        "role": "\(plan.role.rawValue)", "workers": "\(generation.workers)",
        "addresses": "\(plan.listeners.map { "\($0.address)" }.joined(separator: " "))",
      ])
    if inheritance == nil { notifier?.ready("\(plan.name) serves") }
    // Of what reading the topology needed, little is needed again: serving uses a small part of the program and its libraries.
    cr_give_back_code()
    inheritance?.ready(using: generation.allSockets)
    control.run()
    log?.close()
    logger.info("\(plan.name) has stopped")
  }

  /// Goes on from what the process before knows, if there is one.
  private static func goOn(
    _ control: inout Control, _ inheritance: Inheritance?, _ plan: NodePlan, _ logger: Logger
  ) throws(NodeError) {
    guard let inheritance else { return }
    switch try inheritance.awaitState() {
    case .success(let state): control.goOn(from: state)
    case .failure(let why):
      logger.warning("\(plan.name) knows nothing of what the process before knew: \(why.description)")
    }
  }

  private static func openLog(_ target: AccessLogTarget, _ inheritance: Inheritance?) throws(NodeError) -> AccessLog? {
    switch target {
    case .none: return nil
    case .standardOutput: return AccessLog(descriptor: 1)
    case .file(let path):
      if let known = inheritance?.take("log \(path)") { return AccessLog(descriptor: known) }
      let descriptor = cr_open_append(path)
      guard descriptor >= 0 else {
        throw NodeError(
          kind: .system,
          description:
            "the access log \(path) cannot be written: \(SystemError(code: descriptor)); name a writable path")
      }
      return AccessLog(descriptor: descriptor)
    }
  }
}
