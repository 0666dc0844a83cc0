/// One person with a browser, and what the application servers remember of the person: plain data in one cache line. What is
/// seldom looked at is in `UserPast`.
struct User {
  /// Sessions in a server's memory that follow each other: one, or those that the parallel requests of a page began, each its own.
  struct Home {
    /// The server's element; -1: none.
    var server: Int32 = -1
    /// The server's start in which they were begun, by its lower bits: they do not outlive a restart.
    private var epoch: UInt16 = 0
    /// How many there are before the last.
    private var before: UInt16 = 0
    /// The last one's number among the user's.
    private(set) var session: UInt32 = 0

    init() {}

    init(server: Int32, epoch: UInt32, session: UInt32) {
      self.server = server
      self.epoch = UInt16(truncatingIfNeeded: epoch)
      self.session = session
    }

    /// The session is one of these.
    @inline(__always)
    func holds(_ session: UInt32, at server: Int32, epoch: UInt32) -> Bool {
      names(session, at: server) && self.epoch == UInt16(truncatingIfNeeded: epoch)
    }

    /// The session is one of these, or was one before the server's restart.
    @inline(__always)
    func names(_ session: UInt32, at server: Int32) -> Bool {
      self.server == server && self.session &- session <= UInt32(before)
    }

    /// Another one is begun. `isOfPage`: by a page with parallel requests, whose cookie may become any of those that it begins.
    mutating func take(_ kept: Home, isOfPage: Bool) {
      var kept = kept
      if isOfPage, server == kept.server, epoch == kept.epoch, session &+ 1 == kept.session, before < .max {
        kept.before = before + 1
      }
      self = kept
    }
  }

  var random: RandomStream
  /// When the visit ends: from then on the next request begins another, without cookies.
  var visitEnds: Int64 = 0
  /// The last request that reached an application server.
  var lastSeen: Int64 = 0
  /// Where the person enters, and for which application: number of the entry * applications + application.
  var place: Int32
  /// The site cookie: a site; -1: none.
  var site: Int32 = -1
  /// The server that the session cookie's prefix, or the balancer's own cookie, names; -1: none.
  var server: Int32 = -1
  /// The session's number in the session cookie; 0: none.
  var session: UInt32 = 0
  /// Sessions begun so far.
  var serial: UInt32 = 0
  /// The session that a server holds for the person: the cookie's, if there is one.
  var home = Home()
  /// The server of the last answer of this visit; -1: none.
  var current: Int32 = -1
  /// Number of the visit, so that an answer that comes after its end changes nothing.
  var visit: UInt16 = 0
  /// Requests of the page that are not answered.
  var outstanding: UInt8 = 0
  var application: UInt8 = 0

  init(random: RandomStream, place: Int32, application: UInt8) {
    self.random = random
    self.place = place
    self.application = application
  }

  /// The cookies are gone with the visit.
  mutating func beginVisit(until end: Int64, _ past: inout UserPast) {
    visit &+= 1
    visitEnds = end
    site = -1
    server = -1
    session = 0
    current = -1
    past.left = -1
    past.leftBefore = -1
  }

  /// The session is the one a server holds, in its present start.
  @inline(__always)
  func isHome(_ session: UInt32, at server: Int32, epoch: UInt32) -> Bool {
    home.holds(session, at: server, epoch: epoch)
  }

  /// A server keeps a session for the person; what the cookie names is kept rather than what it does not.
  mutating func remember(_ kept: Home, isOfPage: Bool, _ past: inout UserPast) {
    if home.server == kept.server && home.session == kept.session {
      home = kept
    } else if past.otherHome.server == kept.server && past.otherHome.session == kept.session {
      past.otherHome = kept
    } else if home.names(session, at: server) && home.server >= 0 {
      past.otherHome.take(kept, isOfPage: isOfPage)
    } else {
      home.take(kept, isOfPage: isOfPage)
    }
  }

  /// The person has been answered by another server.
  mutating func move(to server: Int32, at now: Int64, _ past: inout UserPast) {
    past.movedAt = UInt32(truncatingIfNeeded: now / 1_000_000)
    if current >= 0 {
      past.leftBefore = past.left == server ? past.leftBefore : past.left
      past.left = current
    }
    if past.leftBefore == server { past.leftBefore = -1 }
    current = server
  }
}

/// What was before: read and written when a user moves, loses a session, or has a site cookie with dates.
struct UserPast {
  /// A session that another server began or keeps.
  var otherHome = User.Home()
  /// Servers left in this visit, the last two.
  var left: Int32 = -1
  var leftBefore: Int32 = -1
  /// When the user came to the present server, in milliseconds.
  var movedAt: UInt32 = 0
  /// Dates of a site cookie with limits, in seconds.
  var siteLast: UInt32 = 0
  var siteFirst: UInt32 = 0

  /// The last session that was lost: sessions are numbered in the order in which they begin.
  private var lostSession: UInt32 = 0
  /// The page has moved the user.
  private var hasMoved = false
  /// The parts of the scenario in which the user has moved, by bit.
  private var movedIn: UInt8 = 0
  /// The server of the page's last answer; -1: none yet. Kept only where pages have parallel requests.
  var pageServer: Int32 = -1
  /// Requests of the page, and of the page before, were answered by different servers.
  var isScattered = false
  var wasScattered = false

  /// Another page is asked for.
  mutating func beginPage() {
    // A page that nobody answered changes no cookies.
    wasScattered = isScattered || (wasScattered && pageServer < 0)
    isScattered = false
    hasMoved = false
    pageServer = -1
  }

  /// A server did not know a session; true: nobody has told before.
  mutating func loses(_ session: UInt32) -> Bool {
    guard session > lostSession else { return false }
    lostSession = session
    return true
  }

  /// An answer comes from another server than the page before; true: it is the page's first one. Where pages have one request,
  /// it always is.
  mutating func moves(inParallel: Bool) -> Bool {
    guard inParallel else { return true }
    defer { hasMoved = true }
    return !hasMoved
  }

  /// The user has moved in a part of the scenario; whether it is the first time in this part, and at all.
  mutating func moved(in phase: Int) -> (isFirstInPhase: Bool, isFirst: Bool) {
    let bit = UInt8(1) << UInt8(phase)
    defer { movedIn |= bit }
    return (movedIn & bit == 0, movedIn == 0)
  }

  /// A request of the page was answered.
  mutating func answered(by server: Int32) {
    if pageServer >= 0 && pageServer != server { isScattered = true }
    pageServer = server
  }

  func hasLeft(_ server: Int32) -> Bool { left == server || leftBefore == server }

  /// Another server than that of the cookie, in its present start, knows the session.
  func isHome(_ session: UInt32, at server: Int32, epoch: UInt32) -> Bool {
    otherHome.holds(session, at: server, epoch: epoch)
  }
}
