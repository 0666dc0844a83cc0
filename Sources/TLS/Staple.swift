internal import COpenSSL

/// The response of OCSP (RFC 6960) beside a certificate, which clients are given with it (RFC 6066 section 8).
extension Credential {
  /// How far a responder's clock may be ahead of ours, in seconds: as `openssl ocsp` has it.
  private static let clockSlack: Int64 = 300

  /// Reads the response and staples it to this certificate; nil: there is none.
  ///
  /// One that is over is taken where certificates that are over are, but given to nobody. One that is no response, or another
  /// certificate's, or does not say that this one is good now, would make handshakes fail with every client that looks at it: an error.
  func staple(now: Int64, dates: DatePolicy) throws(TLSError) -> CertificateValidity? {
    guard let path = files.staple else { return nil }
    let bytes = try FileBytes.read(path)
    var begin: Int64 = 0
    var end: Int64 = 0
    switch Int(co_credential_staple(pointer, bytes, bytes.count, &begin, &end)) {
    case CO_OK: break
    case CO_STAPLE_UNSUCCESSFUL: throw .badStaple(path: path, reason: "the responder had no answer")
    case CO_STAPLE_OTHER:
      throw .badStaple(path: path, reason: "it says nothing of the certificate in \(files.certificate)")
    case CO_STAPLE_REVOKED:
      throw .badStaple(path: path, reason: "it says that the certificate in \(files.certificate) is revoked")
    case CO_STAPLE_UNKNOWN:
      throw .badStaple(path: path, reason: "its responder does not know the certificate in \(files.certificate)")
    case CO_NO_MEMORY: throw .library("no memory for \(path)")
    default: throw .badStaple(path: path, reason: "it is no OCSP response in DER")
    }
    if begin > now + Self.clockSlack {
      throw .badStaple(path: path, reason: "it is not good before \(UTCDay(begin)); check this machine's clock")
    }
    if end < now, !dates.takes(path) { throw .staleStaple(path: path, since: end) }
    return CertificateValidity(path: path, begin: begin, end: end, subject: .staple)
  }
}
