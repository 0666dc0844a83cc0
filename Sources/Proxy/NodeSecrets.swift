internal import CReactor
internal import Glibc
internal import Logging
internal import Operations
internal import Reactor
internal import Routing
internal import Synchronization
internal import TLS
internal import Topology

/// What a node shows, expects and signs: certificates of its listeners, what it expects of servers, keys of cookies. Files are read when the node starts, and anew when
/// they change or a SIGHUP asks for it, on a thread of its own; who has begun a handshake ends it with what it began with.
final class NodeSecrets: Sendable {
  /// By listener; nil: plain.
  let listeners: [ListenerTLS?]
  /// Of the monitor; nil: plain.
  let monitor: ListenerTLS?
  /// By application and server; nil: plain. The same server of several applications is one, and so are its sessions.
  let servers: [[ServerTLS?]]
  /// Those of checks, likewise; a check by TLS of a server without it has its own.
  private let liveness: [[ServerTLS?]]
  private let admission: [[ServerTLS?]]
  private let towards: [Towards]
  /// By application; nil: its cookies are not signed.
  private let cookieFiles: [CookieKeyFile?]
  private let cookieGenerationValue = Atomic<Int>(1)
  /// Of the whole process.
  let trustClock: TrustClock
  private let standingValue: Mutex<TrustStanding>
  private let plan: NodePlan
  private let logger: Logger
  private let waker = OnceWaker()
  private let isAsked = Atomic<Bool>(false)
  private let isRetired = Atomic<Bool>(false)
  /// Touched before the files are watched, then by the thread that does.
  private let dates = Mutex<DateWatch>(DateWatch())

  /// Between two looks at the files, in milliseconds.
  private static let interval: Int32 = 1_000

  /// One place that connections are made to, and how.
  private struct Towards: Sendable {
    let name: String
    let address: Address
    let tls: ServerTLS
  }

  /// Reads the files; nil: the node has none. `before`: those of the plan before. What it has of this plan's goes on to be used, with
  /// its sessions, so that a file that has become unusable keeps no plan from being taken up.
  init?(plan: NodePlan, continuing before: NodeSecrets? = nil, clock trustClock: TrustClock, logger: Logger)
    throws(NodeError)
  {
    self.plan = plan
    self.trustClock = trustClock
    self.logger = logger
    let now = Self.seconds
    let clock = Self.clock
    var towards: [Towards] = []
    var warnings: [TLSWarning] = []
    func find(_ wanted: ServerTLSPlan?, _ name: String, _ address: Address) throws(TLSError) -> ServerTLS? {
      guard let wanted else { return nil }
      if let known = towards.first(where: { $0.address == address && $0.tls.plan == wanted }) { return known.tls }
      let kept = before?.towards.first { $0.address == address && $0.tls.plan == wanted }?.tls
      let tls = if let kept { kept } else { try ServerTLS(wanted, now: now) }
      towards.append(Towards(name: name, address: address, tls: tls))
      return tls
    }
    do throws(TLSError) {
      listeners = try plan.listeners.map { (listener) throws(TLSError) in
        guard let wanted = listener.tls else { return nil }
        if let kept = before?.tls(of: listener) { return kept }
        // Its sessions are resumed, whatever else has changed.
        let tls = try ListenerTLS(wanted, tickets: before?.tickets(for: listener), now: now, clock: clock)
        warnings += tls.context.warnings
        return tls
      }
      monitor = try plan.monitorTLS.map { (wanted) throws(TLSError) in
        if let before, let kept = before.monitor, before.plan.monitorTLS == wanted { return kept }
        let tls = try ListenerTLS(wanted, now: now, clock: clock)
        warnings += tls.context.warnings
        return tls
      }
      servers = try plan.applications.map { (application) throws(TLSError) in
        try application.pool.servers.map { (server) throws(TLSError) in
          try find(server.tls, server.name, server.address)
        }
      }
      // By the server's address: its certificate and its sessions are the same at every port it is asked at.
      liveness = try plan.applications.map { (application) throws(TLSError) in
        try application.pool.servers.map { (server) throws(TLSError) in
          try find(server.liveness?.tls, server.name, server.address)
        }
      }
      admission = try plan.applications.map { (application) throws(TLSError) in
        try application.pool.servers.map { (server) throws(TLSError) in
          try find(server.admission?.tls, server.name, server.address)
        }
      }
      cookieFiles = try plan.applications.map { (application) throws(TLSError) in
        guard let signing = application.cookie?.signing else { return nil }
        if let kept = before?.cookieFiles.compactMap({ $0 }).first(where: { $0.path == signing.keyPath }) {
          return kept
        }
        return try CookieKeyFile(signing.keyPath)
      }
    } catch {
      throw NodeError(kind: .configuration, description: "\(error)")
    }
    self.towards = towards
    standingValue = Mutex(TrustStanding(listeners: listeners, servers: servers))
    let hasTLS = !towards.isEmpty || monitor != nil || listeners.contains { $0 != nil }
    guard hasTLS || cookieFiles.contains(where: { $0 != nil }) else { return nil }
    var said: Set<String> = []
    for warning in warnings { tell(warning, &said) }
    tellDates()
  }

  /// What is doubtful about the dates of the certificates in use, and of who signs those of others: each doubt once a day, however often this is called.
  private func tellDates() {
    let now = Self.seconds
    let ours = (listeners + [monitor]).compactMap { $0?.context }
    let theirs = towards.map(\.tls.context)
    let validities = ours.flatMap(\.validities) + theirs.flatMap(\.validities)
    let authorities = (ours.map(\.authority) + theirs.map(\.authority)).compactMap { $0 }
    let warnings = (validities + authorities).compactMap { $0.warning(now: now) }
    for warning in dates.withLock({ $0.due(warnings, clock: Self.clock) }) {
      let line: Logger.Message = "\(plan.name): \(warning)"
      if warning.isGrave { logger.error(line) } else { logger.warning(line) }
    }
  }

  /// What came of handshakes, by where: with clients of each listener and of the monitor, and with each server.
  var handshakes: [NodeStatus.Handshakes] { handshakeCounts.map { .init(with: $0.peer, $0.counts) } }

  /// Counts on from what another process has come to with the same peers.
  func goOn(from handshakes: [NodeStatus.Handshakes]) {
    var left = handshakeCounts
    for known in handshakes {
      // Of a peer that is there more than once, each in its turn.
      guard let position = left.firstIndex(where: { $0.peer == known.with }) else { continue }
      var failed: [HandshakeCounts.Failure: Int] = [:]
      for failure in HandshakeCounts.Failure.allCases { failed[failure] = known.failed[failure.name] }
      left.remove(at: position).counts.goOn(full: known.full, resumed: known.resumed, failed: failed)
    }
  }

  private var handshakeCounts: [(peer: String, counts: HandshakeCounts)] {
    var found: [(peer: String, counts: HandshakeCounts)] = []
    for (position, listener) in listeners.enumerated() {
      guard let listener else { continue }
      found.append(("clients of \(plan.listeners[position].address)", listener.counts))
    }
    if let monitor { found.append(("clients of the monitor", monitor.counts)) }
    for place in towards { found.append(("\(place.name) at \(place.address.serviceText)", place.tls.counts)) }
    return found
  }

  /// What a listener of another plan has here already; nil: nothing.
  private func tls(of listener: ListenerPlan) -> ListenerTLS? {
    let known = plan.listeners.firstIndex { $0.address == listener.address && $0.tls == listener.tls }
    return known.flatMap { listeners[$0] }
  }

  /// The random ticket keys of a listener at the same address, for one of another plan; nil: it has its own.
  private func tickets(for listener: ListenerPlan) -> TicketKeys? {
    guard let position = plan.listeners.firstIndex(where: { $0.address == listener.address }),
      let known = listeners[position], let wanted = listener.tls, wanted.ticketKeyPath == nil,
      known.plan.ticketKeyPath == nil, known.plan.ticketRotation == wanted.ticketRotation
    else { return nil }
    return known.tickets
  }

  /// Privileges were given up: what cannot be read any more cannot be read again when it changes.
  func warnOfUnreadable() {
    var paths: Set<String> = []
    func add(_ certificate: CertificatePlan) {
      for path in [certificate.path, certificate.keyPath].compactMap({ $0 }) { paths.insert(path) }
    }
    for tls in plan.listeners.compactMap(\.tls) + [plan.monitorTLS].compactMap({ $0 }) {
      tls.certificates.forEach(add)
      for path in [tls.ticketKeyPath, tls.clients?.authorityPath].compactMap({ $0 }) { paths.insert(path) }
    }
    for place in towards {
      if let certificate = place.tls.plan.certificate { add(certificate) }
      if let path = place.tls.plan.authorityPath { paths.insert(path) }
    }
    for file in cookieFiles.compactMap({ $0 }) { paths.insert(file.path) }
    for path in paths.sorted() where access(path, R_OK) != 0 {
      logger.warning(
        "\(plan.name): \(path) can be read no more since privileges were given up: its changes need a restart, or give its group to the process"
      )
    }
  }

  /// By whom the plan's connections are judged.
  var standing: TrustStanding { standingValue.withLock { $0 } }

  /// As of which keys cookies are signed; 0: none is.
  var cookieGeneration: Int {
    cookieFiles.contains { $0 != nil } ? cookieGenerationValue.load(ordering: .acquiring) : 0
  }

  /// The keys of an application's cookies; nil: they are not signed.
  func cookieSecrets(application: Int) -> CookieSecrets? { cookieFiles[application]?.secrets }

  /// What a check of a server goes through; nil: nothing.
  func check(_ check: HealthCheck, application: Int, server: Int) -> ServerTLS? {
    switch check {
    case .liveness: liveness[application][server]
    case .admission: admission[application][server]
    }
  }

  private func tell(_ warning: TLSWarning, _ said: inout Set<String>) {
    switch warning {
    case .staysAsItWas, .leftOut: break
    // Dates are told by themselves.
    default: return
    }
    let text = "\(warning)"
    if said.insert(text).inserted { logger.error("\(plan.name): \(text)") }
  }

  private static var seconds: Int64 { cr_realtime() / 1_000_000_000 }
  private static var clock: Duration { .nanoseconds(cr_monotonic()) }

  // MARK: Files that change

  /// Has all files read again, changed or not; it takes effect a moment later.
  func reload() {
    isAsked.store(true, ordering: .releasing)
    waker.wake()
  }

  /// Another plan is in use, or another process serves (nil): the connections of this one are judged by what that has.
  func follow(_ next: (plan: NodePlan, secrets: NodeSecrets?)?) {
    var standing = TrustStanding(listeners: listeners, servers: servers)
    standing.follow(next, from: plan)
    standingValue.withLock { $0 = standing }
    trustClock.advance()
  }

  /// Watches the files no more: the plan's connections have ended.
  func retire() {
    isRetired.store(true, ordering: .releasing)
    waker.wake()
  }

  /// Watches the files from now on. `wake`: wakes the plan's workers.
  func start(wake: @escaping @Sendable () -> Void) {
    do throws(ThreadFailure) {
      try ServiceThread.start("certificates") { self.watch(wake) }
    } catch {
      logger.error("\(plan.name): changes of certificates are not seen: \(error)")
    }
  }

  private func watch(_ wake: () -> Void) {
    // Users come first: nobody waits for a new certificate.
    cr_thread_yield_to_others(10)
    do throws(SystemError) {
      var reactor = try Reactor(capacity: 1)
      waker.set(reactor.waker)
      // Changes that the clock was told of, and the clock when this plan's workers were woken.
      var told = (changes: trustChanges, clock: trustClock.generation)
      while !isRetired.load(ordering: .acquiring) {
        // Asked before the waker was known: not to be missed.
        if !isAsked.load(ordering: .acquiring) { reactor.wait(milliseconds: Self.interval) }
        while reactor.next() != nil {}
        if isRetired.load(ordering: .acquiring) { break }
        look(force: isAsked.exchange(false, ordering: .acquiringAndReleasing), &told.changes)
        // Who is shut out may be silent.
        let clock = trustClock.generation
        if told.clock != clock { wake() }
        told.clock = clock
      }
      waker.set(nil)
    } catch {
      logger.error("\(plan.name): certificates cannot be watched, changes of them are not seen: \(error)")
    }
  }

  /// How often those who are let in or believed have changed, of all that this has.
  private var trustChanges: Int {
    listeners.reduce(0) { $0 + ($1?.trustGeneration ?? 0) } + towards.reduce(0) { $0 + $1.tls.trustGeneration }
  }

  private func look(force: Bool, _ told: inout Int) {
    var said: Set<String> = []
    let standing = self.standing
    for (position, listener) in listeners.enumerated() {
      guard let listener, standing.watches(listener) else { continue }
      let outcome = listener.reload(force: force, now: Self.seconds, clock: Self.clock)
      take(outcome, "listener \(plan.listeners[position].address)", "certificates", &said)
    }
    if let monitor, !standing.isFormer {
      let outcome = monitor.reload(force: force, now: Self.seconds, clock: Self.clock)
      take(outcome, "monitor", "certificates", &said)
    }
    for place in towards where standing.watches(place.tls) {
      take(place.tls.reload(force: force, now: Self.seconds), "connections to \(place.name)", "certificates", &said)
    }
    if told != trustChanges { trustClock.advance() }
    told = trustChanges
    if standing.isFormer { return }
    for (application, file) in cookieFiles.enumerated() {
      guard let file else { continue }
      let outcome = file.reload(force: force)
      if case .reloaded = outcome { cookieGenerationValue.wrappingAdd(1, ordering: .releasing) }
      take(outcome, "cookies of \(plan.applications[application].name)", "keys", &said)
    }
    tellDates()
  }

  private func take(
    _ outcome: ReloadOutcome, _ what: @autoclosure () -> String, _ files: String, _ said: inout Set<String>
  ) {
    switch outcome {
    case .unchanged: break
    case .reloaded(let warnings):
      logger.notice("\(plan.name): \(what()): \(files) were read again")
      for warning in warnings { tell(warning, &said) }
    case .failed(let error):
      logger.error("\(plan.name): \(what()): \(files) stay as they were: \(error)")
    }
  }
}

extension NodeStatus.Handshakes {
  fileprivate init(with peer: String, _ counts: HandshakeCounts) {
    var failed: [String: Int] = [:]
    for failure in HandshakeCounts.Failure.allCases where counts.failed(failure) > 0 {
      failed[failure.name] = counts.failed(failure)
    }
    self.init(with: peer, full: counts.full, resumed: counts.resumed, failed: failed)
  }
}
