internal import COpenSSL
internal import Glibc
public import Topology

/// All that connections to one server share: who is trusted, the name expected, our certificate, the session to resume.
///
/// Immutable but for the session; a change of files makes another (`ServerTLS`).
public final class ClientContext: Sendable {
  private struct Holder: @unchecked Sendable { let pointer: OpaquePointer }
  private let holder: Holder
  var pointer: OpaquePointer { holder.pointer }
  private let stamps: [FileStamp]
  /// Of the authorities that are believed: the same for the same ones; empty: the system's, or nothing is verified.
  let trust: [UInt8]
  /// What is doubtful about its files.
  public let warnings: [TLSWarning]
  /// When those are good who must have signed servers' certificates; nil: the system's, or nothing is verified.
  public let authority: CertificateValidity?
  /// When our certificate is good; empty: none is shown.
  public var validities: [CertificateValidity] { loaded?.validities ?? [] }
  private let loaded: LoadedCertificate?

  /// Loads what the plan names.
  /// - Parameter now: Unix seconds.
  /// - Parameter old: as of a server's context.
  public init(
    _ plan: ServerTLSPlan, counts: HandshakeCounts? = nil, now: Int64, replacing old: ClientContext? = nil
  ) throws(TLSError) {
    let dates = old.map { DatePolicy.only($0.validities.outOfDate(now: now, among: $0.stamps)) } ?? .all
    var files = plan.certificate.map { CertificateFiles($0) }
    // What is stapled is for clients.
    files?.staple = nil
    let watched = [files?.certificate, files?.key, plan.authorityPath].compactMap { $0 }
    stamps = watched.map { FileStamp($0) }
    authority = plan.verifies ? plan.authorityPath.flatMap { CertificateValidity(authoritiesIn: $0) } : nil
    let trust = plan.verifies ? plan.authorityPath.map { Self.digest($0) } ?? [] : []
    self.trust = trust
    guard let context = co_client_new(plan.minimum == .tls13 ? 3 : 2, plan.verifies ? 1 : 0) else {
      throw .library("no memory for a context")
    }
    defer { co_context_free(context) }
    if let counts { co_context_count(context, counts.pointer) }
    if plan.verifies {
      let trusted = co_context_trust(context, plan.authorityPath)
      let reason = errno
      if trusted < 0, let path = plan.authorityPath { throw authorityError(trusted, path, reason) }
    }
    var warnings: [TLSWarning] = []
    loaded = try files.map { (files) throws(TLSError) in
      do throws(TLSError) {
        let new = try LoadedCertificate(files, now: now, dates: dates, replacing: nil)
        guard co_context_use(context, new.credential.pointer) == 0 else { throw .tooWeak(path: files.certificate) }
        return new
      } catch {
        // Whom we believe is another matter than what we show: a change of that does not wait for this file.
        guard let old, let before = old.loaded, old.trust != trust,
          co_context_use(context, before.credential.pointer) == 0
        else { throw error }
        warnings.append(.staysAsItWas(error))
        return before
      }
    }
    self.warnings = warnings + (loaded?.warnings(now: now) ?? [])
    guard let peer = co_peer_new(context, plan.name, Self.isAddress(plan.name) ? 1 : 0) else {
      throw .library("no memory for a peer")
    }
    holder = Holder(pointer: peer)
  }

  deinit { co_peer_free(holder.pointer) }

  /// Whether a file is another one than when it was loaded.
  public var isOutdated: Bool { stamps.contains { FileStamp($0.path) != $0 } }

  /// A connection over a socket that is connected to the server; nil: no memory. The descriptor stays the caller's.
  public func connect(_ descriptor: Int32) -> TLSConnection? {
    co_connect(holder.pointer, descriptor).map { TLSConnection($0) }
  }

  /// Drops the session: the next connection makes a full handshake.
  public func forgetSession() { co_peer_forget(holder.pointer) }

  /// Of a file; of one that cannot be read there will be an error.
  private static func digest(_ path: String) -> [UInt8] {
    guard let bytes = try? FileBytes.read(path) else { return [] }
    var digest = [UInt8](repeating: 0, count: 32)
    return co_sha256(bytes, bytes.count, &digest) == 1 ? digest : []
  }

  /// Certificates name addresses and hosts apart.
  private static func isAddress(_ name: String) -> Bool {
    var space = in6_addr()
    return inet_pton(AF_INET, name, &space) == 1 || inet_pton(AF_INET6, name, &space) == 1
  }
}
