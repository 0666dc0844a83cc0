internal import Routing

/// The cookies of a request, as numbers.
struct Cookies {
  /// A site; -1: none.
  var site: Int32 = -1
  /// The server that the prefix, or the balancer's own cookie, names; -1: none.
  var server: Int32 = -1
  /// The session's number among the user's; 0: none.
  var session: UInt32 = 0
  var siteLast: UInt32 = 0
  var siteFirst: UInt32 = 0
}

/// What an answer says.
struct Result {
  var status: UInt16 = 0
  /// What the hop's Proxy-Status says of itself.
  var refusal: Exchange.Refusal = .none
  /// The application began a session.
  var isNewSession = false
  /// The request came with a session that the server did not know.
  var lostSession = false
  /// The status is the application's own.
  var isApplicationError = false
  /// The application sets its session cookie.
  var setsSession = false
  /// The server that answered; -1: a node.
  var server: Int32 = -1
  /// The site cookie set; -1: none.
  var site: Int32 = -1
  /// The server named by the session cookie set, or by the balancer's own; -1: none set.
  var prefix: Int32 = -1
  /// The session set, if `setsSession`.
  var session: UInt32 = 0
  var bytes: Int32 = 0
}

/// One request at one node: an Exchange, where it came from, and what its present attempt waits for.
///
/// Legs are slots of a slab. `token` changes whenever what was scheduled for the leg no longer holds; an event with another
/// token is stale.
struct Leg {
  struct Flags: OptionSet {
    let rawValue: UInt16
    static let alive = Flags(rawValue: 1)
    static let isPost = Flags(rawValue: 2)
    /// The attempt took a kept connection.
    static let wasKept = Flags(rawValue: 4)
    /// The next hop has the request.
    static let delivered = Flags(rawValue: 8)
    /// The answer has left the next hop.
    static let replied = Flags(rawValue: 16)
    /// The time-out of the server is scheduled.
    static let armed = Flags(rawValue: 32)
    /// A connection is being made.
    static let connecting = Flags(rawValue: 64)
    /// The request is told step by step.
    static let traced = Flags(rawValue: 128)
    /// The root: the request, or a repeat of it, went from site to site.
    static let crossed = Flags(rawValue: 256)
    /// The root: the user came without cookies.
    static let isNew = Flags(rawValue: 512)
    /// The end of the other side's silence is scheduled.
    static let watched = Flags(rawValue: 2048)
    /// The root: load was in the way, as queues, capacities and the right to retry have bounds (rules C6, D2, D4).
    static let overloaded = Flags(rawValue: 4096)
    /// The root: the request, an answer or a repeat of them went over a link that loses packets.
    static let lossy = Flags(rawValue: 8192)
    /// The root: something went differently than on an ordinary day.
    static let disturbed = Flags(rawValue: 1024)
  }
  var exchange = Exchange()
  var flags: Flags = []
  var retries: UInt8 = 0
  var phase: UInt8 = 0
  var visit: UInt16 = 0
  var token: UInt32 = 0
  /// Grows when the slot is given to another request.
  var generation: UInt32 = 0
  var pool: Int32 = -1
  var user: Int32 = -1
  /// The leg that sent the request here, and its token then; -1: the user.
  var parent: Int32 = -1
  var parentToken: UInt32 = 0
  /// The outermost leg, which stands for the request, and its generation.
  var root: Int32 = -1
  var rootGeneration: UInt32 = 0
  /// The target's start that the connection belongs to.
  var targetEpoch: UInt32 = 0
  /// Hash of the session's id.
  var sessionHash: UInt64 = 0
  var cookies = Cookies()
  var began: Int64 = 0
  var attemptBegan: Int64 = 0
  var deadline: Int64 = 0
  var sentAt: Int64 = 0
  var repliedAt: Int64 = 0
  var result = Result()
  var requestBytes: Int32 = 0
  /// The server whose trial is awaited.
  var awaited: Int32 = -1
  /// The tier of the first attempt.
  var firstTier: Int32 = -1
  var bytes: UInt64 = 0
  var cost: Double = 0
  var nextFree: Int32 = -1
  /// The leg at the next hop that the present attempt has begun, and its generation; -1: none.
  var child: Int32 = -1
  var childGeneration: UInt32 = 0
  /// The attempt in the trace.
  var attempt: Int32 = -1
}
