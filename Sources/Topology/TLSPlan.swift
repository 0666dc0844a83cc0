/// The oldest version of TLS that is spoken.
public enum TLSVersion: String, Sendable, CaseIterable {
  /// TLS 1.2 (RFC 5246), with forward secrecy and authenticated encryption only.
  case tls12 = "1.2"
  /// TLS 1.3 (RFC 8446).
  case tls13 = "1.3"
}

/// Where a certificate is: PEM files.
public struct CertificatePlan: Sendable, Equatable {
  /// The certificate, then its chain. For listeners also a folder of such files.
  public var path: String
  /// The private key. Nil: in the certificate's file, or beside it with `.key` at the end.
  public var keyPath: String?
  /// An OCSP response in DER, given to clients who ask. Nil: the certificate's path with `.ocsp` at the end, if there is one.
  public var staplePath: String?

  /// A certificate.
  public init(path: String, keyPath: String? = nil, staplePath: String? = nil) {
    self.path = path
    self.keyPath = keyPath
    self.staplePath = staplePath
  }
}

/// Who must show a certificate.
public struct ClientCertificatePlan: Sendable, Equatable {
  /// PEM file of the authorities that may have signed it.
  public var authorityPath: String
  /// DNS names (or common name) of which it must bear one, `*.example.com` for one label in front; none: any.
  public var names: [String]

  /// What is required.
  public init(authorityPath: String, names: [String] = []) {
    self.authorityPath = authorityPath
    self.names = names
  }
}

/// TLS of a listener.
public struct ListenerTLSPlan: Sendable, Equatable {
  /// The certificates; the first serves clients who name none of them.
  public var certificates: [CertificatePlan]
  /// The oldest version spoken.
  public var minimum: TLSVersion
  /// Clients that name a host without a certificate, or none, are refused by the alert unrecognized_name (RFC 6066 section 3).
  public var isStrict: Bool
  /// Sessions are resumed, by tickets.
  public var resumes: Bool
  /// A file of ticket keys, 80 bytes each, the first of which makes tickets: for nodes that share them. Nil: own keys.
  public var ticketKeyPath: String?
  /// After how long own ticket keys are replaced; also how long a session can be resumed.
  public var ticketRotation: Duration
  /// Clients must show a certificate. Nil: they need not.
  public var clients: ClientCertificatePlan?
  /// The names that clients may ask for, lower case, `*.example.com` for every name below: others, and clients that ask for none, are refused
  /// by the alert unrecognized_name (RFC 6066 section 3). None: any.
  public var served: [String]
  /// What is spoken within TLS, the best first, told to clients who ask (ALPN, RFC 7301); empty: they are told nothing. Nil: HTTP/1.
  public var protocols: [String]?

  /// TLS with the defaults.
  public init(certificates: [CertificatePlan]) {
    self.certificates = certificates
    minimum = .tls12
    isStrict = false
    resumes = true
    ticketRotation = .seconds(12 * 3600)
    served = []
  }
}

/// TLS towards a server, for requests and checks.
public struct ServerTLSPlan: Sendable, Equatable {
  /// The name or address that the server's certificate must bear; a name is also told to the server (SNI).
  public var name: String
  /// The certificate is checked. Without it anybody can be the server.
  public var verifies: Bool
  /// PEM file of the authorities that are trusted. Nil: the system's.
  public var authorityPath: String?
  /// The oldest version spoken.
  public var minimum: TLSVersion
  /// The certificate shown when the server asks. Nil: none.
  public var certificate: CertificatePlan?

  /// TLS with the defaults.
  public init(name: String) {
    self.name = name
    verifies = true
    minimum = .tls12
  }
}

/// Strict-Transport-Security (RFC 6797).
public struct StrictTransportPlan: Sendable, Equatable {
  /// How long browsers use https only; whole seconds.
  public var maxAge: Duration
  /// For every host below this one, too.
  public var includesSubdomains: Bool
  /// The owner agrees to be put on browsers' own lists.
  public var preload: Bool

  /// With these directives.
  public init(maxAge: Duration, includesSubdomains: Bool = false, preload: Bool = false) {
    self.maxAge = maxAge
    self.includesSubdomains = includesSubdomains
    self.preload = preload
  }

  /// The field's value.
  public var fieldValue: String {
    "max-age=\(maxAge.components.seconds)" + (includesSubdomains ? "; includeSubDomains" : "")
      + (preload ? "; preload" : "")
  }
}

/// A listener that sends every client to https.
public struct SecureRedirectPlan: Sendable, Equatable {
  /// The port there.
  public var port: UInt16
  /// 301, 302, 307 or 308.
  public var status: Int

  /// To port 443, for good.
  public init(port: UInt16 = 443, status: Int = 308) {
    self.port = port
    self.status = status
  }
}

/// Cookies that a client cannot make up: their values carry a tag (docs/signed-cookies.md).
public struct CookieSigningPlan: Sendable, Equatable {
  /// How far the switch to signed values has come; each phase is to reach all nodes before the next.
  public enum Phase: String, Sendable, CaseIterable {
    /// Values with and without a tag are believed; none is made.
    case accept
    /// Values with and without a tag are believed; new ones have one.
    case issue
    /// Only values with a good tag are believed.
    case require
  }
  /// A file of keys, one a line, the first of which signs.
  public var keyPath: String
  /// The phase.
  public var phase: Phase

  /// Signing with the keys of a file.
  public init(keyPath: String, phase: Phase) {
    self.keyPath = keyPath
    self.phase = phase
  }
}
