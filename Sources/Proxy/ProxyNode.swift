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
    let process = ProcessShared()
    process.connections.limit = plan.limits.connectionsMax
    // Names first: nobody can connect yet, and a signal ends the process while a name server is silent.
    let generation = try Generation(plan: plan, process: process, options: options, before: nil, logger: logger)
    defer { process.pidFile.withLock { $0?.remove() } }
    var log: AccessLog?
    var control: Control
    do throws(NodeError) {
      control = try prepare(generation, options, &log, logger, inheritance)
    } catch {
      // Whoever has the node now keeps what it has.
      generation.abandon()
      throw error
    }
    let beside = ChangeThread(process: process, options: options, log: log, logger: logger)
    if let inheritance {
      // Beside the process before, which leaves when all is done here.
      generation.line.open()
      do throws(NodeError) {
        let lines = inheritance.takeLines()
        process.linesBefore.withLock { $0 = lines }
        try inheritance.awaitTurn(using: generation.allSockets)
        try takeCharge(of: generation, beside)
      } catch {
        generation.removeCommands()
        throw error
      }
      inheritance.taken()
      process.pidFile.withLock { $0?.own() }
    } else {
      do throws(NodeError) {
        try takeCharge(of: generation, beside)
      } catch {
        generation.abandon()
        throw error
      }
      generation.line.open()
    }
    defer { control.removeAdmin() }
    logger.info(
      "\(plan.name) serves",
      metadata: [
        "role": "\(plan.role.rawValue)", "workers": "\(generation.workers)",
        "addresses": "\(plan.listeners.map { "\($0.address)" }.joined(separator: " "))",
      ])
    if let inheritance, inheritance.isAlone {
      logger.warning("\(plan.name): the process before died while it handed over: this one goes on alone")
    }
    // Of a process that takes over, the one before tells.
    if inheritance?.isAlone ?? true { control.notifier?.ready("\(plan.name) serves") }
    control.run()
    control.finishNotices()
    log?.close()
    logger.info("\(plan.name) has stopped")
  }

  /// Everything that can fail and that is seen by nobody; then privileges are given up, and the workers wait.
  private static func prepare(
    _ generation: Generation, _ options: NodeOptions, _ log: inout AccessLog?, _ logger: Logger,
    _ inheritance: Inheritance?
  ) throws(NodeError) -> Control {
    let plan = generation.plan
    let account = try Privileges.account(of: plan)
    try generation.takeLock(inherited: inheritance?.take("lock \(generation.lockName)"))
    // From the first moment somebody can connect, a signal has to stop the node in order.
    let watched: [Int32] = [SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP, SIGTTOU, SIGTTIN]
    let signals = cr_signal_watch(watched, Int32(watched.count))
    guard signals >= 0 else {
      throw NodeError(kind: .system, description: "signals cannot be watched: \(SystemError(code: signals))")
    }
    // Its socket may be out of reach later.
    let notifier = ServiceNotifier()
    try generation.openSockets(
      there: inheritance?.sockets ?? [], adminListener: inheritance.flatMap { commands(of: plan, from: $0) })
    log = try openLog(options.accessLog, inheritance)
    if let path = plan.pidPath {
      let file =
        if let known = inheritance?.take("pid \(path)") { PidFile(path, adopting: known) } else { try PidFile(path) }
      generation.shared.process.pidFile.withLock { $0 = file }
    }
    if let account, let listener = generation.admin?.listener {
      // The socket of commands is taken away at the end by who the process is then.
      listener.give(to: account.user, account.group)
    }
    // Its place may be out of reach later, and is not this process's before it serves.
    if account != nil || plan.chroot != nil { try generation.prepareCommands() }
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
    try generation.startWorkers(log: log)
    try goOn(&control, inheritance, plan, logger)
    return control
  }

  /// The socket of commands that was handed over; nil: none that is good for the plan.
  private static func commands(of plan: NodePlan, from inheritance: Inheritance) -> AdminListener? {
    guard let admin = plan.admin, let descriptor = inheritance.take("admin \(admin.socketPath)") else { return nil }
    let file = inheritance.adminFile(at: admin.socketPath)
    if let known = AdminListener(path: admin.socketPath, mode: admin.mode, adopting: descriptor, inode: file) {
      return known
    }
    _ = cr_close(descriptor)
    return nil
  }

  /// The node is this process's: its id is told, and it takes commands.
  private static func takeCharge(of generation: Generation, _ changes: ChangeThread) throws(NodeError) {
    try generation.shared.process.pidFile.withLock { (file) throws(NodeError) in try file?.write() }
    do throws(ThreadFailure) {
      try generation.startBeside(readsAgain: false)
      // It starts threads of full priority: so it is there before the control thread lowers its own.
      try changes.start()
    } catch {
      throw NodeError(kind: .system, description: error.description)
    }
    // Last: whoever took commands there before loses nothing to a start that fails.
    try generation.takeCommands()
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
