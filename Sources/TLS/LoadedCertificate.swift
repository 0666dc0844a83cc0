internal import COpenSSL
internal import Glibc

/// A certificate as its files were when it was loaded, with what is stapled to it.
final class LoadedCertificate: Sendable {
  let path: String
  /// Never changed any more; OpenSSL counts who has its parts.
  nonisolated(unsafe) let credential: Credential
  let stamps: [FileStamp]
  private let staple: CertificateValidity?
  private let unstapled: TLSError?

  /// Loads it. A response that cannot be stapled is an error only where this certificate is in use with another one: before, or with a new
  /// certificate, whose response may still be that of the former, none is.
  init(_ files: CertificateFiles, now: Int64, dates: DatePolicy, replacing before: LoadedCertificate?)
    throws(TLSError)
  {
    path = files.certificate
    let own = [FileStamp(files.certificate), FileStamp(files.key)]
    stamps = own + (files.staple.map { [FileStamp($0)] } ?? [])
    let credential = try Credential(files, now: now, dates: dates)
    var failure: TLSError?
    do throws(TLSError) {
      staple = try credential.staple(now: now, dates: dates)
    } catch {
      if let before, before.unstapled == nil, Array(before.stamps.prefix(2)) == own { throw error }
      staple = nil
      failure = error
    }
    unstapled = failure
    self.credential = credential
  }

  var validities: [CertificateValidity] { [credential.validity] + [staple].compactMap { $0 } }

  func warnings(now: Int64) -> [TLSWarning] {
    (unstapled.map { [.leftOut($0)] } ?? []) + validities.compactMap { $0.warning(now: now) }
  }
}
