internal import CReactor
internal import Glibc
internal import Logging
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
  /// By application and server; nil: plain. The same server of several applications is one, and so are its sessions.
  let servers: [[ServerTLS?]]
  /// Those of checks, likewise; a check by TLS of a server without it has its own.
  private let liveness: [[ServerTLS?]]
  private let admission: [[ServerTLS?]]
  private let towards: [Towards]
  /// By application; nil: its cookies are not signed.
  private let cookieFiles: [CookieKeyFile?]
  private let cookieGenerationValue = Atomic<Int>(1)
  private let plan: NodePlan
  private let logger: Logger
  private let waker = OnceWaker()
  private let isAsked = Atomic<Bool>(false)

  /// Between two looks at the files, in milliseconds.
  private static let interval: Int32 = 1_000

  /// One place that connections are made to, and how.
  private struct Towards: Sendable {
    let name: String
    let address: Address
    let tls: ServerTLS
  }

  /// Reads the files; nil: the node has none.
  init?(plan: NodePlan, logger: Logger) throws(NodeError) {
    self.plan = plan
    self.logger = logger
    let now = Self.seconds
    let clock = Self.clock
    var towards: [Towards] = []
    func find(_ wanted: ServerTLSPlan?, _ name: String, _ address: Address) throws(TLSError) -> ServerTLS? {
      guard let wanted else { return nil }
      if let known = towards.first(where: { $0.address == address && $0.tls.plan == wanted }) { return known.tls }
      let tls = try ServerTLS(wanted, now: now)
      towards.append(Towards(name: name, address: address, tls: tls))
      return tls
    }
    do throws(TLSError) {
      listeners = try plan.listeners.map { (listener) throws(TLSError) in
        guard let wanted = listener.tls else { return nil }
        return try ListenerTLS(wanted, now: now, clock: clock)
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
        return try CookieKeyFile(signing.keyPath)
      }
    } catch {
      throw NodeError(kind: .configuration, description: "\(error)")
    }
    self.towards = towards
    let hasTLS = !towards.isEmpty || listeners.contains { $0 != nil }
    guard hasTLS || cookieFiles.contains(where: { $0 != nil }) else { return nil }
    var said: Set<String> = []
    for warning in listeners.compactMap({ $0?.context.warnings }).joined() { tell(warning, &said) }
    for place in towards { for warning in place.tls.context.warnings { tell(warning, &said) } }
    for warning in cookieFiles.compactMap({ $0?.warnings }).joined() { tell(warning, &said) }
  }

  /// Privileges were given up: what cannot be read any more cannot be read again when it changes.
  func warnOfUnreadable() {
    var paths: Set<String> = []
    func add(_ certificate: CertificatePlan) {
      for path in [certificate.path, certificate.keyPath].compactMap({ $0 }) { paths.insert(path) }
    }
    for tls in plan.listeners.compactMap(\.tls) {
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
    let text = "\(warning)"
    if said.insert(text).inserted { logger.warning("\(plan.name): \(text)") }
  }

  private static var seconds: Int64 { cr_realtime() / 1_000_000_000 }
  private static var clock: Duration { .nanoseconds(cr_monotonic()) }

  // MARK: Files that change

  /// Has all files read again, changed or not; it takes effect a moment later.
  func reload() {
    isAsked.store(true, ordering: .releasing)
    waker.wake()
  }

  /// Watches the files from now on.
  func start() {
    let unmanaged = Unmanaged.passRetained(self)
    let status = cr_thread_start(
      { argument in
        Unmanaged<NodeSecrets>.fromOpaque(argument!).takeRetainedValue().watch()
        return nil
      }, unmanaged.toOpaque(), "certificates")
    if status < 0 {
      unmanaged.release()
      logger.error("\(plan.name): no thread could be started to watch certificates: changes of them are not seen")
    }
  }

  private func watch() {
    // Users come first: nobody waits for a new certificate.
    cr_thread_yield_to_others(10)
    do throws(SystemError) {
      var reactor = try Reactor(capacity: 1)
      waker.set(reactor.waker)
      while true {
        // Asked before the waker was known: not to be missed.
        if !isAsked.load(ordering: .acquiring) { reactor.wait(milliseconds: Self.interval) }
        while reactor.next() != nil {}
        look(force: isAsked.exchange(false, ordering: .acquiringAndReleasing))
      }
    } catch {
      logger.error("\(plan.name): certificates cannot be watched, changes of them are not seen: \(error)")
    }
  }

  private func look(force: Bool) {
    var said: Set<String> = []
    for (position, listener) in listeners.enumerated() {
      guard let listener else { continue }
      let outcome = listener.reload(force: force, now: Self.seconds, clock: Self.clock)
      take(outcome, "listener \(plan.listeners[position].address)", "certificates", &said)
    }
    for place in towards {
      take(place.tls.reload(force: force, now: Self.seconds), "connections to \(place.name)", "certificates", &said)
    }
    for (application, file) in cookieFiles.enumerated() {
      guard let file else { continue }
      let outcome = file.reload(force: force)
      if case .reloaded = outcome { cookieGenerationValue.wrappingAdd(1, ordering: .releasing) }
      take(outcome, "cookies of \(plan.applications[application].name)", "keys", &said)
    }
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
