internal import Synchronization
public import Topology

/// What a look at the files came to.
public enum ReloadOutcome: Sendable, Equatable {
  /// The files are the same.
  case unchanged
  /// New connections are made with the new files.
  case reloaded(warnings: [TLSWarning])
  /// A file cannot be used: everything stays as it was. Told again only when the files change again.
  case failed(TLSError)
}

/// The TLS of a listener over time: certificates are loaded again when their files change. A broken file changes nothing: its certificate stays
/// as it was, while others that have changed are taken.
public final class ListenerTLS: Sendable {
  /// What it was made from.
  public let plan: ListenerTLSPlan
  /// The keys of session tickets, shared by all that resume each other's sessions.
  public let tickets: TicketKeys
  /// What came of its handshakes.
  public let counts: HandshakeCounts
  private let state: Mutex<State>
  private let trustChanges = Atomic<Int>(0)
  /// How often those who are let in have changed: connections made before are to be looked at again (`TrustJudge`). Certificates that are
  /// shown may change without.
  public var trustGeneration: Int { trustChanges.load(ordering: .acquiring) }

  private struct State {
    var context: ServerContext
    var keyStamp: FileStamp?
    /// The files with which loading failed.
    var failed: [FileStamp]?
    /// Why the file of ticket keys could not be used, until it was told.
    var keyError: TLSError?
  }

  /// Loads the files. `now` and `clock` as in `reload`.
  public init(_ plan: ListenerTLSPlan, tickets: TicketKeys? = nil, now: Int64, clock: Duration) throws(TLSError) {
    self.plan = plan
    let keys = if let tickets { tickets } else { try TicketKeys(rotation: plan.ticketRotation, now: clock) }
    let stamp = plan.ticketKeyPath.map { FileStamp($0) }
    if let path = plan.ticketKeyPath { try keys.take(file: path) }
    self.tickets = keys
    counts = try HandshakeCounts()
    let context = try ServerContext(plan, tickets: keys, counts: counts, now: now)
    state = Mutex(State(context: context, keyStamp: stamp))
  }

  /// What new connections are made with.
  public var context: ServerContext { state.withLock { $0.context } }

  /// A connection that a client has opened, with the newest files; nil: no memory.
  public func accept(_ descriptor: Int32) -> TLSConnection? { context.accept(descriptor) }

  /// The same without a socket: the connection is fed what the client sends, and what it has for the client is taken from it.
  public func acceptFed() -> TLSConnection? { context.accept(-1) }

  /// Looks at the files and loads them when they have changed; renews ticket keys when it is time. To be called by one
  /// thread every few seconds. Certificates and a file of ticket keys are loaded or left each by itself; what went wrong with the keys is told
  /// where there is nothing to tell of certificates, else by the next call.
  ///
  /// - Parameter force: loads them in any case.
  /// - Parameter now: Unix seconds.
  /// - Parameter clock: a clock that only runs forward.
  public func reload(force: Bool = false, now: Int64, clock: Duration) -> ReloadOutcome {
    do throws(TLSError) {
      try renewKeys(force: force, clock: clock)
    } catch {
      state.withLock { $0.keyError = error }
    }
    let outcome = reloadCertificates(force: force, now: now)
    guard outcome == .unchanged, let error = state.withLock({ $0.keyError }) else { return outcome }
    state.withLock { $0.keyError = nil }
    return .failed(error)
  }

  private func reloadCertificates(force: Bool, now: Int64) -> ReloadOutcome {
    let (old, failed) = state.withLock { ($0.context, $0.failed) }
    // As a rule nothing has changed, and a look at the files is all.
    guard force || failed != nil || old.isOutdated else { return .unchanged }
    let watched = Self.stamps(plan)
    guard force || failed != watched else { return .unchanged }
    do throws(TLSError) {
      let context = try ServerContext(plan, tickets: tickets, counts: counts, now: now, replacing: old)
      state.withLock {
        $0.context = context
        $0.failed = nil
      }
      // Behind the new files: who sees the change finds them.
      if context.trust != old.trust { trustChanges.add(1, ordering: .releasing) }
      return .reloaded(warnings: context.warnings)
    } catch {
      state.withLock { $0.failed = watched }
      return .failed(error)
    }
  }

  private func renewKeys(force: Bool, clock: Duration) throws(TLSError) {
    guard let path = plan.ticketKeyPath else {
      _ = tickets.rotateIfDue(now: clock)
      return
    }
    let stamp = FileStamp(path)
    let isSame = state.withLock { state in
      defer { state.keyStamp = stamp }
      return state.keyStamp == stamp
    }
    if force || !isSame { try tickets.take(file: path) }
  }

  /// Everything whose change is worth another try.
  private static func stamps(_ plan: ListenerTLSPlan) -> [FileStamp] {
    var paths = plan.certificates.flatMap { [$0.path, $0.keyPath, $0.staplePath].compactMap { $0 } }
    if let files = try? CertificateFiles.all(plan.certificates) { paths += files.watched }
    if let clients = plan.clients { paths.append(clients.authorityPath) }
    return paths.map { FileStamp($0) }
  }
}

/// The TLS towards one server over time, as `ListenerTLS`.
public final class ServerTLS: Sendable {
  /// What it was made from.
  public let plan: ServerTLSPlan
  /// What came of its handshakes.
  public let counts: HandshakeCounts
  private let state: Mutex<State>
  private let trustChanges = Atomic<Int>(0)
  /// How often those who are believed have changed, as of `ListenerTLS`.
  public var trustGeneration: Int { trustChanges.load(ordering: .acquiring) }

  private struct State {
    var context: ClientContext
    var failed: [FileStamp]?
  }

  /// Loads the files.
  /// - Parameter now: Unix seconds.
  public init(_ plan: ServerTLSPlan, now: Int64) throws(TLSError) {
    self.plan = plan
    counts = try HandshakeCounts()
    state = Mutex(State(context: try ClientContext(plan, counts: counts, now: now)))
  }

  /// What new connections are made with.
  public var context: ClientContext { state.withLock { $0.context } }

  /// A connection over a socket that is connected to the server; nil: no memory.
  public func connect(_ descriptor: Int32) -> TLSConnection? { context.connect(descriptor) }

  /// As `ListenerTLS.reload`.
  public func reload(force: Bool = false, now: Int64) -> ReloadOutcome {
    let (old, failed) = state.withLock { ($0.context, $0.failed) }
    guard force || failed != nil || old.isOutdated else { return .unchanged }
    let paths = [plan.certificate?.path, plan.certificate?.keyPath, plan.authorityPath].compactMap { $0 }
    let watched = paths.map { FileStamp($0) }
    guard force || failed != watched else { return .unchanged }
    do throws(TLSError) {
      let context = try ClientContext(plan, counts: counts, now: now, replacing: old)
      state.withLock {
        $0.context = context
        $0.failed = nil
      }
      // Behind the new files: who sees the change finds them.
      if context.trust != old.trust { trustChanges.add(1, ordering: .releasing) }
      return .reloaded(warnings: context.warnings)
    } catch {
      state.withLock { $0.failed = watched }
      return .failed(error)
    }
  }
}
