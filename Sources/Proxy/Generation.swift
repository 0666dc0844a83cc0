internal import CReactor
internal import Glibc
internal import Logging
internal import Operations
internal import Reactor
internal import Synchronization
internal import Topology

/// Everything that serves one plan: what its threads share, its sockets, its workers. A reload makes another one beside it; the
/// connections that this one has are served by it to their end.
///
/// Made by one thread, then handed to the control thread.
final class Generation: @unchecked Sendable {
  let plan: NodePlan
  let shared: NodeShared
  let workers: Int
  let line: StartLine
  let resolver: Resolver?
  /// By the plan's listeners.
  private(set) var listeners: [Int32] = []
  private(set) var monitor: Int32?
  /// The lock of the node's name; -1: nobody holds it.
  var lock: Int32 = -1
  private(set) var admin: AdminThread?
  private(set) var page: StatusPageThread?
  private let applications: CompiledApplications
  private let logger: Logger
  /// What was opened for this plan: it is closed if the plan does not come into use.
  private var opened: [NodeSocket] = []
  private var hasOwnAdmin = false
  private var hasOwnPage = false
  private var hasInheritedAdmin = false
  /// The path of commands leads to the plan's own socket.
  private var takesCommands = false
  /// Who puts the socket of commands in its place, where this process will not be able to.
  private var placer: AdminPlacer?
  private var hasOwnLock = false

  /// Reads what the plan needs of files and names; nothing is bound yet.
  /// - Parameter before: what serves the plan before; what both have goes on to be used.
  init(plan: NodePlan, process: ProcessShared, options: NodeOptions, before: Generation?, logger: Logger)
    throws(NodeError)
  {
    self.plan = plan
    self.logger = logger
    let wanted = options.workers > 0 ? options.workers : plan.limits.workers
    workers = min(64, max(1, wanted > 0 ? wanted : Int(cr_cpu_count())))
    let geography = Geography(plan: plan, continuing: before?.shared.geography, logger: logger)
    let secrets = try NodeSecrets(
      plan: plan, continuing: before?.shared.secrets, clock: process.trust, logger: logger)
    shared = NodeShared(
      plan: plan, process: process, workers: workers, before: before?.shared, geography: geography, secrets: secrets)
    geography?.load()
    resolver = Resolver(plan, shared.addresses, logger)
    resolver?.resolve(unknownOnly: before != nil)
    applications = CompiledApplications(plan)
    line = StartLine(workers: workers)
  }

  /// Takes the lock of the node's name, unless the generation before has the same.
  func takeLock(before: Generation? = nil, inherited: Int32? = nil) throws(NodeError) {
    if let before, before.lockName == lockName {
      lock = before.lock
      return
    }
    if let inherited {
      lock = inherited
      return
    }
    lock = try acquireLock()
    hasOwnLock = true
  }

  /// The lock of the node's name, which one process at a time has on a machine.
  func acquireLock() throws(NodeError) -> Int32 {
    let name = lockName
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

  var lockName: String {
    let place = plan.listeners.first.map { "\($0.address)" } ?? "-"
    return String("geodirector/\(plan.network)/\(plan.name)/\(place)".utf8.prefix(100)) ?? plan.name
  }

  /// Opens the sockets, commands' first: who can reach the service can give commands.
  /// - Parameter there: sockets that are there already; those at an address of the plan are used.
  func openSockets(
    there: [NodeSocket] = [], admin known: AdminThread? = nil, page knownPage: StatusPageThread? = nil,
    adminListener: AdminListener? = nil
  ) throws(NodeError) {
    if let admin = plan.admin {
      if let known, known.listener.path == admin.socketPath, known.mode == admin.mode {
        self.admin = known
      } else {
        do throws(AdminError) {
          let listener =
            if let adminListener { adminListener } else {
              try AdminListener(path: admin.socketPath, mode: admin.mode)
            }
          self.admin = AdminThread(listener, mode: admin.mode, shared.process)
          hasOwnAdmin = true
          hasInheritedAdmin = adminListener != nil
          takesCommands = hasInheritedAdmin || listener.isInPlace
        } catch {
          throw NodeError(kind: .system, description: error.description)
        }
      }
    }
    for source in plan.sources { try NodeSocket.checkSource(source, of: plan.name) }
    for listener in plan.listeners {
      listeners.append(try open(listener.address, there, freely: listener.bindsFreely))
    }
    if let address = plan.monitor { monitor = try open(address, there, freely: false) }
    if let wanted = plan.statusPage {
      if let knownPage, knownPage.page == wanted {
        page = knownPage
      } else {
        page = try StatusPageThread(
          wanted, of: plan, at: open(wanted.address, there, freely: false), shared.process)
        hasOwnPage = true
      }
    }
  }

  private func open(_ address: Address, _ there: [NodeSocket], freely: Bool) throws(NodeError) -> Int32 {
    if let known = there.first(where: { $0.address == address }) { return known.descriptor }
    let socket = try NodeSocket.listen(at: address, for: plan.name, freely: freely, beside: there)
    opened.append(socket)
    return socket.descriptor
  }

  /// Starts the workers: they wait for `line` to open.
  func startWorkers(log: AccessLog?) throws(NodeError) {
    let descriptors = Int(cr_descriptor_limit()) - 64 - applications.serverTotal
    let slots = max(64, min(plan.limits.connectionsMax + 8, max(1, descriptors / 2)))
    shared.listening.store(workers, ordering: .releasing)
    for index in 0..<workers {
      let start = WorkerStart(
        shared: shared, index: index, workers: workers, applications: applications, listeners: listeners, log: log,
        slots: slots, line: line)
      shared.working.wrappingAdd(1, ordering: .releasing)
      do throws(ThreadFailure) {
        try start.launch()
      } catch {
        shared.working.wrappingSubtract(1, ordering: .releasing)
        line.giveUp()
        throw NodeError(kind: .system, description: error.description)
      }
    }
    guard line.awaitAll() else {
      throw NodeError(
        kind: .system, description: "a worker could not start: raise the limits on descriptors and memory")
    }
  }

  /// Starts what watches files and names, and who takes commands.
  /// - Parameter readsAgain: files are read at once, changed or not.
  /// - Throws: when there is no thread for commands or the status page; all else is started nevertheless.
  func startBeside(readsAgain: Bool) throws(ThreadFailure) {
    let shared = self.shared
    var failure: ThreadFailure?
    do throws(ThreadFailure) {
      if hasOwnAdmin { try admin?.start() }
      if hasOwnPage { try page?.start() }
    } catch {
      failure = error
    }
    resolver?.start()
    if readsAgain { shared.geography?.reload() }
    shared.geography?.start { shared.wakeWorkers() }
    if readsAgain { shared.secrets?.reload() }
    shared.secrets?.start { shared.wakeWorkers() }
    if let failure { throw failure }
  }

  /// Sees to it that `takeCommands` is possible after the process has given up its rights and its root directory.
  func prepareCommands() throws(NodeError) {
    guard hasOwnAdmin, !takesCommands, let admin else { return }
    do throws(AdminError) {
      placer = try AdminPlacer(admin.listener)
    } catch {
      throw NodeError(kind: .system, description: error.description)
    }
  }

  /// Commands are taken at the path from now on, whoever took them there before.
  func takeCommands() throws(NodeError) {
    guard hasOwnAdmin, !takesCommands, let admin else { return }
    do throws(AdminError) {
      if let placer {
        self.placer = nil
        try placer.take()
      } else {
        try admin.listener.takePlace()
      }
      takesCommands = true
    } catch {
      throw NodeError(kind: .system, description: error.description)
    }
  }

  /// The same after another process had its own socket there, which has ended: with a new socket, as that one took the path away.
  func takeCommandsAgain() throws(NodeError) {
    // Behind chroot the path is out of sight: who displaced the socket has put it aside, where it can be reached.
    guard let before = admin, plan.chroot == nil, before.listener.isDisplaced else { return }
    do throws(AdminError) {
      let listener = try AdminListener(path: before.listener.path, mode: before.mode)
      do throws(AdminError) {
        try listener.takePlace()
        let next = AdminThread(listener, mode: before.mode, shared.process)
        do throws(ThreadFailure) { try next.start() } catch { throw AdminError(error.description) }
        before.retire()
        admin = next
      } catch {
        listener.remove()
        throw error
      }
    } catch {
      let there = before.listener.isAside ? "; they are taken beside it, at \(before.listener.asidePath)" : ""
      throw NodeError(kind: .system, description: error.description + there)
    }
  }

  /// What would stand at the path of commands after the process's end is taken away.
  func removeCommands() {
    placer?.cancel()
    placer = nil
    if hasOwnAdmin && !hasInheritedAdmin { admin?.listener.remove() }
  }

  /// The plan does not come into use: its workers end, and what was opened for it is closed.
  func abandon() {
    line.giveUp()
    while shared.working.load(ordering: .acquiring) > 0 { cr_pause(1) }
    closeReactors()
    for socket in opened { _ = cr_close(socket.descriptor) }
    removeCommands()
    if hasOwnLock { _ = cr_close(lock) }
  }

  /// Another plan is in use: files and names of this one are watched no more, but for those that tell who may stay (`NodeSecrets.follow`).
  func retireWatchers() {
    resolver?.retire()
    shared.geography?.retire()
  }

  /// The workers have ended: what the process's table still has of their reactors is closed.
  func closeReactors() {
    for descriptor in shared.reactorDescriptors.withLock({ $0.flatMap { $0 } }) { _ = cr_close(descriptor) }
    shared.reactorDescriptors.withLock { $0 = [] }
  }

  /// The sockets of the service and of the monitor, with their addresses.
  var sockets: [NodeSocket] {
    zip(plan.listeners, listeners).map { NodeSocket(address: $0.address, descriptor: $1) }
      + [plan.monitor.flatMap { address in monitor.map { NodeSocket(address: address, descriptor: $0) } }].compactMap {
        $0
      }
  }

  /// Those, and the status page's.
  var allSockets: [NodeSocket] {
    sockets + (page.map { [NodeSocket(address: $0.page.address, descriptor: $0.descriptor)] } ?? [])
  }

  /// Whether the plan has this socket: for service, as its monitor, or for its status page.
  func has(_ descriptor: Int32) -> Bool {
    listeners.contains(descriptor) || monitor == descriptor || page?.descriptor == descriptor
  }
}
