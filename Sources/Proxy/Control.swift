internal import CReactor
internal import Glibc
internal import HTTPMessage
internal import Logging
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// The control thread: one prober for the whole process, the monitor, signals, and the stages of a stop.
struct Control: ~Copyable {
  /// What a token's upper byte says the completion is about.
  enum Kind: UInt64 { case probe = 1, signal = 2, monitorListener = 3, monitorClient = 4, successor = 5 }

  /// What serves the plan in use, and what its threads share.
  var generation: Generation
  var shared: NodeShared
  /// Those that serve former plans still, the oldest first.
  var former: [Former] = []
  /// The plan that takes over as soon as the workers have left it their listeners, at the latest then.
  var pending: (generation: Generation, ends: Int64)?
  /// A plan is being prepared; another reload was asked for meanwhile.
  var isPreparing = false
  /// Another process is being prepared.
  var isHandingOver = false
  /// It was told everything, and may serve at any moment.
  var hasToldState = false
  /// Signals that stop the node or have it read the topology, kept until it is sure which process that is.
  var heldSignals: [Int32] = []
  /// When the places that plans share are looked at next.
  var limitsDue: Int64 = 0
  /// When processes that have handed over are looked at next: what stands for those that have ended is closed.
  var linesDue: Int64 = 0
  /// Who wants to know what comes of the reload under way, and of the next.
  var tickets: [AdminMailbox.Ticket] = []
  var waitingTickets: [AdminMailbox.Ticket] = []
  var reloadsAgain = false
  var pause = Pause.listening
  /// Who wants to know whether the node listens again.
  var resumeTickets: [AdminMailbox.Ticket] = []
  /// Another process has taken over; and until when workers may tell where they stand, before it does.
  var isHandedOver = false
  /// Lines to processes before that do not read what they are told.
  var unreadLines: Set<Int32> = []
  /// What the process that has taken over says still.
  var successor: (line: HandOverLine, socket: Reactor.Socket?)?
  /// It said that the node stops: the signal that says the same is not a second one.
  var isToldToStop = false
  var tellingEnds: Int64?
  /// That somebody else has an address was said.
  var isResumeToldInVain = false
  let logger: Logger
  var reactor: Reactor
  var wheel: TimerWheel
  var now: Int64
  var random: SplitMix64
  var fields = FieldTable(capacity: 128)
  /// Health machines by application and server.
  var health: [[ServerHealth]]
  var probes: [Probe] = []
  /// Probes of a server, by application and server.
  var probesOf: [[[Int]]]
  /// Site index of a server, as the pools number them; and when the last hint against a site came.
  var sites: [[Int]]
  var hintedAt: [[Int64]]
  /// Servers in a slow start, republished as their weight grows.
  var growing: [(application: Int, server: Int)] = []
  var digestsWarned: Set<String> = []
  /// What is remembered of each server, by application and server, and what the operator wants of the node.
  var histories: [[ServerHistory]]
  var nodeOrder: NodeOrder

  var monitorDescriptor: Int32?
  var monitorSocket: Reactor.Socket = .none
  var monitorClients: [MonitorClient]
  var freeMonitorClients: [Int]
  /// Requests of the monitor served at once; more wait in the kernel.
  static let monitorClientsMax = 256

  /// Nil: nobody is told of changes.
  var notices: ChangeNotices?
  /// Those of former plans, or of the time before another process took over, that have something to tell still.
  var formerNotices: [ChangeNotices] = []
  /// What is told when it is sure that no other process of the node tells it.
  var heldNotices: [(server: String, state: String, cause: String)] = []
  var strainLog: StrainLog
  let signals: Int32
  let notifier: ServiceNotifier?
  /// Standard input was a terminal when the node started.
  let hadTerminal: Bool
  var graceEnds: Int64?
  var shutdownEnds: Int64?
  var listenersMuted = false
  var listenersClosed = false
  var handshakesEnd: Int64 = 0
  /// When the first checks, or those after a reload, have been made: little of what led there is needed again. 0: nothing to give back.
  var settles: Int64 = 0
  var monitorClosed = false
  var shouldMute = false

  /// Checks that a plan in use may grow to without a restart: what the reactor has room for.
  static let checksRoom = 8_192

  init(generation: Generation, signals: Int32, notifier: ServiceNotifier?, logger: Logger) throws(SystemError) {
    let shared = generation.shared
    let plan = shared.plan
    let checks = Self.checks(plan)
    var reactor = try Reactor(capacity: max(Self.checksRoom, 2 * checks) + Self.monitorClientsMax + 8)
    reactor.leave(from: plan.sources.flatMap(AddressBook.fixed))
    self.generation = generation
    self.shared = shared
    checksMax = max(Self.checksRoom, 2 * checks)
    hadTerminal = isatty(0) == 1
    self.signals = signals
    self.notifier = notifier
    self.logger = logger
    notices = ChangeNotices(plan, logger: logger)
    strainLog = StrainLog(plan)
    self.reactor = reactor
    now = cr_monotonic()
    random = SplitMix64(seed: UInt64(truncatingIfNeeded: cr_realtime()) ^ StableHash.hash(plan.name))
    wheel = TimerWheel(capacity: checks + Self.monitorClientsMax + 1, now: now, tickNanoseconds: 1_000_000)
    health = plan.applications.map { $0.pool.servers.map { ServerHealth(plan: $0) } }
    histories = plan.applications.map { $0.pool.servers.map { _ in ServerHistory(since: cr_realtime()) } }
    nodeOrder = NodeOrder(since: cr_realtime())
    probesOf = plan.applications.map { $0.pool.servers.map { _ in [] } }
    let siteTable = Self.siteTable(plan)
    sites = siteTable
    hintedAt = siteTable.map { Array(repeating: 0, count: ($0.max() ?? 0) + 1) }
    monitorDescriptor = generation.monitor
    monitorClients = Array(repeating: MonitorClient(), count: Self.monitorClientsMax)
    freeMonitorClients = Array((0..<Self.monitorClientsMax).reversed())
    for (application, planned) in plan.applications.enumerated() {
      for (server, entry) in planned.pool.servers.enumerated() {
        if let check = entry.liveness { addProbe(application, server, .liveness, check, of: shared) }
        if let check = entry.admission { addProbe(application, server, .admission, check, of: shared) }
      }
    }
    shared.controlWaker.set(self.reactor.waker)
  }

  deinit {
    // The descriptor closes with the reactor, and its number may come to stand for another file.
    shared.controlWaker.set(nil)
    // Of checks and questions to the monitor that were under way.
    for probe in probes { probe.memory?.deallocate() }
    for client in monitorClients { client.memory?.deallocate() }
  }

  /// Checks of a plan, and how many the control thread has room for.
  static func checks(_ plan: NodePlan) -> Int {
    plan.applications.reduce(0) { sum, application in
      sum + application.pool.servers.reduce(0) { $0 + ($1.admission == nil ? 0 : 1) + ($1.liveness == nil ? 0 : 1) }
    }
  }
  let checksMax: Int

  /// By application and server, the site, as the pools number them.
  static func siteTable(_ plan: NodePlan) -> [[Int]] {
    plan.applications.map { application in
      var names: [String] = []
      return application.pool.servers.map { server in
        if let known = names.firstIndex(of: server.site) { return known }
        names.append(server.site)
        return names.count - 1
      }
    }
  }

  /// - Parameter memory: what is remembered of a check of the same sort by another plan.
  mutating func addProbe(
    _ application: Int, _ server: Int, _ check: HealthCheck, _ plan: CheckPlan, of shared: NodeShared,
    memory: CheckState.Memory? = nil
  ) {
    let state = memory.map { CheckState(plan: plan, memory: $0) } ?? CheckState(plan: plan, initiallyUp: true)
    let probe = Probe(
      application: application, server: server, check: check, plan: plan,
      tls: shared.secrets?.check(check, application: application, server: server), state: state)
    probesOf[application][server].append(probes.count)
    wheel.arm(probes.count, at: now + probe.state.firstDelay(random: &random))
    probes.append(probe)
  }

  // MARK: The loop

  mutating func run() {
    // Users come first: checks have seconds, requests have not.
    cr_thread_yield_to_others(10)
    // Of what reading the topology needed; and once more when the first checks were made.
    giveBack()
    settles = now + Self.settling
    _ = reactor.watch(signals, token: Kind.signal.rawValue << 56)
    listenForMonitor()
    while true {
      var timeout = wheel.waitMilliseconds(now: now)
      if isStopping { timeout = min(timeout, 20) }
      timeout = min(timeout < 0 ? 1_000 : timeout, changesTimeout)
      if !growing.isEmpty { timeout = min(timeout, 100) }
      if strainLog.isActive || shared.troubles.isActive { timeout = timeout < 0 ? 1_000 : min(timeout, 1_000) }
      reactor.wait(milliseconds: timeout)
      now = cr_monotonic()
      while let completion = reactor.next() { handle(completion) }
      while let key = wheel.nextExpired(now: now) { expired(key) }
      takeEvidence()
      takeCommands()
      tellStrains()
      tellTroubles()
      if !growing.isEmpty { republishGrowing() }
      takeOutcomes()
      takeOverIfDue()
      tellIfDue()
      tendFormer()
      advancePause()
      giveBackIfSettled()
      if isStopping && advanceStop() { return }
    }
  }

  /// In nanoseconds.
  static let settling: Int64 = 1_000_000_000

  /// Once after the start and after each reload: what serving needs is a small part of the program and its libraries.
  private mutating func giveBackIfSettled() {
    guard settles != 0, now >= settles else { return }
    settles = 0
    giveBack()
  }

  private func giveBack() {
    cr_give_back_code()
    cr_give_back_memory()
  }

  private mutating func handle(_ completion: Reactor.Completion) {
    let index = Int(UInt32(truncatingIfNeeded: completion.token))
    switch Kind(rawValue: completion.token >> 56) {
    case .probe: probeCompleted(index, completion)
    case .signal: takeSignals()
    case .monitorListener: monitorAccepted(completion.result)
    case .monitorClient: monitorCompleted(index, completion)
    case .successor: takeWords()
    case nil: break
    }
  }

  private mutating func expired(_ key: Int) {
    if key < probes.count {
      probeExpired(key)
    } else if key - probes.count < Self.monitorClientsMax {
      monitorClientExpired(key - probes.count)
    } else {
      listenForMonitor()
    }
  }
}
