internal import CReactor
internal import Glibc
public import Logging
internal import Operations
internal import Reactor
internal import Routing
internal import Synchronization
public import Topology

/// A node of the network as a running process: workers that serve, and a control thread that checks health, answers the
/// monitor and handles signals.
public enum ProxyNode {
  /// Runs the node until a signal stops it: SIGTERM and SIGINT finish what is in flight, SIGUSR1 stops softly (rule F3). At
  /// SIGHUP a node that places clients reads its database again, one with TLS or signed cookies its certificates and keys; one with neither goes on, unless it
  /// stands on a terminal.
  ///
  /// Blocks the calling thread. Returns when the node has stopped cleanly. Signals are handled for the whole process.
  public static func run(plan: NodePlan, options: NodeOptions, logger: Logger = Logger(label: "geodirector"))
    throws(NodeError)
  {
    let cores = Int(cr_cpu_count())
    let workers = min(
      64, max(1, options.workers > 0 ? options.workers : plan.limits.workers > 0 ? plan.limits.workers : cores))
    let account = try Privileges.account(of: plan)
    let lock = try lockName(plan)
    defer { _ = cr_close(lock) }
    // Names first: nobody can connect yet, and a signal ends the process while a name server is silent.
    let geography = Geography(plan: plan, logger: logger)
    let secrets = try NodeSecrets(plan: plan, logger: logger)
    let shared = NodeShared(plan: plan, workers: workers, geography: geography, secrets: secrets)
    geography?.load()
    Resolver.resolveAll(plan, into: shared.addresses, logger: logger)
    // From the first moment somebody can connect, a signal has to stop the node in order.
    var watched: [Int32] = [SIGTERM, SIGINT, SIGUSR1]
    // Where there is nothing to read again, it keeps its meaning for a node on a terminal: that is gone.
    let notifier = ServiceNotifier()
    if geography != nil || secrets != nil || notifier != nil || isatty(0) == 0 { watched.append(SIGHUP) }
    let signals = cr_signal_watch(watched, Int32(watched.count))
    guard signals >= 0 else {
      throw NodeError(kind: .system, description: "signals cannot be watched: \(SystemError(code: signals))")
    }
    // Before the service's sockets: who can reach the service can give commands.
    let admin = try plan.admin.map { (admin) throws(NodeError) in
      do throws(AdminError) {
        return try AdminListener(path: admin.socketPath, mode: admin.mode)
      } catch {
        throw NodeError(kind: .system, description: error.description)
      }
    }
    defer { admin?.remove() }
    let listeners = try plan.listeners.map { (listener) throws(NodeError) in
      try listen(listener.address, plan, freely: listener.bindsFreely)
    }
    let monitor = try plan.monitor.map { (address) throws(NodeError) in try listen(address, plan) }
    let applications = CompiledApplications(plan)
    let log = try openLog(options.accessLog)
    if let account {
      // The socket of commands is taken away at the end by who the process is then.
      if let path = plan.admin?.socketPath { _ = chown(path, account.user, account.group) }
      try Privileges.become(account)
      secrets?.warnOfUnreadable()
    }
    // The control thread's alone: workers close their copies of it.
    let apart = [monitor, admin?.descriptor].compactMap { $0 }
    let descriptors = Int(cr_descriptor_limit()) - 64 - applications.serverTotal
    let slots = max(64, min(plan.limits.connectionsMax + 8, max(1, descriptors / 2)))
    shared.working.store(workers, ordering: .releasing)
    shared.listening.store(workers, ordering: .releasing)
    var control: Control
    do {
      control = try Control(shared: shared, signals: signals, monitor: monitor, notifier: notifier, logger: logger)
    } catch {
      throw NodeError(kind: .system, description: "the control thread could not start: \(error)")
    }
    let line = StartLine(workers: workers)
    for index in 0..<workers {
      let start = WorkerStart(
        shared: shared, index: index, workers: workers, applications: applications, listeners: listeners,
        apart: apart, log: log, slots: slots, line: line)
      guard start.launch() >= 0 else {
        throw NodeError(
          kind: .system, description: "no thread could be started for worker \(index): raise the limit on threads")
      }
    }
    line.awaitAll()
    if let admin, !AdminThread.start(admin, shared) {
      throw NodeError(kind: .system, description: "no thread could be started for commands: raise the limit on threads")
    }
    Resolver.start(plan, into: shared.addresses, logger: logger)
    geography?.start { shared.wakeWorkers() }
    secrets?.start()
    logger.info(
      "\(plan.name) serves",
      metadata: [
        "role": "\(plan.role.rawValue)", "workers": "\(workers)",
        "addresses": "\(plan.listeners.map { "\($0.address)" }.joined(separator: " "))",
      ])
    notifier?.ready("\(plan.name) serves")
    // Of what reading the topology needed, little is needed again: serving uses a small part of the program and its libraries.
    cr_give_back_code()
    control.run(listeners: listeners)
    log?.close()
    logger.info("\(plan.name) has stopped")
  }

  private static func lockName(_ plan: NodePlan) throws(NodeError) -> Int32 {
    let place = plan.listeners.first.map { "\($0.address)" } ?? "-"
    let name = String("geodirector/\(plan.network)/\(plan.name)/\(place)".utf8.prefix(100)) ?? plan.name
    let lock = cr_name_lock(name, name.utf8.count)
    if lock == -EADDRINUSE {
      throw NodeError(
        kind: .alreadyRunning,
        description: "\(plan.name) runs already on this machine: stop it first (SIGTERM), or give this one another name"
      )
    }
    guard lock >= 0 else {
      throw NodeError(
        kind: .system, description: "the lock of \(plan.name) could not be taken: \(SystemError(code: lock))")
    }
    return lock
  }

  private static func listen(_ address: Address, _ plan: NodePlan, freely: Bool = false) throws(NodeError) -> Int32 {
    var candidates = AddressBook.fixed(address)
    if case .host(let name, let port) = address { candidates = SocketAddress.resolve(name: name, port: port) }
    guard var raw = candidates.first?.raw else {
      throw NodeError(
        kind: .addressNotHere, description: "\(address) does not resolve: \(plan.name) cannot listen there")
    }
    let descriptor = cr_listen(&raw, 4_096, freely ? 1 : 0)
    if descriptor >= 0 { return descriptor }
    switch -descriptor {
    case EADDRINUSE:
      throw NodeError(
        kind: .portInUse,
        description: "\(address) is in use by another process: stop that one, or give \(plan.name) another address")
    case EACCES, EPERM:
      throw NodeError(
        kind: .missingPrivilege,
        description:
          "\(address) needs a privilege this process lacks: run as root, grant CAP_NET_BIND_SERVICE, or use a port from 1024 on"
      )
    case EADDRNOTAVAIL:
      throw NodeError(
        kind: .addressNotHere,
        description: "\(address) is no address of this machine: add it to an interface, or correct the topology")
    default:
      throw NodeError(kind: .system, description: "\(address) cannot be listened on: \(SystemError(code: descriptor))")
    }
  }

  private static func openLog(_ target: AccessLogTarget) throws(NodeError) -> AccessLog? {
    switch target {
    case .none: return nil
    case .standardOutput: return AccessLog(descriptor: 1)
    case .file(let path):
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

/// Where the threads of a node wait for each other before they serve. Workers take a descriptor table of their own, which
/// holds what was open at that moment: everything others must reach by number is open before it, nothing else is after.
private final class StartLine: Sendable {
  private let workers: Int
  private let ready = Atomic<Int>(0)
  private let separated = Atomic<Int>(0)

  init(workers: Int) { self.workers = workers }

  /// A worker is ready and goes on when all are. True: it has its own descriptor table.
  func pass() -> Bool {
    ready.wrappingAdd(1, ordering: .acquiringAndReleasing)
    while ready.load(ordering: .acquiring) < workers { cr_pause(1) }
    let status = cr_own_descriptors()
    separated.wrappingAdd(1, ordering: .acquiringAndReleasing)
    return status >= 0
  }

  /// Until every worker has passed.
  func awaitAll() {
    while separated.load(ordering: .acquiring) < workers { cr_pause(1) }
  }
}

/// What a worker's thread is started with.
private final class WorkerStart: @unchecked Sendable {
  let shared: NodeShared
  let index: Int
  let workers: Int
  let applications: CompiledApplications
  let listeners: [Int32]
  /// Listeners that are not for the workers.
  let apart: [Int32]
  let log: AccessLog?
  let slots: Int
  let line: StartLine

  init(
    shared: NodeShared, index: Int, workers: Int, applications: CompiledApplications,
    listeners: [Int32], apart: [Int32], log: AccessLog?, slots: Int, line: StartLine
  ) {
    self.shared = shared
    self.index = index
    self.workers = workers
    self.applications = applications
    self.listeners = listeners
    self.apart = apart
    self.log = log
    self.slots = slots
    self.line = line
  }

  func launch() -> Int32 {
    let unmanaged = Unmanaged.passRetained(self)
    let status = cr_thread_start(
      { argument in
        Unmanaged<WorkerStart>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, unmanaged.toOpaque(), "worker-\(index)")
    if status < 0 { unmanaged.release() }
    return status
  }

  private func run() {
    cr_thread_be_prompt()
    serve()
    // Not before the worker has gone with all that it held: who reads that none is left frees what they shared.
    shared.working.wrappingSubtract(1, ordering: .releasing)
    shared.controlWaker.wake()
  }

  private func serve() {
    do {
      var worker = try Worker(
        shared: shared, index: index, workers: workers, applications: applications.base, listeners: listeners, log: log,
        slots: slots)
      let waker = worker.reactor.waker
      shared.workerWakers.withLock { $0[index] = waker }
      if line.pass() {
        worker.ownsDescriptors = true
        // They are closed when the thread they belong to closes them.
        for descriptor in apart { _ = cr_close(descriptor) }
      }
      worker.run()
      shared.workerWakers.withLock { $0[index] = nil }
    } catch {
      Logger(label: "geodirector").critical("worker \(index) could not start: \(error)")
      exit(1)
    }
  }
}

/// Looks up host names at an interval, on a thread of its own: a slow name server delays nobody.
private final class Resolver: @unchecked Sendable {
  private let plan: NodePlan
  private let book: AddressBook
  private let logger: Logger

  private init(_ plan: NodePlan, _ book: AddressBook, _ logger: Logger) {
    self.plan = plan
    self.book = book
    self.logger = logger
  }

  static func resolveAll(_ plan: NodePlan, into book: AddressBook, logger: Logger) {
    for (application, planned) in plan.applications.enumerated() {
      for (server, entry) in planned.pool.servers.enumerated() {
        guard case .host(let name, let port) = entry.address else { continue }
        let found = SocketAddress.resolve(name: name, port: port)
        if found.isEmpty {
          logger.warning("\(entry.name): \(name) does not resolve; what was known of it stays in use")
        }
        book.update(application: application, server: server, found)
      }
    }
  }

  static func start(_ plan: NodePlan, into book: AddressBook, logger: Logger) {
    let named = plan.applications.contains {
      $0.pool.servers.contains { if case .host = $0.address { true } else { false } }
    }
    guard named else { return }
    let unmanaged = Unmanaged.passRetained(Resolver(plan, book, logger))
    let status = cr_thread_start(
      { argument in
        let resolver = Unmanaged<Resolver>.fromOpaque(argument!).takeRetainedValue()
        let pause = Int32(clamping: max(1_000_000_000, resolver.plan.resolveInterval.nanosecondsClamped) / 1_000_000)
        while true {
          cr_pause(pause)
          Resolver.resolveAll(resolver.plan, into: resolver.book, logger: resolver.logger)
        }
      }, unmanaged.toOpaque(), "resolver")
    if status < 0 { unmanaged.release() }
  }
}
