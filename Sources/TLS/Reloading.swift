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

/// What is remembered of files that could not be used: they are tried again when they change, and now and then as they are, since what was
/// missing (a certificate's first day, a descriptor) may be there now.
private struct Attempts {
  /// Seconds between two tries of the same files.
  private static let interval: Int64 = 60

  /// A look that is worth an attempt.
  struct Look {
    var stamps: [FileStamp]
    /// The files are those of the last attempt.
    var isRepeat: Bool
  }

  /// The files of the last attempt, where it failed altogether.
  private var stamps: [FileStamp]?
  /// What was wrong, and when that is looked at again, in Unix seconds.
  private var told: [TLSError] = []
  private var due: Int64 = .max

  /// Nil: no attempt is worth it.
  func look(force: Bool, isOutdated: Bool, now: Int64, stamps current: @autoclosure () -> [FileStamp]) -> Look? {
    let isDue = now >= due
    guard force || isDue || stamps != nil || isOutdated else { return nil }
    let found = current()
    let isSame = stamps.map { $0 == found } ?? !isOutdated
    guard force || isDue || !isSame else { return nil }
    return Look(stamps: found, isRepeat: isSame && !force)
  }

  /// There is a new context. False: it has come to the same as the one before.
  mutating func succeeded(_ look: Look, _ warnings: [TLSWarning], now: Int64) -> Bool {
    stamps = nil
    return isNews(look, warnings.compactMap(\.error), now)
  }

  /// There is none. False: for the reason that was told.
  mutating func failed(_ look: Look, _ error: TLSError, now: Int64) -> Bool {
    stamps = look.stamps
    return isNews(look, [error], now)
  }

  private mutating func isNews(_ look: Look, _ errors: [TLSError], _ now: Int64) -> Bool {
    let isNews = !look.isRepeat || errors != told
    told = errors
    due = errors.map { Self.due($0, now) }.min() ?? .max
    return isNews
  }

  private static func due(_ error: TLSError, _ now: Int64) -> Int64 {
    switch error {
    case .notYetValid(_, let from): max(now + 1, min(from, now + interval))
    case .several(let errors): errors.map { due($0, now) }.min() ?? now + interval
    default: now + interval
    }
  }
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
    var attempts = Attempts()
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
    let (old, attempts) = state.withLock { ($0.context, $0.attempts) }
    // As a rule nothing has changed, and a look at the files is all.
    let look = attempts.look(force: force, isOutdated: old.isOutdated, now: now, stamps: Self.stamps(plan))
    guard let look else { return .unchanged }
    do throws(TLSError) {
      let context = try ServerContext(plan, tickets: tickets, counts: counts, now: now, replacing: old)
      let isNew = state.withLock { state in
        guard state.attempts.succeeded(look, context.warnings, now: now) else { return false }
        state.context = context
        return true
      }
      guard isNew else { return .unchanged }
      // Behind the new files: who sees the change finds them.
      if context.trust != old.trust { trustChanges.add(1, ordering: .releasing) }
      return .reloaded(warnings: context.warnings)
    } catch {
      return state.withLock { $0.attempts.failed(look, error, now: now) } ? .failed(error) : .unchanged
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
    var attempts = Attempts()
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
    let paths = [plan.certificate?.path, plan.certificate?.keyPath, plan.authorityPath].compactMap { $0 }
    let (old, attempts) = state.withLock { ($0.context, $0.attempts) }
    // As a rule nothing has changed, and a look at the files is all.
    let look = attempts.look(force: force, isOutdated: old.isOutdated, now: now, stamps: paths.map { FileStamp($0) })
    guard let look else { return .unchanged }
    do throws(TLSError) {
      let context = try ClientContext(plan, counts: counts, now: now, replacing: old)
      let isNew = state.withLock { state in
        guard state.attempts.succeeded(look, context.warnings, now: now) else { return false }
        state.context = context
        return true
      }
      guard isNew else { return .unchanged }
      // Behind the new files: who sees the change finds them.
      if context.trust != old.trust { trustChanges.add(1, ordering: .releasing) }
      return .reloaded(warnings: context.warnings)
    } catch {
      return state.withLock { $0.attempts.failed(look, error, now: now) } ? .failed(error) : .unchanged
    }
  }
}
