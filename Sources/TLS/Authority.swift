internal import COpenSSL
internal import Glibc

/// A private authority and what it signs, for trials and tests: EC keys on P-256, signed with SHA-256.
public struct Identity: ~Copyable {
  private let pointer: OpaquePointer

  /// The certificate as PEM text.
  public let certificate: String
  /// The private key as PEM text.
  public let key: String
  /// The last second that the certificate is good, as Unix time.
  public var end: Int64 { co_identity_end(pointer) }

  private init(_ pointer: OpaquePointer) throws(TLSError) {
    self.pointer = pointer
    let certificate = Self.text { co_identity_certificate(pointer, $0, $1) }
    let key = Self.text { co_identity_key(pointer, $0, $1) }
    guard let certificate, let key else {
      co_identity_free(pointer)
      throw .library("a certificate could not be written")
    }
    self.certificate = certificate
    self.key = key
  }

  deinit { co_identity_free(pointer) }

  /// A new authority; times in Unix seconds.
  public static func authority(named name: String, from: Int64, until: Int64) throws(TLSError) -> Identity {
    guard let pointer = co_identity_new(name, nil, from, until, nil) else {
      throw .library("an authority could not be made")
    }
    return try Identity(pointer)
  }

  /// An authority made before, from its files.
  public static func authority(certificatePath: String, keyPath: String) throws(TLSError) -> Identity {
    if FileStamp(keyPath).isReadableByAll { throw .readableByAll(path: keyPath) }
    var pointer: OpaquePointer?
    let files = CertificateFiles(certificate: certificatePath, key: keyPath, staple: nil)
    let code = co_identity_load(certificatePath, keyPath, &pointer)
    if let error = Credential.error(code, files, reason: errno) { throw error }
    guard let pointer else { throw .library("an authority could not be loaded") }
    return try Identity(pointer)
  }

  /// A certificate signed by this authority, for servers and clients; times in Unix seconds.
  /// - Parameter hosts: DNS names it bears; visible ASCII without comma and colon.
  /// - Parameter addresses: IP addresses it bears, as text.
  public func issue(name: String, hosts: [String], addresses: [String], from: Int64, until: Int64) throws(TLSError)
    -> Identity
  {
    let names = hosts.map { "DNS:" + $0 } + addresses.map { "IP:" + $0 }
    let text = names.joined(separator: ",")
    guard let signed = co_identity_new(name, names.isEmpty ? nil : text, from, until, pointer) else {
      throw .library("no certificate could be made for \(name) (\(text))")
    }
    return try Identity(signed)
  }

  private static func text(_ write: (UnsafeMutablePointer<CChar>, Int) -> Int) -> String? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16_384) { buffer in
      let length = write(buffer.baseAddress!, buffer.count)
      guard length > 0, length <= buffer.count else { return nil }
      return String(
        decoding: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[0..<length]), as: UTF8.self)
    }
  }
}
