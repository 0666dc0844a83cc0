/// What a client did by TLS with the proxy in front of it (`client` of PP2_TYPE_SSL, section 2.2.6).
public struct ProxyTLSClient: OptionSet, Sendable {
  /// The byte of a header.
  public let rawValue: UInt8

  /// From the byte of a header; bits without a meaning are left out.
  public init(rawValue: UInt8) { self.rawValue = rawValue & 0x07 }

  /// It spoke TLS (PP2_CLIENT_SSL).
  public static let tls = ProxyTLSClient(rawValue: 0x01)
  /// It showed a certificate on this connection (PP2_CLIENT_CERT_CONN).
  public static let certificateOnConnection = ProxyTLSClient(rawValue: 0x02)
  /// It showed one on this connection, or when the session it resumes was made (PP2_CLIENT_CERT_SESS).
  public static let certificateInSession = ProxyTLSClient(rawValue: 0x04)
}

/// What a header of version 2 told of the TLS that a client spoke: where its parts stand in the header. A part that was not told is
/// empty.
public struct ProxyTLS: Equatable, Sendable {
  /// What the client did; `tls` is in it.
  public var client: ProxyTLSClient
  /// 0: the client showed a certificate, which was verified.
  public var verification: UInt32
  /// `TLSv1.3` (PP2_SUBTYPE_SSL_VERSION).
  public var version = ByteRange()
  /// The common name of the client's certificate (PP2_SUBTYPE_SSL_CN).
  public var commonName = ByteRange()
  /// The suite (PP2_SUBTYPE_SSL_CIPHER).
  public var cipher = ByteRange()
  /// The host asked for (PP2_TYPE_AUTHORITY).
  public var serverName = ByteRange()
  /// The protocol agreed on (PP2_TYPE_ALPN).
  public var applicationProtocol = ByteRange()
}

/// What is told of the TLS that a client spoke. Views need live only while the header is written.
public struct ProxyTLSFields {
  /// Values longer than this, which no TLS has, are not told on.
  public static let valueBytesMax = 256
  /// All that one of these can be at most as fields of a header.
  public static let bytesMax = 5 * (3 + valueBytesMax) + 3 + 5

  /// What the client did.
  public var client: ProxyTLSClient = .tls
  /// 0: the client showed a certificate, which was verified. Without one nothing was.
  public var verification: UInt32 = 1
  /// `TLSv1.3` (PP2_SUBTYPE_SSL_VERSION).
  public var version: ByteView?
  /// The suite (PP2_SUBTYPE_SSL_CIPHER).
  public var cipher: ByteView?
  /// The common name of the client's certificate (PP2_SUBTYPE_SSL_CN).
  public var commonName: ByteView?
  /// The host asked for (PP2_TYPE_AUTHORITY).
  public var serverName: ByteView?
  /// The protocol agreed on (PP2_TYPE_ALPN).
  public var applicationProtocol: ByteView?

  /// With a version only.
  public init(version: ByteView) { self.version = version }

  /// What a header told.
  /// - Parameter header: the bytes that it was found in.
  public init(_ told: ProxyTLS, in header: ByteView) {
    client = told.client
    verification = told.verification
    version = header[told.version]
    cipher = header[told.cipher]
    commonName = header[told.commonName]
    serverName = header[told.serverName]
    applicationProtocol = header[told.applicationProtocol]
  }

  /// The client showed a certificate that was verified.
  /// - Parameter isResumed: it was shown before this connection, when the session that this one resumes was made.
  public mutating func tellCertificate(isResumed: Bool) {
    client.insert(.certificateInSession)
    if !isResumed { client.insert(.certificateOnConnection) }
    verification = 0
  }
}
