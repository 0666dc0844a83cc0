/// Why a request went to the server it went to; a field of the access log.
public enum Reason: UInt8, Sendable, CaseIterable {
  /// No cookie: spread by the pool's algorithm.
  case new
  /// The server, or one of the site, that the cookie names.
  case cookie
  /// The cookie names nobody known, or is past its idle or life limit: as `new`.
  case unknownCookie
  /// The server of the cookie could not be used: another.
  case failover
  /// The server of the cookie is believed down and was tried all the same (rule C2).
  case trial
  /// Every candidate is believed down: the best one is tried before an error (rule C3).
  case lastResort
  /// The preferred site is passed by because its director just answered from elsewhere (rule E3).
  case hint
  /// Nobody admits new users: a draining server takes one more (rule F2).
  case draining
  /// `failback: immediate`: home is back, and the user of a backup tier with it (rule F1).
  case failback
  /// No server was chosen.
  case none

  /// The word in the access log.
  public var text: StaticString {
    switch self {
    case .new: "new"
    case .cookie: "cookie"
    case .unknownCookie: "unknown-cookie"
    case .failover: "failover"
    case .trial: "trial"
    case .lastResort: "last-resort"
    case .hint: "hint"
    case .draining: "draining"
    case .failback: "failback"
    case .none: "none"
    }
  }
}

/// What a request's cookie says of where it belongs.
public struct Binding: Sendable, Equatable {
  /// How the cookie was understood.
  public enum Presence: UInt8, Sendable {
    /// No cookie of the name.
    case none
    /// It names a group of candidates.
    case named
    /// It names nobody known.
    case unknown
    /// It names a group, but its idle or life limit has passed: as none.
    case expired
  }
  /// How the cookie was understood.
  public var presence: Presence
  /// The candidates it names: an index from `Pool.group(named:)`; -1 when it names none that counts.
  public var group: Int32
  /// Hash of the session id behind a prefix; 0 without one.
  public var sessionHash: UInt64

  /// No cookie.
  public static let none = Binding(presence: .none, group: -1, sessionHash: 0)

  /// A binding by its parts.
  public init(presence: Presence, group: Int32, sessionHash: UInt64) {
    self.presence = presence
    self.group = group
    self.sessionHash = sessionHash
  }
}
