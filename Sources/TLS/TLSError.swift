/// Why files cannot be used for TLS: each case names the file, and the description also the mend.
public enum TLSError: Error, Sendable, Equatable {
  /// The file cannot be opened; with the system's reason.
  case unreadable(path: String, reason: String)
  /// Everybody on this machine can read the file of a key.
  case readableByAll(path: String)
  /// There is no certificate in the file.
  case noCertificate(path: String)
  /// A certificate in the file cannot be parsed.
  case badCertificate(path: String)
  /// No private key in the file (or in the one beside it).
  case noKey(path: String)
  /// The private key needs a password.
  case encryptedKey(path: String)
  /// The private key cannot be parsed.
  case badKey(path: String)
  /// The private key is another certificate's.
  case keyMismatch(certificate: String, key: String)
  /// OpenSSL refuses certificate or key as too weak.
  case tooWeak(path: String)
  /// The certificate is over; Unix seconds.
  case expired(path: String, since: Int64)
  /// The certificate is not valid yet; Unix seconds.
  case notYetValid(path: String, from: Int64)
  /// There is no certificate file in the folder.
  case emptyFolder(path: String)
  /// A listener without any certificate.
  case noCertificates
  /// The file of ticket keys has another length than 1 to 4 keys of 80 bytes.
  case badTicketKeys(path: String, bytes: Int)
  /// The file of cookie keys has no line that is a key.
  case badCookieKeys(path: String, line: Int)
  /// The response of OCSP cannot be stapled: why.
  case badStaple(path: String, reason: String)
  /// The response of OCSP is over; Unix seconds.
  case staleStaple(path: String, since: Int64)
  /// OpenSSL failed where nothing can fail but memory or random numbers.
  case library(String)
  /// Several files at once, two at least.
  indirect case several([TLSError])

  /// One error of all; there is at least one.
  static func of(_ errors: [TLSError]) -> TLSError { errors.count == 1 ? errors[0] : .several(errors) }
}

extension TLSError: CustomStringConvertible {
  /// What is wrong, and the mend.
  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path) cannot be read: \(reason)"
    case .readableByAll(let path):
      "everybody on this machine can read the key in \(path), so it is not used; run: chmod 600 \(path), and take a new key if others have been here"
    case .noCertificate(let path):
      "no certificate in \(path); it must have a block that begins with -----BEGIN CERTIFICATE-----"
    case .badCertificate(let path): "a certificate in \(path) cannot be parsed; export it again as PEM"
    case .noKey(let path):
      "no private key in \(path); append it there, put it beside it as \(path).key, or name it with \"key:\""
    case .encryptedKey(let path):
      "the private key in \(path) needs a password; store it without one: openssl pkey -in \(path) -out NEW"
    case .badKey(let path): "the private key in \(path) cannot be parsed; export it again as PEM"
    case .keyMismatch(let certificate, let key):
      "the key in \(key) is not that of the certificate in \(certificate); the first certificate of the file must be the key's"
    case .tooWeak(let path):
      "certificate or key in \(path) is too weak for this system's security level; use EC P-256 or RSA with 2048 bits or more"
    case .expired(let path, let since): "the certificate in \(path) expired on \(UTCDay(since)); renew it"
    case .notYetValid(let path, let from):
      "the certificate in \(path) is not valid before \(UTCDay(from)); check this machine's clock"
    case .emptyFolder(let path): "no certificate in the folder \(path); put files there that end in .pem or .crt"
    case .noCertificates: "a TLS listener without certificate; name one with \"certificates:\""
    case .badTicketKeys(let path, let bytes):
      "\(path) has \(bytes) bytes; a file of ticket keys has 80 for each of 1 to 4 keys: openssl rand -out \(path) 80"
    case .badCookieKeys(let path, let line):
      "line \(line) of \(path) is no key of 64 or more hexadecimal digits; make one with: openssl rand -hex 32"
    case .badStaple(let path, let reason):
      "\(path) cannot be stapled: \(reason); fetch it anew: openssl ocsp -issuer ISSUER.pem -cert CERTIFICATE.pem -url RESPONDER -respout \(path), or remove it"
    case .staleStaple(let path, let since):
      "the OCSP response in \(path) is over since \(UTCDay(since)); fetch it anew: openssl ocsp -issuer ISSUER.pem -cert CERTIFICATE.pem -url RESPONDER -respout \(path), or remove it"
    case .library(let what): "OpenSSL failed: \(what)"
    case .several(let errors): errors.map(\.description).joined(separator: "; and ")
    }
  }
}

/// What is doubtful about files that can be used.
public enum TLSWarning: Sendable, Equatable, CustomStringConvertible {
  /// Others on this machine can read the private key: a node would refuse it.
  case readableKey(path: String)
  /// Others on this machine can read a file of ticket keys or cookie keys, which a node would refuse, or of a password.
  case readableSecret(path: String)
  /// The certificate ends within two weeks; Unix seconds.
  case expiresSoon(path: String, at: Int64)
  /// The certificate is over, and shown nevertheless; Unix seconds.
  case expired(path: String, since: Int64)
  /// The certificate is not good yet, and shown nevertheless; Unix seconds.
  case notYetValid(path: String, from: Int64)
  /// The response of OCSP is not good now, and no more stapled; Unix seconds.
  case staleStaple(path: String, since: Int64)
  /// The last authority of a file ends within two weeks, or is over; Unix seconds.
  case authorityEnds(path: String, at: Int64, isOver: Bool)
  /// A certificate's files cannot be used any more: as they were read before they go on to be used.
  case staysAsItWas(TLSError)
  /// A certificate, or what is to be stapled to one, cannot be used: the others are.
  case leftOut(TLSError)

  /// Others refuse what is wrong here already.
  public var isGrave: Bool {
    switch self {
    case .expired, .notYetValid, .staysAsItWas, .leftOut, .authorityEnds(_, _, isOver: true): true
    case .readableKey, .readableSecret, .expiresSoon, .staleStaple, .authorityEnds: false
    }
  }

  /// Why some of the files are not used; nil: they are.
  var error: TLSError? {
    switch self {
    case .staysAsItWas(let error), .leftOut(let error): error
    default: nil
    }
  }

  /// What is doubtful, and the mend.
  public var description: String {
    switch self {
    case .readableKey(let path): "everybody on this machine can read the private key in \(path); run: chmod 600 \(path)"
    case .readableSecret(let path): "everybody on this machine can read the secret in \(path); run: chmod 600 \(path)"
    case .authorityEnds(let path, let end, let isOver):
      isOver
        ? "THE AUTHORITY IN \(path) EXPIRED ON \(UTCDay(end)): nobody whom it signed is believed; make a new one, and have all certificates signed by that"
        : "the authority in \(path) expires on \(UTCDay(end)), and nobody whom it signed is believed from then on; add a new one to the file, and have all certificates signed by that"
    case .staysAsItWas(let error): "\(error). The one in use before stays; others were read again"
    case .leftOut(let error): "\(error). It is left out"
    case .staleStaple(let path, let end):
      "the OCSP response in \(path) is over since \(UTCDay(end)) and is stapled no more; fetch it anew, or remove it"
    case .expiresSoon(let path, let end): "the certificate in \(path) expires on \(UTCDay(end)); renew it"
    case .expired(let path, let since):
      "THE CERTIFICATE IN \(path) EXPIRED ON \(UTCDay(since)): whoever checks it refuses it; renew it"
    case .notYetValid(let path, let from):
      "THE CERTIFICATE IN \(path) IS NOT VALID BEFORE \(UTCDay(from)): whoever checks it refuses it; check this machine's clock"
    }
  }
}

/// A day of the proleptic Gregorian calendar, as text: 2026-11-21.
struct UTCDay: CustomStringConvertible {
  let description: String

  /// The day of a Unix second.
  init(_ seconds: Int64) {
    // Days from 0000-03-01, so that the leap day is a year's last.
    let days = (seconds >= 0 ? seconds : seconds - 86_399) / 86_400 + 719_468
    let era = (days >= 0 ? days : days - 146_096) / 146_097
    let dayOfEra = days - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shifted + 2) / 5 + 1
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    func two(_ number: Int64) -> String { (number < 10 ? "0" : "") + "\(number)" }
    description = "\(year)-\(two(month))-\(two(day))"
  }
}
