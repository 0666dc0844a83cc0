internal import COpenSSL
public import Topology

/// When a certificate, or what is stapled to it, is good.
public struct CertificateValidity: Sendable, Equatable {
  /// Its file.
  public var path: String
  /// First and last second, as Unix time.
  public var begin, end: Int64

  /// Days before its end from which on a certificate is warned of: half of what renewal by ACME leaves (30 days), so that whoever reads
  /// it knows that the renewal has failed more than once.
  public static let daysMax: Int64 = 14

  /// What is good for that time.
  public enum Subject: Sendable, Equatable {
    /// A certificate that is shown.
    case certificate
    /// The response of OCSP that is stapled to one.
    case staple
    /// Those by whom others' certificates are signed.
    case authority
  }
  /// What it is of.
  public var subject: Subject

  /// With these dates.
  public init(path: String, begin: Int64, end: Int64, subject: Subject = .certificate) {
    self.subject = subject
    self.path = path
    self.begin = begin
    self.end = end
  }

  /// Of a file of authorities: that of the one which is good for longest, as those before it are there only until all certificates that
  /// they signed are renewed. Nil: there is none, or the file cannot be read here.
  public init?(authoritiesIn path: String) {
    var begin: Int64 = 0
    var end: Int64 = 0
    guard co_file_validity(path, &begin, &end) == 1 else { return nil }
    self.init(path: path, begin: begin, end: end, subject: .authority)
  }

  /// What is doubtful about the dates at a Unix second. Of a short-lived certificate the last third is soon, or it would warn all its life.
  public func warning(now: Int64) -> TLSWarning? {
    if subject == .staple { return end < now ? .staleStaple(path: path, since: end) : nil }
    let isSoon = end - now < min(Self.daysMax * 86_400, (end - begin) / 3)
    if subject == .authority { return isSoon ? .authorityEnds(path: path, at: end, isOver: end < now) : nil }
    if end < now { return .expired(path: path, since: end) }
    if begin > now { return .notYetValid(path: path, from: begin) }
    return isSoon ? .expiresSoon(path: path, at: end) : nil
  }

  /// What is doubtful about certificates that can be read here, their dates and who can read their keys; nothing of files that are not
  /// there, or not ours to read.
  public static func warnings(_ plans: [CertificatePlan], now: Int64) -> [TLSWarning] {
    plans.flatMap { plan -> [TLSWarning] in
      guard let files = try? CertificateFiles.all([plan]).files else { return [] }
      return files.flatMap { entry -> [TLSWarning] in
        guard let credential = try? Credential(entry, now: now, dates: .all, isUsed: false) else { return [] }
        let doubts: [TLSWarning] = FileStamp(entry.key).isReadableByAll ? [.readableKey(path: entry.key)] : []
        return doubts + [credential.validity.warning(now: now)].compactMap { $0 }
      }
    }
  }

  /// What is doubtful about the dates of authorities that can be read here.
  public static func warnings(authorities paths: [String], now: Int64) -> [TLSWarning] {
    paths.compactMap { CertificateValidity(authoritiesIn: $0)?.warning(now: now) }
  }

  /// Files of other secrets that everybody on this machine can read.
  public static func warnings(secrets paths: [String]) -> [TLSWarning] {
    paths.filter { FileStamp($0).isReadableByAll }.map { .readableSecret(path: $0) }
  }

  /// Names for which none of the certificates is, by the rules of RFC 6125 section 6.4: a wildcard stands for one label. None at all
  /// where a file cannot be read here.
  public static func uncovered(_ names: [String], by plans: [CertificatePlan], now: Int64) -> [String] {
    var known: [String] = []
    guard let files = try? CertificateFiles.all(plans).files else { return [] }
    for entry in files {
      guard let credential = try? Credential(entry, now: now, dates: .all, isUsed: false) else { return [] }
      known += credential.names
    }
    return names.filter { name in
      let parent = name.firstIndex(of: ".").map { "*" + name[$0...] }
      return !known.contains(name.lowercased()) && !known.contains(parent?.lowercased() ?? name)
    }
  }
}

/// Which certificates are taken although they are not good yet, or no more.
///
/// At the start all are: a node that does not come back after a power cut, because a certificate ran out while it was up, serves nobody,
/// while one that shows it serves whoever does not look, and all that comes by its other listeners. A change of files is another matter:
/// there is something better to go on with.
enum DatePolicy {
  /// All.
  case all
  /// Those that are in use already, as long as their files do not change.
  case only([FileStamp])

  func takes(_ path: String) -> Bool {
    switch self {
    case .all: true
    case .only(let stamps): stamps.contains(FileStamp(path))
    }
  }
}

extension [CertificateValidity] {
  /// The files of those that are not good now, as they were read.
  func outOfDate(now: Int64, among stamps: [FileStamp]) -> [FileStamp] {
    let paths = filter { $0.begin > now || $0.end < now }.map(\.path)
    return stamps.filter { paths.contains($0.path) }
  }
}
