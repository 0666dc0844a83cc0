internal import Topology

/// What an answer tells the client of where it belongs (rules B4, B6), and what an office learns from that (rule E3).
/// The proxy writes the bytes; the simulator changes its users' cookies.
extension Pool {
  // Mutating though they change nothing: for a borrow of a pool behind a pointer the compiler copies all of it at each call.

  /// Insert mode: the server that answered is not of the group that the request's cookie names, so the client is told.
  public mutating func insertIsNews(_ binding: Binding, server: Int32) -> Bool {
    members[Int(server)].group != binding.group || binding.presence != .named
  }

  /// Prefix mode, where the application sets no cookie itself: a session that went on at another server than the prefix
  /// names is renamed. A session without an id has nothing to be renamed.
  public mutating func prefixIsNews(_ binding: Binding, server: Int32, hasSession: Bool) -> Bool {
    hasSession && members[Int(server)].group != binding.group
  }

  /// Passive mode: an answer that sets the cookie to the value of `group` (-1: of nobody known) shows that the site behind
  /// the server sent the user elsewhere. What the request's cookie says already is no news: a director that passes on a
  /// user of another site may give the cookie a new date. But who was sent home (rule F1) should have been kept there.
  public mutating func tellsOfAnotherSite(_ group: Int32, binding: Binding, reason: Reason, server: Int32) -> Bool {
    group >= 0 && group != members[Int(server)].group && (group != binding.group || reason == .failback)
  }
}

extension Binding {
  /// A cookie past its limits.
  public static var expired: Binding { Binding(presence: .expired, group: -1, sessionHash: 0) }

  /// The binding of a dated cookie that names `group`; -1: nobody known.
  /// - Parameters:
  ///   - lastSeen: when the cookie was given last, in seconds since 1970; nil: it does not say.
  ///   - firstGiven: when it was given first.
  ///   - maxIdle: the limit since `lastSeen`, in nanoseconds; 0: none.
  ///   - maxLife: the limit since `firstGiven`; 0: none.
  ///   - seconds: now, in seconds since 1970.
  @inline(__always)
  public static func dated(
    group: Int32, lastSeen: UInt32?, firstGiven: UInt32?, maxIdle: Int64, maxLife: Int64, seconds: Int64
  ) -> Binding {
    guard group >= 0 else { return Binding(presence: .unknown, group: -1, sessionHash: 0) }
    if let last = lastSeen, maxIdle > 0, isOver(last, maxIdle, seconds) { return .expired }
    if let given = firstGiven, maxLife > 0, isOver(given, maxLife, seconds) { return .expired }
    return Binding(presence: .named, group: group, sessionHash: 0)
  }

  /// Longer ago than the limit, or more than a day ahead: a clock that wrong is not believed.
  private static func isOver(_ date: UInt32, _ limit: Int64, _ seconds: Int64) -> Bool {
    let age = seconds - Int64(date)
    return age * 1_000_000_000 > limit || age < -86_400
  }
}

extension Exchange.Failure {
  /// What an answer of this failure tells a node of ours in front, by its Proxy-Status (rule D3).
  public var refusal: Exchange.Refusal {
    switch self {
    case .destinationUnavailable: .destinationUnavailable
    case .connectionLimitReached, .shed: .connectionLimitReached
    case .connectionTerminated: .connectionTerminated
    case .responseTimeout, .invalidResponse, .internalShortage: .none
    }
  }
}
