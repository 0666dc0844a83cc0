internal import Routing
internal import Topology

/// What users do: think, ask for a page of one or several requests, and take answers into their cookies.
extension Run {
  mutating func startUsers() {
    if isListed { return startListedUsers() }
    for (index, entry) in population.entries.enumerated() {
      let nameHash = StableHash.combine(userHashes, StableHash.hash(entry.name))
      for position in 0..<entry.count {
        let number = entry.numbers.map { Int($0[position]) } ?? position
        let application = number % applications
        var user = User(
          random: RandomStream(seed: nameHash, hash: UInt64(number)),
          place: Int32(index * applications + application),
          application: UInt8(truncatingIfNeeded: application))
        let habits = entryHabits + index * applications + application
        // Nobody has come just now: users are in the midst of their pause, and their visits are under way. What is left of an
        // exponential pause is as long as a whole one, so that as many ask in the first second as in any other.
        let first = user.random.exponential(mean: habits.pointee.pause(at: 0))
        user.visitEnds = first + user.random.exponential(mean: habits.pointee.sessionLength)
        (users + entry.firstUser + position).initialize(to: user)
        (pasts + entry.firstUser + position).initialize(to: UserPast())
        schedule(.user, Int32(entry.firstUser + position), at: first)
      }
    }
  }

  /// An index of `Population.entries`.
  @inline(__always)
  func entry(_ user: UnsafeMutablePointer<User>) -> Int { Int(user.pointee.place) / applications }

  @inline(__always)
  func habits(_ user: UnsafeMutablePointer<User>) -> UnsafeMutablePointer<Habits> {
    entryHabits + Int(user.pointee.place)
  }

  /// The user's pages may have several requests at the same time.
  @inline(__always)
  func isInParallel(_ user: UnsafeMutablePointer<User>) -> Bool { isListed || habits(user).pointee.parallel > 1 }

  /// The pause is over: the user asks for the next page.
  @inline(__always)
  mutating func userActs(_ index: Int32) {
    if isListed { return listedUserActs(index) }
    let user = users + Int(index)
    let habits = habits(user)
    if now >= user.pointee.visitEnds {
      user.pointee.beginVisit(
        until: now + user.pointee.random.exponential(mean: habits.pointee.sessionLength), &pasts[Int(index)])
    }
    // The first page of a visit is one request: what else it needs is asked for with the cookies it brings.
    let count = user.pointee.current >= 0 ? habits.pointee.parallel : 1
    user.pointee.outstanding = UInt8(count)
    if habits.pointee.parallel > 1 { pasts[Int(index)].beginPage() }
    for _ in 0..<count {
      beginRequest(index, user, habits, isPost: user.pointee.random.chance(habits.pointee.postShare))
    }
  }

  @inline(__always)
  mutating func beginRequest(
    _ index: Int32, _ user: UnsafeMutablePointer<User>, _ habits: UnsafeMutablePointer<Habits>, isPost: Bool
  ) {
    let (pool, delay) = entryPool(user)
    let root = takeLeg()
    let leg = legs + Int(root)
    leg.pointee.root = root
    leg.pointee.rootGeneration = leg.pointee.generation
    leg.pointee.parent = -1
    leg.pointee.user = index
    leg.pointee.visit = user.pointee.visit
    leg.pointee.flags = [.alive]
    if isPost { leg.pointee.flags.insert(.isPost) }
    if user.pointee.site < 0 && user.pointee.server < 0 { leg.pointee.flags.insert(.isNew) }
    if delay > 0 { leg.pointee.flags.insert(.disturbed) }
    leg.pointee.began = now - delay
    leg.pointee.phase = record.phase.rawValue
    leg.pointee.cookies = Cookies(
      site: user.pointee.site, server: user.pointee.server, session: user.pointee.session)
    if hasDates {
      leg.pointee.cookies.siteLast = pasts[Int(index)].siteLast
      leg.pointee.cookies.siteFirst = pasts[Int(index)].siteFirst
    }
    leg.pointee.sessionHash =
      user.pointee.session == 0
      ? 0 : StableHash.combine(userHashes &+ UInt64(UInt32(bitPattern: index)), UInt64(user.pointee.session)) | 1
    if isListed, user.pointee.session == 1, let hash = roster?.sessionHashes[Int(index)], hash != 0 {
      leg.pointee.sessionHash = hash
    }
    leg.pointee.requestBytes = Int32(clamping: habits.pointee.requestBytes)
    leg.pointee.bytes = 0
    leg.pointee.cost = 0
    if index == tracedUser { traceBegins(root) }
    guard pool >= 0 else { return entryIsDown(root) }
    leg.pointee.pool = pool
    begin(root)
  }

  /// The pool that takes the user's requests, and what finding it costs; -1: no entry answers.
  @inline(__always)
  private mutating func entryPool(_ user: UnsafeMutablePointer<User>) -> (Int32, Int64) {
    let pool = entryPools[Int(user.pointee.place)]
    if pool >= 0 && world.elements[Int(poolStates[Int(pool)].node)].isUp { return (pool, 0) }
    return otherEntry(user)
  }

  @inline(never)
  private mutating func otherEntry(_ user: UnsafeMutablePointer<User>) -> (Int32, Int64) {
    var delay: Int64 = 0
    // Users who know one address have no other to try.
    if world.holders[entry(user)] != World.withoutAddress { return (-1, 0) }
    for element in population.entries[entry(user)].elements {
      let state = world.elements[Int(element)]
      let pool = poolOf(element, Int(user.pointee.application))
      if state.isUp && pool >= 0 { return (pool, delay) }
      delay += state.isPowered ? 2 * ModelTimes.local : ModelTimes.entryTimeout
    }
    return (-1, delay)
  }

  private mutating func entryIsDown(_ root: Int32) {
    legs[Int(root)].pool = -1
    var result = Result()
    result.status = 0
    complete(root, result, at: now + timeToFail(users + Int(legs[Int(root)].user)))
  }

  /// The user has the answer, or the end of all hope for one (status 0).
  @inline(__always)
  mutating func complete(_ root: Int32, _ result: Result, at time: Int64) {
    let leg = legs + Int(root)
    let user = users + Int(leg.pointee.user)
    let done = time + ModelTimes.local
    let isCurrentVisit = user.pointee.visit == leg.pointee.visit
    account(root, result, user, done, isCurrentVisit: isCurrentVisit)
    if isCurrentVisit && result.status > 0 {
      if result.site >= 0 {
        if hasDates { dateSite(leg.pointee.user, isNew: user.pointee.site != result.site) }
        user.pointee.site = result.site
      }
      if result.prefix >= 0 { user.pointee.server = result.prefix }
      if result.setsSession { user.pointee.session = result.session }
      if result.server >= 0 && habits(user).pointee.parallel > 1 {
        pasts[Int(leg.pointee.user)].answered(by: result.server)
      }
      if result.server >= 0 && user.pointee.current != result.server {
        user.pointee.move(to: result.server, at: done, &pasts[Int(leg.pointee.user)])
      }
    }
    if leg.pointee.flags.contains(.traced) { traceEnds(root, result, done) }
    user.pointee.outstanding -= 1
    if user.pointee.outstanding == 0 {
      if isListed {
        listedUserRests(leg.pointee.user, at: done)
        return freeLeg(root)
      }
      let pause = user.pointee.random.exponential(mean: habits(user).pointee.pause(at: now))
      schedule(.user, leg.pointee.user, at: done + pause)
    }
    freeLeg(root)
  }

  /// When the site cookie was given, for cookies with dates.
  private mutating func dateSite(_ index: Int32, isNew: Bool) {
    let past = pasts + Int(index)
    past.pointee.siteLast = UInt32(truncatingIfNeeded: now / 1_000_000_000)
    if isNew || past.pointee.siteFirst == 0 { past.pointee.siteFirst = past.pointee.siteLast }
  }

  /// Whether a server, in its present start, knows the session.
  @inline(__always)
  func isKnown(_ index: Int32, _ session: UInt32, at server: Int32, epoch: UInt32) -> Bool {
    users[Int(index)].isHome(session, at: server, epoch: epoch)
      || pasts[Int(index)].isHome(session, at: server, epoch: epoch)
  }
}
