internal import Routing
internal import Topology

/// What is counted of a request when its answer has come. An ordinary request costs a few additions; one that went differently
/// is shown to the oracle and to every checker.
extension Run {
  @inline(__always)
  mutating func account(
    _ root: Int32, _ result: Result, _ user: UnsafeMutablePointer<User>, _ done: Int64, isCurrentVisit: Bool
  ) {
    let leg = legs + Int(root)
    let phase = Int(leg.pointee.phase)
    let counts = record.counts + phase
    let step = record.step(leg.pointee.began)
    counts.pointee.requests += 1
    counts.pointee.bytes &+= leg.pointee.bytes
    counts.pointee.cost += leg.pointee.cost
    let isError = result.status == 0 || result.status >= 500
    var site: Int32 = -1
    if result.server >= 0 {
      site = siteOfElement[Int(result.server)]
      record.bySite[step * record.siteCount + Int(site)] &+= 1
    }
    if !isError { record.measure(phase, done - leg.pointee.began + accessTime(leg.pointee.user)) }
    if options.tellsUsers { accountForUser(leg, isError: isError) }
    let isOrdinary =
      !isError && !result.lostSession && leg.pointee.flags.isDisjoint(with: [.disturbed, .crossed])
      && (!isCurrentVisit || user.pointee.current < 0 || user.pointee.current == result.server)
      && (leg.pointee.cookies.server < 0 || leg.pointee.cookies.server == result.server)
      && (!leg.pointee.flags.contains(.isNew) || site == entrySites[entry(user)])
    if isOrdinary {
      counts.pointee.costOracle += leg.pointee.cost
    } else {
      examine(root, result, user, done, isCurrentVisit: isCurrentVisit, step: step)
    }
  }

  /// There and back between the user and the entry.
  @inline(__always)
  private func accessTime(_ user: Int32) -> Int64 {
    hasPlaces ? ModelTimes.local + population.accessTimes[Int(user)] : ModelTimes.local
  }

  @inline(never)
  private mutating func examine(
    _ root: Int32, _ result: Result, _ user: UnsafeMutablePointer<User>, _ done: Int64, isCurrentVisit: Bool, step: Int
  ) {
    let leg = legs + Int(root)
    let bound = leg.pointee.cookies.server >= 0 ? leg.pointee.cookies.server : -1
    let boundEpoch = bound >= 0 ? world.elements[Int(bound)].epoch : 0
    let current = isCurrentVisit ? user.pointee.current : -1
    let past = pasts + Int(leg.pointee.user)
    let isMove =
      current >= 0 && result.server >= 0 && current != result.server
      && past.pointee.moves(inParallel: isInParallel(user))
    // An application that goes on with an id it does not know begins the session anew under it, to be lost again.
    let isLoss =
      result.lostSession
      && (past.pointee.loses(leg.pointee.cookies.session) || behaviour.contains(.applicationsAdoptSessions))
    let outcome = Outcome(
      user: Int(leg.pointee.user), entry: entry(user), vantage: Int(user.pointee.place), begin: leg.pointee.began,
      end: done,
      isPost: leg.pointee.flags.contains(.isPost), isNew: leg.pointee.flags.contains(.isNew),
      crossed: leg.pointee.flags.contains(.crossed), site: leg.pointee.cookies.site, bound: bound,
      boundKnows: bound >= 0
        && isKnown(leg.pointee.user, leg.pointee.cookies.session, at: bound, epoch: boundEpoch), current: current,
      hadLeft: isCurrentVisit && result.server >= 0 && past.pointee.hasLeft(result.server),
      isOlder: leg.pointee.began / 1_000_000 < Int64(past.pointee.movedAt),
      followsScatter: past.pointee.wasScattered, answered: result.server,
      status: Int(result.status), isApplicationError: result.isApplicationError,
      wasOverloaded: leg.pointee.flags.contains(.overloaded), wasLossy: leg.pointee.flags.contains(.lossy),
      isLoss: isLoss, isMove: isMove)
    let counts = record.counts + Int(leg.pointee.phase)
    let names = verdicts.names
    if outcome.isError {
      counts.pointee.errors += 1
      record.errors[step] &+= 1
      if outcome.isApplicationError { counts.pointee.applicationErrors += 1 }
      if !verdicts.errors.check(outcome, &truth) { counts.pointee.errorsOracle += 1 }
    }
    if isLoss { countLoss(outcome, counts, step) }
    if isMove { countMove(outcome, past, Int(leg.pointee.phase), step) }
    if options.tellsUsers && (isLoss || isMove) { tellUser(outcome) }
    if !verdicts.isHomecoming(outcome, from: outcome.bound), verdicts.needlessMoves.check(outcome, &truth, names),
      isMove
    {
      counts.pointee.movedNeedlessly += 1
    }
    let relearning = verdicts.needlessMoves.relearning[outcome.entry]
    let recovery = verdicts.needlessMoves.recovery
    if !verdicts.isHomecoming(outcome, from: outcome.current),
      verdicts.returns.check(outcome, recovery: recovery, relearning: relearning, &truth, names), isMove
    {
      counts.pointee.movedBack += 1
    }
    _ = verdicts.newUsers.check(outcome, &truth, names, siteOf: verdicts.siteOfElement)
    if outcome.crossed { countCrossing(outcome, counts, step) }
    // The oracle may always do what was done.
    counts.pointee.costOracle += min(leg.pointee.cost, oracleCost(outcome, leg, Int(result.bytes)))
  }

  private mutating func countLoss(_ outcome: Outcome, _ counts: UnsafeMutablePointer<Counts>, _ step: Int) {
    counts.pointee.sessionsLost += 1
    record.sessionsLost[step] &+= 1
    let couldGoOn =
      outcome.boundKnows && truth.isReachable(outcome.vantage, outcome.bound, outcome.begin, outcome.end)
    if !couldGoOn { counts.pointee.sessionsLostOracle += 1 }
  }

  private mutating func countMove(
    _ outcome: Outcome, _ past: UnsafeMutablePointer<UserPast>, _ phase: Int, _ step: Int
  ) {
    record.counts[phase].moves += 1
    record.moves[step] &+= 1
    let (isFirstInPhase, isFirst) = past.pointee.moved(in: phase)
    if isFirstInPhase { record.counts[phase].usersMoved += 1 }
    if isFirst { record.usersMoved += 1 }
  }

  private mutating func countCrossing(_ outcome: Outcome, _ counts: UnsafeMutablePointer<Counts>, _ step: Int) {
    counts.pointee.interSite += 1
    record.interSite[step] &+= 1
    let wasAvoidable =
      outcome.bound >= 0 && outcome.boundKnows
        && truth.isReachable(outcome.vantage, outcome.bound, outcome.begin, outcome.end)
      ? truth.isDirect(outcome.vantage, outcome.bound, outcome.begin, outcome.end)
      : truth.admitsSomewhere(outcome.vantage, outcome.begin, outcome.end)
    if !wasAvoidable { counts.pointee.interSiteOracle += 1 }
    let sites = verdicts.siteOfElement
    _ = verdicts.interSite.check(outcome, &truth, siteOf: sites)
  }

  /// What the request and its answer would have cost on the oracle's way: straight to the site of the session, or to the first
  /// that takes new users; where there is no direct way, what it did cost. `answerBytes`: of the answer that came, be it an error.
  private mutating func oracleCost(
    _ outcome: Outcome, _ leg: UnsafeMutablePointer<Leg>, _ answerBytes: Int
  ) -> Double {
    let entry = population.entries[outcome.entry]
    guard let from = entry.elements.first, truth.isServable(outcome.vantage, outcome.begin, outcome.end) else {
      return 0
    }
    var site: Int32 = -1
    if outcome.bound >= 0, outcome.boundKnows,
      truth.isReachable(outcome.vantage, outcome.bound, outcome.begin, outcome.end)
    {
      guard truth.isDirect(outcome.vantage, outcome.bound, outcome.begin, outcome.end) else { return leg.pointee.cost }
      site = verdicts.siteOfElement[Int(outcome.bound)]
    } else {
      for candidate in verdicts.newUsers.order(outcome.entry)
      where truth.admits(outcome.vantage, candidate, outcome.begin, outcome.end) {
        site = candidate
        break
      }
    }
    guard site >= 0 else { return leg.pointee.cost }
    let place = network.elements[Int(from)].place
    guard place != site, let path = network.link(between: place, and: site) else { return 0 }
    return Double(Int(leg.pointee.requestBytes) + answerBytes) * network.links[Int(path.link)].costPerByte
  }

  // MARK: What is left

  /// An answer that is not there after so long is missed.
  private static let missedAfter: Int64 = 5_000_000_000

  /// Requests that are under way when the scenario ends. Those that some time-out should have ended long ago violate a property.
  mutating func countUnanswered() {
    for index in 0..<Int32(legCount) {
      let leg = legs + Int(index)
      guard leg.pointee.flags.contains(.alive), leg.pointee.parent < 0, now - leg.pointee.began >= Self.missedAfter
      else { continue }
      record.counts[Int(leg.pointee.phase)].unanswered += 1
      verdicts.errors.missed(
        user: Int(leg.pointee.user), vantage: Int(users[Int(leg.pointee.user)].place), begin: leg.pointee.began,
        end: now,
        &truth)
    }
  }

  // MARK: The report

  /// What came of the scenario.
  mutating func report() -> ScenarioReport {
    let total = record.total()
    let phases = record.reports()
    var links: [LinkReport] = []
    for (index, link) in network.links.enumerated() where world.links[index].bytes > 0 {
      links.append(
        LinkReport(
          from: network.placeNames[Int(link.from)], to: network.placeNames[Int(link.to)], isInterSite: link.isInterSite,
          isDeclared: link.declared != nil, bytes: world.links[index].bytes,
          cost: Double(world.links[index].bytes) * link.costPerByte))
    }
    return ScenarioReport(
      name: scenario.name, summary: scenario.summary, durationNanoseconds: end, seed: seed, users: population.total,
      faults: record.marks, phases: phases, total: total, series: record.series(network.topology.sites.map(\.name)),
      links: links, verdicts: verdicts.verdicts(),
      expectations: scenario.expectations.map { Self.judge($0, phases: phases, total: total) },
      trace: tracer?.story(network, population), perUser: options.tellsUsers ? userReports : nil, events: events)
  }

  private static func judge(
    _ expectation: Expectation, phases: [PhaseReport], total: PhaseReport
  ) -> ExpectationOutcome {
    let none = PhaseReport(
      phase: expectation.phase, lengthNanoseconds: 0, counts: Counts(),
      latency: LatencyReport(count: 0, p50Nanoseconds: 0, p99Nanoseconds: 0, maxNanoseconds: 0))
    let part = expectation.phase == .all ? total : phases.first { $0.phase == expectation.phase } ?? none
    let counts = part.counts
    let value: Double =
      switch expectation.measure {
      case .errors: Double(counts.avoidableErrors)
      case .allErrors: Double(counts.errors)
      case .avoidableSessionLosses: Double(counts.avoidableSessionsLost)
      case .sessionLosses: Double(counts.sessionsLost)
      case .movedNeedlessly: Double(counts.movedNeedlessly)
      case .movedBack: Double(counts.movedBack)
      case .interSite: Double(counts.interSite)
      case .avoidableInterSite: Double(counts.avoidableInterSite)
      case .cost: counts.cost
      case .p50: Double(part.latency.p50Nanoseconds) / 1_000_000
      case .p99: Double(part.latency.p99Nanoseconds) / 1_000_000
      }
    let holds = value <= expectation.atMost ?? .infinity && value >= expectation.atLeast ?? -.infinity
    return ExpectationOutcome(expectation: expectation, value: value, holds: holds)
  }
}
