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
  enum Kind: UInt64 { case probe = 1, signal = 2, monitorListener = 3, monitorClient = 4 }

  let shared: NodeShared
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

  let monitorDescriptor: Int32?
  var monitorSocket: Reactor.Socket = .none
  var monitorClients: [MonitorClient]
  var freeMonitorClients: [Int]
  /// Requests of the monitor served at once; more wait in the kernel.
  static let monitorClientsMax = 256

  /// Nil: nobody is told of changes.
  private let notices: ChangeNotices?
  private var strainLog: StrainLog
  private let signals: Int32
  private let notifier: ServiceNotifier?
  private var graceEnds: Int64?
  private var shutdownEnds: Int64?
  private var listenersMuted = false

  init(shared: NodeShared, signals: Int32, monitor: Int32?, notifier: ServiceNotifier?, logger: Logger)
    throws(SystemError)
  {
    let plan = shared.plan
    let checks = plan.applications.reduce(0) { sum, application in
      sum + application.pool.servers.reduce(0) { $0 + ($1.admission == nil ? 0 : 1) + ($1.liveness == nil ? 0 : 1) }
    }
    let reactor = try Reactor(capacity: checks + Self.monitorClientsMax + 8)
    self.shared = shared
    self.signals = signals
    self.notifier = notifier
    self.logger = logger
    notices = ChangeNotices(plan, logger: logger)
    strainLog = StrainLog(
      listeners: plan.listeners.map { "\($0.address)" }, connectionsMax: plan.limits.connectionsMax,
      perSourceMax: plan.limits.connectionsPerSourceMax)
    self.reactor = reactor
    now = cr_monotonic()
    random = SplitMix64(seed: UInt64(truncatingIfNeeded: cr_realtime()) ^ StableHash.hash(plan.name))
    wheel = TimerWheel(capacity: checks + Self.monitorClientsMax + 1, now: now, tickNanoseconds: 1_000_000)
    health = plan.applications.map { $0.pool.servers.map { ServerHealth(plan: $0) } }
    histories = plan.applications.map { $0.pool.servers.map { _ in ServerHistory(since: cr_realtime()) } }
    nodeOrder = NodeOrder(since: cr_realtime())
    probesOf = plan.applications.map { $0.pool.servers.map { _ in [] } }
    var siteTable: [[Int]] = []
    for application in plan.applications {
      var names: [String] = []
      siteTable.append(
        application.pool.servers.map { server in
          if let known = names.firstIndex(of: server.site) { return known }
          names.append(server.site)
          return names.count - 1
        })
    }
    sites = siteTable
    hintedAt = siteTable.map { Array(repeating: 0, count: ($0.max() ?? 0) + 1) }
    monitorDescriptor = monitor
    monitorClients = Array(repeating: MonitorClient(), count: Self.monitorClientsMax)
    freeMonitorClients = Array((0..<Self.monitorClientsMax).reversed())
    for (application, planned) in plan.applications.enumerated() {
      for (server, entry) in planned.pool.servers.enumerated() {
        if let check = entry.liveness { addProbe(application, server, .liveness, check) }
        if let check = entry.admission { addProbe(application, server, .admission, check) }
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

  private mutating func addProbe(_ application: Int, _ server: Int, _ check: HealthCheck, _ plan: CheckPlan) {
    let probe = Probe(
      application: application, server: server, check: check, plan: plan,
      tls: shared.secrets?.check(check, application: application, server: server),
      state: CheckState(plan: plan, initiallyUp: true))
    probesOf[application][server].append(probes.count)
    wheel.arm(probes.count, at: now + probe.state.firstDelay(random: &random))
    probes.append(probe)
  }

  // MARK: The loop

  mutating func run(listeners: [Int32]) {
    // Users come first: checks have seconds, requests have not.
    cr_thread_yield_to_others(10)
    _ = reactor.watch(signals, token: Kind.signal.rawValue << 56)
    listenForMonitor()
    while true {
      var timeout = wheel.waitMilliseconds(now: now)
      if isStopping { timeout = min(timeout, 20) }
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
      if isStopping && advanceStop(listeners) { return }
    }
  }

  private mutating func handle(_ completion: Reactor.Completion) {
    let index = Int(UInt32(truncatingIfNeeded: completion.token))
    switch Kind(rawValue: completion.token >> 56) {
    case .probe: probeCompleted(index, completion)
    case .signal: takeSignals()
    case .monitorListener: monitorAccepted(completion.result)
    case .monitorClient: monitorCompleted(index, completion)
    case nil: break
    }
  }

  private mutating func expired(_ key: Int) {
    if key < probes.count {
      probeExpired(key)
    } else if key - probes.count < Self.monitorClientsMax {
      closeMonitorClient(key - probes.count)
    } else {
      listenForMonitor()
    }
  }

  // MARK: Signals and stopping

  private mutating func takeSignals() {
    while true {
      let signal = cr_signal_next(signals)
      guard signal >= 0 else { return }
      switch signal {
      case SIGUSR1: softStop()
      case SIGHUP:
        notifier?.reloading()
        shared.geography?.reload()
        shared.secrets?.reload()
        if shared.geography == nil && shared.secrets == nil {
          logger.notice("\(shared.plan.name) goes on after SIGHUP: it has nothing to read again")
        }
        notifier?.ready("\(shared.plan.name) serves")
      default:
        if shared.phase == .stopping && shutdownEnds != nil {
          logger.warning("\(shared.plan.name) stops at once: a second signal came")
          exit(1)
        }
        stop(bounded: true)
      }
    }
  }

  /// The monitor closes at once, so that nobody sends new users; service goes on until the grace is over (rule F3).
  private mutating func softStop() {
    guard shared.phase == .running else { return }
    logger.notice("\(shared.plan.name) stops softly: the monitor is closed, service goes on for \(shared.plan.grace)")
    notifier?.status("\(shared.plan.name) stops softly")
    closeMonitor()
    graceEnds = now + shared.plan.grace.nanosecondsClamped
    shared.advance(to: .draining)
  }

  private mutating func stop(bounded: Bool) {
    if bounded { shutdownEnds = now + shared.plan.shutdown.nanosecondsClamped }
    guard shared.phase != .stopping else { return }
    logger.notice("\(shared.plan.name) stops: requests in flight are finished")
    notifier?.stopping()
    closeMonitor()
    graceEnds = nil
    shouldMute = true
  }
  private var monitorClosed = false
  private var shouldMute = false
  private var isStopping: Bool { shouldMute || shared.phase != .running }

  /// The next stage of a stop, when it is due. True: the process may end.
  private mutating func advanceStop(_ listeners: [Int32]) -> Bool {
    if let ends = graceEnds, now >= ends { stop(bounded: false) }
    return finishStop(listeners)
  }

  private mutating func finishStop(_ listeners: [Int32]) -> Bool {
    if shouldMute && !listenersMuted {
      // From here on the kernel drops arrivals, so that the workers can empty the queue before it is closed: a client
      // that comes now sends again, finds nobody, and tries elsewhere.
      listenersMuted = true
      for descriptor in listeners { _ = cr_listener_mute(descriptor) }
      if shared.phase == .running { shared.advance(to: .draining) }
      handshakesEnd = now + Int64(Double(Self.handshakeTime) * shared.plan.timeScale)
    }
    // Handshakes under way have a round trip to finish, their connections are taken still.
    if listenersMuted && shared.phase != .stopping && now >= handshakesEnd { shared.advance(to: .stopping) }
    guard shared.phase == .stopping else { return false }
    if listenersMuted && shared.listening.load(ordering: .acquiring) == 0 && !listenersClosed {
      listenersClosed = true
      for descriptor in listeners { _ = cr_close(descriptor) }
    }
    if shared.working.load(ordering: .acquiring) == 0 { return true }
    if let ends = shutdownEnds, now >= ends {
      logger.warning("\(shared.plan.name) ends with connections left: \(shared.connections.count)")
      return true
    }
    return false
  }
  private var listenersClosed = false
  private var handshakesEnd: Int64 = 0
  /// Longer than a round trip to the other side of the world: 300 ms.
  private static let handshakeTime: Int64 = 300_000_000

  mutating func listenForMonitor() {
    guard let monitorDescriptor, !isStopping else { return }
    monitorSocket = reactor.accept(from: monitorDescriptor, token: Kind.monitorListener.rawValue << 56) ?? .none
  }

  private mutating func closeMonitor() {
    guard let monitorDescriptor, !monitorClosed else { return }
    monitorClosed = true
    reactor.close(monitorSocket)
    monitorSocket = .none
    _ = cr_close(monitorDescriptor)
  }

  /// What the workers ran out of, in the log.
  private mutating func tellStrains() {
    guard shared.strains.takeMark() || strainLog.isActive else { return }
    let name = shared.plan.name
    strainLog.update(shared.strains, now: now) { line, isOver in
      if isOver { logger.notice("\(name): \(line)") } else { logger.warning("\(name): \(line)") }
    }
  }

  // MARK: Evidence and publishing

  private mutating func takeEvidence() {
    for (application, evidence) in shared.takeEvidence() {
      let server = Int(evidence.server)
      switch evidence.kind {
      case .connectFailed: change(application, server, "connections fail") { $0.recordConnectFailure(now: $1) }
      case .connected: change(application, server, "connected") { $0.recordConnectSuccess(now: $1) }
      case .trialSucceeded: change(application, server, "a trial reached it") { $0.recordTrialSuccess(now: $1) }
      case .declaredDead:
        change(application, server, "it answered that it has no server to offer") {
          $0.record(.liveness, statement: MonitorStatement(admit: false, alive: false), now: $1).union(.checkSoon)
        }
      case .hinted:
        let site = sites[application][server]
        hintedAt[application][site] = now
        for other in sites[application].indices where sites[application][other] == site {
          checkSoon(application, other)
        }
      }
    }
  }

  /// Lets the health machine take something in, and publishes and logs what came of it.
  mutating func change(
    _ application: Int, _ server: Int, _ cause: String, _ body: (inout ServerHealth, Int64) -> HealthChange
  ) {
    let before = health[application][server]
    let change = body(&health[application][server], now)
    if change.contains(.checkSoon) { checkSoon(application, server) }
    guard change.mustPublish else { return }
    publish(application, server)
    if change.contains(.slowStart) { growing.append((application, server)) }
    let after = health[application][server]
    let name = shared.plan.applications[application].pool.servers[server].name
    if before.liveness != after.liveness || before.admit != after.admit || before.enabled != after.enabled {
      remember(application, server, cause)
    }
    if before.liveness != after.liveness || before.admit != after.admit {
      let word =
        switch after.liveness {
        case .alive: after.admit ? "up" : "up for its own users only"
        case .unreachable: "down"
        case .declaredDead: "down by its own word"
        }
      let line: Logger.Message = "\(shared.plan.name): \(name) is \(word): \(cause)"
      if after.liveness == .alive { logger.notice(line) } else { logger.warning(line) }
      let state =
        switch after.liveness {
        case .alive: after.admit ? "up" : "own-users"
        case .unreachable: "down"
        case .declaredDead: "declared-down"
        }
      notices?.post(server: name, state: state, cause: cause)
    }
  }

  private func publish(_ application: Int, _ server: Int) {
    let seed = StableHash.combine(StableHash.hash(shared.plan.name), UInt64(server))
    let snapshot = HealthSnapshot(health[application][server], now: now, jitterSeed: seed)
    if shared.applications[application].health.publish(Int32(server), snapshot) { shared.wakeWorkers() }
  }

  private mutating func republishGrowing() {
    for (application, server) in growing { publish(application, server) }
    let now = self.now
    let health = self.health
    let name = shared.plan.name
    growing.removeAll { entry in
      let seed = StableHash.combine(StableHash.hash(name), UInt64(entry.server))
      return !health[entry.application][entry.server].isStartingSlowly(now: now, jitterSeed: seed)
    }
  }

  /// A moment later, so that what the other side has just learned has reached its monitor.
  static let soon: Int64 = 20_000_000

  mutating func checkSoon(_ application: Int, _ server: Int) {
    for probe in probesOf[application][server] {
      if probes[probe].phase == .waiting {
        wheel.armNoLater(probe, at: now + Self.soon)
      } else {
        probes[probe].isDueAgain = true
      }
    }
  }
}
