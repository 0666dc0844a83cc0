internal import COpenSSL
internal import Glibc
public import Topology

/// All that connections of a TLS listener share: certificates by name, versions, tickets, who must show a certificate.
///
/// Immutable; a change of files makes another (`ListenerTLS`). Connections keep what they were made with.
public final class ServerContext: Sendable {
  private struct Holder: @unchecked Sendable { let pointer: OpaquePointer }
  private let holder: Holder
  var pointer: OpaquePointer { holder.pointer }
  private let stamps: [FileStamp]
  /// Of who must show a certificate, and whose: the same for the same authorities and names.
  let trust: [UInt8]
  /// What is doubtful about its files.
  public let warnings: [TLSWarning]
  /// Every name that a certificate serves, in the order of the files.
  public let names: [String]
  /// When its certificates are good, and what is stapled to them.
  public var validities: [CertificateValidity] { loaded.flatMap(\.validities) }
  private let loaded: [LoadedCertificate]
  /// When those are good who must have signed clients' certificates; nil: clients show none.
  public let authority: CertificateValidity?

  /// Loads what the plan names.
  ///
  /// - Parameter tickets: the keys of session tickets; nil: sessions are not resumed.
  /// - Parameter now: Unix seconds.
  /// - Parameter old: what it takes the place of: a certificate that is not good now is taken only if it is in use there already, and one whose
  ///   files cannot be used any more stays as it is there; it is an error only where nothing else has changed. Nil: nothing, and all are taken.
  public init(
    _ plan: ListenerTLSPlan, tickets: TicketKeys?, counts: HandshakeCounts? = nil, now: Int64,
    replacing old: ServerContext? = nil
  ) throws(TLSError) {
    let dates = old.map { DatePolicy.only($0.validities.outOfDate(now: now, among: $0.stamps)) } ?? .all
    var failures: [TLSError] = []
    var (files, watched): ([CertificateFiles], [String]) = ([], old?.stamps.map(\.path) ?? [])
    do throws(TLSError) {
      (files, watched) = try CertificateFiles.all(plan.certificates)
    } catch {
      guard old != nil else { throw error }
      failures.append(error)
    }
    let clients = plan.clients.map { [$0.authorityPath] } ?? []
    // Stamps before the files are read: a change in between is seen as one.
    let stamps = (watched + clients).map { FileStamp($0) }
    trust = try Self.scope(plan)
    authority = plan.clients.flatMap { CertificateValidity(authoritiesIn: $0.authorityPath) }
    var builder = ContextBuilder(plan, tickets: plan.resumes ? tickets : nil, counts: counts, scope: trust)
    var warnings: [TLSWarning] = []
    var loaded: [LoadedCertificate] = []
    if let old, !failures.isEmpty {
      warnings += failures.map { .staysAsItWas($0) }
      for entry in old.loaded { try builder.add(entry.credential) }
      loaded = old.loaded
    }
    for entry in files {
      let before = old?.loaded.first { $0.path == entry.certificate }
      do throws(TLSError) {
        let new = try LoadedCertificate(entry, now: now, dates: dates, replacing: before)
        try builder.add(new.credential)
        loaded.append(new)
      } catch {
        // At the start whoever starts it is there to mend it.
        guard old != nil else { throw error }
        failures.append(error)
        warnings.append(before == nil ? .leftOut(error) : .staysAsItWas(error))
        guard let before else { continue }
        try builder.add(before.credential)
        loaded.append(before)
      }
    }
    if let old, !failures.isEmpty, old.trust == trust, loaded.map(\.stamps) == old.loaded.map(\.stamps) {
      throw .of(failures)
    }
    for entry in loaded { warnings += entry.warnings(now: now) }
    guard let root = try builder.finish() else { throw .noCertificates }
    holder = Holder(pointer: root)
    self.stamps = stamps
    self.warnings = warnings
    self.loaded = loaded
    names = builder.names
  }

  deinit { co_context_free(holder.pointer) }

  /// Whether a file is another one than when it was loaded.
  public var isOutdated: Bool { stamps.contains { FileStamp($0.path) != $0 } }

  /// A connection that a client has opened; nil: no memory. The descriptor stays the caller's.
  public func accept(_ descriptor: Int32) -> TLSConnection? {
    co_accept(holder.pointer, descriptor).map { TLSConnection($0) }
  }

  /// What tickets are bound to, beside the name asked for: nobody resumes a session that a full handshake would now refuse.
  private static func scope(_ plan: ListenerTLSPlan) throws(TLSError) -> [UInt8] {
    var text = Array("geodirector\0".utf8)
    if let clients = plan.clients {
      text += try FileBytes.read(clients.authorityPath)
      for name in clients.names { text += [0] + Array(name.utf8) }
    }
    var digest = [UInt8](repeating: 0, count: 32)
    guard co_sha256(text, text.count, &digest) == 1 else { throw .library("no SHA-256") }
    return digest
  }
}

/// Puts certificates together: those of the same names and different kinds of keys serve together.
private struct ContextBuilder: ~Copyable {
  private struct Group {
    var context: OpaquePointer
    var names: [String]
    var kinds: [Int32]
  }
  private static var noMemory: TLSError { .library("no memory for a context") }
  private let plan: ListenerTLSPlan
  private let tickets: TicketKeys?
  private let counts: HandshakeCounts?
  private let scope: [UInt8]
  private var groups: [Group] = []
  private(set) var names: [String] = []

  init(_ plan: ListenerTLSPlan, tickets: TicketKeys?, counts: HandshakeCounts?, scope: [UInt8]) {
    self.plan = plan
    self.tickets = tickets
    self.counts = counts
    self.scope = scope
  }

  deinit { for group in groups { co_context_free(group.context) } }

  mutating func add(_ credential: borrowing Credential) throws(TLSError) {
    let names = credential.names
    let kind = credential.keyKind
    let known = groups.firstIndex { $0.names == names && !$0.kinds.contains(kind) }
    let context = if let known { groups[known].context } else { try newContext() }
    guard co_context_use(context, credential.pointer) == 0 else {
      if known == nil { co_context_free(context) }
      throw .tooWeak(path: credential.files.certificate)
    }
    if let known {
      groups[known].kinds.append(kind)
    } else {
      groups.append(Group(context: context, names: names, kinds: [kind]))
      for name in names where !self.names.contains(name) { self.names.append(name) }
    }
  }

  private func newContext() throws(TLSError) -> OpaquePointer {
    let seconds = plan.ticketRotation.components.seconds
    guard let context = co_server_new(plan.minimum == .tls13 ? 3 : 2, tickets?.pointer, scope, seconds) else {
      throw Self.noMemory
    }
    if let counts { co_context_count(context, counts.pointer) }
    if let protocols = plan.protocols {
      let list = protocols.flatMap { [UInt8(truncatingIfNeeded: $0.utf8.count)] + Array($0.utf8) }
      guard co_server_protocols(context, list, list.count) == 1 else {
        co_context_free(context)
        throw Self.noMemory
      }
    }
    guard let clients = plan.clients else { return context }
    let trusted = co_server_require_client(context, clients.authorityPath)
    let reason = errno
    guard trusted > 0 else {
      co_context_free(context)
      throw authorityError(trusted, clients.authorityPath, reason)
    }
    for name in clients.names where co_server_allow(context, name) != 1 {
      // With a list cut short others would be shut out, with none all let in.
      co_context_free(context)
      throw Self.noMemory
    }
    return context
  }

  /// The first context, which knows the names of all. The caller owns it.
  mutating func finish() throws(TLSError) -> OpaquePointer? {
    guard let root = groups.first?.context else { return nil }
    for group in groups {
      for name in group.names where co_server_add_name(root, name, group.context) != 1 { throw Self.noMemory }
    }
    // With a list cut short some would be refused, with none nobody.
    for name in plan.served where co_server_serve(root, name.lowercased()) != 1 { throw Self.noMemory }
    co_server_seal(root, plan.isStrict ? 1 : 0)
    return co_context_hold(root)
  }
}

/// Why a file of authorities could not be taken.
func authorityError(_ code: Int32, _ path: String, _ reason: Int32) -> TLSError {
  switch Int(-code) {
  case CO_UNREADABLE: .unreadable(path: path, reason: String(cString: strerror(reason)))
  case CO_BAD_CERTIFICATE: .badCertificate(path: path)
  case CO_NO_MEMORY: .library("no memory for \(path)")
  default: .noCertificate(path: path)
  }
}
