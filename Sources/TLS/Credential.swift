internal import COpenSSL
internal import Glibc

/// A certificate with its chain and key, loaded and checked.
struct Credential: ~Copyable {
  let pointer: OpaquePointer
  let files: CertificateFiles

  /// First and last second of validity, as Unix time.
  let begin, end: Int64

  /// Loads the files.
  /// - Parameter now: Unix seconds, to tell whether the certificate is valid.
  /// - Parameter dates: whether one that is not is taken nevertheless.
  /// - Parameter isUsed: it will be: a key that everybody on this machine can read is refused.
  init(_ files: CertificateFiles, now: Int64, dates: DatePolicy, isUsed: Bool = true) throws(TLSError) {
    if isUsed, FileStamp(files.key).isReadableByAll { throw .readableByAll(path: files.key) }
    var loaded: OpaquePointer?
    let code = co_credential_load(files.certificate, files.key, &loaded)
    if let error = Self.error(code, files, reason: errno) { throw error }
    guard let loaded else { throw .library("a certificate could not be loaded") }
    var begin: Int64 = 0
    var end: Int64 = 0
    co_credential_validity(loaded, &begin, &end)
    if end < now || begin > now, !dates.takes(files.certificate) {
      co_credential_free(loaded)
      if end < now { throw .expired(path: files.certificate, since: end) }
      throw .notYetValid(path: files.certificate, from: begin)
    }
    pointer = loaded
    self.files = files
    self.begin = begin
    self.end = end
  }

  deinit { co_credential_free(pointer) }

  static func error(_ code: Int32, _ files: CertificateFiles, reason: Int32) -> TLSError? {
    func unreadable() -> TLSError {
      let path =
        FileStamp(files.certificate).isThere && access(files.certificate, R_OK) == 0 ? files.key : files.certificate
      return .unreadable(path: path, reason: String(cString: strerror(reason)))
    }
    return switch Int(code) {
    case CO_OK: nil
    case CO_UNREADABLE: unreadable()
    case CO_NO_CERTIFICATE: .noCertificate(path: files.certificate)
    case CO_BAD_CERTIFICATE: .badCertificate(path: files.certificate)
    case CO_NO_KEY: .noKey(path: files.key)
    case CO_ENCRYPTED_KEY: .encryptedKey(path: files.key)
    case CO_BAD_KEY: .badKey(path: files.key)
    case CO_KEY_MISMATCH: .keyMismatch(certificate: files.certificate, key: files.key)
    case CO_NO_MEMORY: .library("no memory for a certificate")
    default: .tooWeak(path: files.certificate)
    }
  }

  /// The names it serves, lower case, in its own order.
  var names: [String] {
    var names: [String] = []
    var text = [CChar](repeating: 0, count: 512)
    for position in 0..<1_000 {
      let length = co_credential_name(pointer, Int32(position), &text, text.count)
      if length < 0 { break }
      if length > 0 {
        names.append(String(decoding: text[0..<Int(length)].map(UInt8.init(bitPattern:)), as: UTF8.self))
      }
    }
    return names
  }

  var keyKind: Int32 { co_credential_key_kind(pointer) }

  /// When it is good.
  var validity: CertificateValidity {
    CertificateValidity(path: files.certificate, begin: begin, end: end)
  }
}
