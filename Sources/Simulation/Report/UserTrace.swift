/// The story of one user: every request, the way it took and why.
public struct UserTrace: Sendable, Equatable {
  /// The user's number, from 0.
  public var user: Int
  /// Where the user enters: an office's name, or a site's for its local users.
  public var entry: String
  /// The requests, in the order in which they began.
  public var requests: [RequestTrace]
}

/// One request of a traced user.
public struct RequestTrace: Sendable, Equatable {
  /// When it began, in virtual nanoseconds since the start.
  public var beganNanoseconds: Int64
  /// When its answer was there; nil: the scenario ended before.
  public var endedNanoseconds: Int64?
  /// `GET` or `POST`.
  public var method: String
  /// Cookies the browser sent, as in the field `Cookie`: `SITE=SITE1; JSESSIONID=W14~1c8a`. Empty: none.
  public var cookiesBefore: String
  /// Cookies the browser has after the answer.
  public var cookiesAfter: String
  /// The status of the answer; nil: none came.
  public var status: Int?
  /// The server that answered; nil: none did.
  public var server: String?
  /// The answer began a new session.
  public var isNewSession: Bool
  /// The session the user had was lost by it.
  public var lostSession: Bool
  /// What each node on the way tried, in order of time.
  public var attempts: [AttemptTrace]
}

/// One attempt of one node for a traced request.
public struct AttemptTrace: Sendable, Equatable {
  /// When the node chose, in virtual nanoseconds since the start.
  public var atNanoseconds: Int64
  /// The node that chose.
  public var node: String
  /// The tier of the network, 0 for the first node the request met.
  public var depth: Int
  /// Whom it chose; nil: nobody, it answered itself or waits.
  public var chosen: String?
  /// Why: the reason of the access log, or what it waits for.
  public var reason: String
  /// All candidates as the node saw them then.
  public var candidates: [CandidateTrace]
  /// What came of it: `connected`, `connection refused`, `no answer for 3 s`, `answered 200` ...
  public var outcome: String
}

/// What a node believed of a candidate when it chose.
public struct CandidateTrace: Sendable, Equatable {
  /// Its name.
  public var name: String
  /// Its tier, 0 first.
  public var tier: Int
  /// The cookie names it.
  public var isNamed: Bool
  /// Why it is, or is not, a choice: `admits`, `own users only`, `down`, `down by its own word`, `drained`, `tried`, `passed by` ...
  public var belief: String
  /// In fact, at that moment, it could have been reached.
  public var isReachable: Bool
}
