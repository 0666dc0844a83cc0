internal import Topology

/// The order in which candidates are taken (rules B1, B5, C2, C3, D2, E2, E3, F2).
extension Pool {
  /// Where one attempt goes.
  public enum Selection: Sendable, Equatable {
    /// To this server.
    case server(Int32, Reason, Purpose)
    /// Another request tries this server just now, and its outcome decides whether a session is lost: wait for it.
    case awaitTrial(Int32)
    /// Nobody is left.
    case none
  }

  /// What an attempt finds out beside serving its request.
  public enum Purpose: UInt8, Sendable {
    /// Nothing.
    case plain
    /// Whether a hint still holds (rule E3).
    case probe
    /// Whether a server believed down can be reached: it holds the right to the trial and has to end it (rule C2).
    case trial
  }

  /// What earlier attempts of the request rule out.
  public struct Exclusions: Sendable {
    /// Servers tried.
    public var tried = TriedServers()
    /// Sites (by index, the first 64) that said they have no server to offer.
    public var sites: UInt64 = 0
    /// Servers tried although everything was believed down.
    public var lastResorts: UInt8 = 0
    /// Servers (by index, those from 63 on together) whose trial was awaited already: each once, so that waiting ends.
    public var awaited: UInt64 = 0
    /// When the request came, monotonic nanoseconds: of a trial that began since then, and failed, it learns as much as of its own.
    public internal(set) var since: Int64 = .max

    /// Nothing tried yet.
    public init() {}

    /// As new; what is left in memory of earlier requests is not looked at.
    mutating func reset(since: Int64) {
      self.since = since
      tried.removeAll()
      sites = 0
      lastResorts = 0
      awaited = 0
    }

    @inline(__always)
    func rules(out member: Member, _ server: Int32) -> Bool {
      tried.contains(server) || (member.site < 64 && sites & (1 << UInt64(member.site)) != 0)
    }

    func hasAwaited(_ server: Int32) -> Bool { awaited & (1 << UInt64(min(server, 63))) != 0 }

    mutating func await(_ server: Int32) -> Selection {
      awaited |= 1 << UInt64(min(server, 63))
      return .awaitTrial(server)
    }
  }

  /// The server of the next attempt of a request. `order`: the one in which the request takes the tiers (`take`), 0 the plan's.
  ///
  /// A usable cookie is stronger than any order, unless `failback` sends users home: home is what the order begins with.
  public mutating func select(
    _ binding: Binding, key: SelectionKey, order: Int32 = 0, excluding exclusions: inout Exclusions, now: Int64
  ) -> Selection {
    let order = known(order: order)
    if failbackDelay < .max, let home = selectHome(binding, key, order, exclusions, now) { return home }
    var passBy: Int32 = -1
    if binding.group >= 0 {
      let site = groups[Int(binding.group)].site
      let verdict =
        mode == .passive ? hintVerdict(site, .ownUsers, binding, exclusions, now) : .clear
      if verdict == .passBy {
        passBy = site
      } else {
        let own = selectOwn(binding, key, &exclusions, now)
        if case .server(let server, let reason, .plain) = own, verdict == .probe {
          return .server(server, reason, .probe)
        }
        if own != .none { return own }
      }
    }
    return selectAny(binding, key, order, &exclusions, passingBy: passBy, now)
  }

  /// `failback: immediate` and `after` (rule F1): a user of a later tier goes back as soon as an earlier one admits, or
  /// once it has admitted without a break for so long. A site that just sent users elsewhere (rule E3) is not gone back to.
  private mutating func selectHome(
    _ binding: Binding, _ key: SelectionKey, _ order: Int32, _ exclusions: Exclusions, _ now: Int64
  ) -> Selection? {
    for rank in 0..<Int(rank(ofGroup: binding.group, in: order)) {
      let tier = tier(at: rank, of: order)
      guard isStable(tier: tier, now) else { continue }
      let chosen = admitting(tier, key, exclusions)
      guard chosen >= 0 else { continue }
      let verdict =
        mode == .passive ? hintVerdict(members[Int(chosen)].site, .newUsers, .none, exclusions, now) : .clear
      if verdict == .passBy { continue }
      return .server(chosen, .failback, verdict == .probe ? .probe : .plain)
    }
    return nil
  }

  // Mutating though they change nothing: for a borrow of a pool behind a pointer the compiler copies all of it at each call.

  @inline(__always)
  private mutating func hintVerdict(
    _ site: Int32, _ audience: HintBoard.Audience, _ binding: Binding, _ exclusions: Exclusions, _ now: Int64
  ) -> HintBoard.Verdict {
    shared.hints.isSet(site: Int(site)) ? setHintVerdict(site, audience, binding, exclusions, now) : .clear
  }

  private mutating func setHintVerdict(
    _ site: Int32, _ audience: HintBoard.Audience, _ binding: Binding, _ exclusions: Exclusions, _ now: Int64
  ) -> HintBoard.Verdict {
    let group = audience == .ownUsers ? binding.group : -1
    // A retry never becomes the probe: its first attempt had the choice.
    if exclusions.tried.count > 0 { return .passBy }
    // Without a director that lives there is nobody to pass by: trials decide.
    for index in 0..<serverCount
    where (group >= 0 ? members[index].group == group : members[index].site == site)
      && members[index].takesOwnUsers
    {
      // Users of another site are served by that one, wherever they are sent: their answers tell nothing.
      if audience == .newUsers && (binding.presence == .named || binding.presence == .unknown) {
        return shared.hints.passesBy(site: Int(site), for: audience, now: now) ? .passBy : .clear
      }
      return shared.hints.verdict(site: Int(site), for: audience, now: now, interval: members[index].hintInterval)
    }
    return .clear
  }

  /// Whether a trial of the server is under way, by another request, from which this one has something to learn.
  func isToBeAwaited(_ server: Int32, _ exclusions: Exclusions, _ now: Int64) -> Bool {
    !exclusions.hasAwaited(server) && trialIsAwaited(server, since: exclusions.since, now: now)
  }

  // MARK: The servers a cookie names

  private mutating func selectOwn(
    _ binding: Binding, _ key: SelectionKey, _ exclusions: inout Exclusions, _ now: Int64
  ) -> Selection {
    let group = groups + Int(binding.group)
    let chosen = group.pointee.balancer.select(
      key, loads: shared.loads, excluding: exclusions.tried, random: &random)
    if chosen >= 0 && !exclusions.rules(out: members[Int(chosen)], chosen) {
      let isFull = mindsLoad && group.pointee.members.count > 1 && shared.loads.isFull(chosen)
      return .server(isFull ? bearerWithSlot(of: group, exclusions) ?? chosen : chosen, .cookie, .plain)
    }
    var pending: Int32 = -1
    for position in group.pointee.members.indices {
      let server = group.pointee.members[position]
      let member = members[Int(server)]
      guard member.mayBeTried, !exclusions.rules(out: member, server) else { continue }
      if member.health.liveness == .alive { return .server(server, .cookie, .plain) }
      // A director that answers from another site vouches for its answers, not for the site (rule C3).
      if !(mode == .passive && member.health.liveness == .declaredDead)
        && shared.trials.vouches(server, now: now, interval: member.trialInterval)
      {
        return .server(server, .trial, .plain)
      }
      if isSpared(member, now) { continue }
      if shared.trials.begin(server, now: now, interval: trialInterval(of: member)) {
        if mode == .passive && member.health.liveness == .declaredDead { countTrial(of: group, besides: server, now) }
        return .server(server, .trial, .trial)
      }
      if persist { return .server(server, .trial, .plain) }
      // At an office other ways to the same session are left; elsewhere the session would be lost, so the trial is awaited.
      if mode != .passive && pending < 0 && isToBeAwaited(server, exclusions, now) { pending = server }
    }
    return pending >= 0 ? exclusions.await(pending) : .none
  }

  /// Another candidate with the same cookie value, that has a free slot.
  private mutating func bearerWithSlot(of group: UnsafeMutablePointer<Group>, _ exclusions: Exclusions) -> Int32? {
    let count = group.pointee.members.count
    let start = Int(random.below(UInt32(count)))
    for offset in 0..<count {
      let server = group.pointee.members[(start + offset) % count]
      let member = members[Int(server)]
      if member.takesOwnUsers && !exclusions.rules(out: member, server) && !shared.loads.isFull(server) {
        return server
      }
    }
    return nil
  }

  /// Directors of a site that say they have nobody share their trials: one request may cross in vain per check interval (rule
  /// E4), however many directors the site has.
  private mutating func countTrial(of group: UnsafeMutablePointer<Group>, besides tried: Int32, _ now: Int64) {
    for position in group.pointee.members.indices {
      let server = group.pointee.members[position]
      guard server != tried, members[Int(server)].health.liveness == .declaredDead else { continue }
      shared.trials.counts(server, now: now)
    }
  }

  // MARK: Everybody else

  private mutating func selectAny(
    _ binding: Binding, _ key: SelectionKey, _ order: Int32, _ exclusions: inout Exclusions, passingBy: Int32,
    _ now: Int64
  ) -> Selection {
    let reason: Reason =
      switch binding.presence {
      case .named: passingBy >= 0 ? .hint : .failover
      case .unknown, .expired: exclusions.tried.count > 0 ? .failover : .unknownCookie
      case .none: exclusions.tried.count > 0 ? .failover : .new
      }
    if mode == .prefix && binding.sessionHash != 0 && binding.presence != .none {
      let sessionKey = SelectionKey(clientHash: binding.sessionHash, sessionHash: binding.sessionHash)
      let chosen = replacements.select(
        sessionKey, loads: shared.loads, excluding: exclusions.tried, random: &random)
      if chosen >= 0 && !exclusions.rules(out: members[Int(chosen)], chosen) { return .server(chosen, reason, .plain) }
    }
    if let chosen = selectAdmitting(binding, key, order, exclusions, reason, passingBy: passingBy, now) {
      return chosen
    }
    let living = selectLiving(binding, order, exclusions)
    if living >= 0 { return .server(living, .draining, .plain) }
    return selectLastResort(binding, order, &exclusions, now)
  }

  /// Nobody admits new users: those that live take them all the same, the draining ones last. Users are spread over a tier
  /// by hash, so that the requests of a session meet on one server here, too (rule B5).
  private mutating func selectLiving(_ binding: Binding, _ order: Int32, _ exclusions: Exclusions) -> Int32 {
    let hash = mode == .prefix && binding.sessionHash != 0 ? binding.sessionHash : random.next()
    for state in [OperatorState.ready, .drain] {
      for rank in 0..<tierCount {
        let tier = tier(at: rank, of: order)
        var best: Int32 = -1
        var bestScore: UInt64 = 0
        for position in tiers[tier].members.indices {
          let server = tiers[tier].members[position]
          let member = members[Int(server)]
          guard member.takesOwnUsers, member.health.enabled == state, !exclusions.rules(out: member, server)
          else { continue }
          let score = StableHash.combine(hash, UInt64(server))
          if best < 0 || score > bestScore {
            best = server
            bestScore = score
          }
        }
        if best >= 0 { return best }
      }
    }
    return -1
  }

  /// The first tier with a candidate that admits new users; sites with a hint against them come after the others.
  private mutating func selectAdmitting(
    _ binding: Binding, _ key: SelectionKey, _ order: Int32, _ exclusions: Exclusions, _ reason: Reason,
    passingBy: Int32, _ now: Int64
  ) -> Selection? {
    var full: Int32 = -1
    var hinted: Int32 = -1
    var why = reason
    for rank in 0..<tierCount {
      let chosen = admitting(tier(at: rank, of: order), key, exclusions)
      guard chosen >= 0 else { continue }
      let site = members[Int(chosen)].site
      if mode == .passive {
        let verdict: HintBoard.Verdict =
          site == passingBy ? .passBy : hintVerdict(site, .newUsers, binding, exclusions, now)
        if verdict == .probe { return .server(chosen, why, .probe) }
        if verdict == .passBy {
          if hinted < 0 { hinted = chosen }
          why = .hint
          continue
        }
      }
      if spill && shared.loads.isFullForNewUsers(chosen) {
        if full < 0 { full = chosen }
        continue
      }
      return .server(chosen, why, .plain)
    }
    if full >= 0 { return .server(full, why, .plain) }
    if hinted >= 0 { return .server(hinted, reason, .plain) }
    return nil
  }

  /// A candidate of the tier that admits new users, one with a free slot if there is any; -1: none.
  private mutating func admitting(_ tier: Int, _ key: SelectionKey, _ exclusions: Exclusions) -> Int32 {
    // Not `tiers[tier]`: under ThreadSanitizer the compiler takes the subscript for an access to all of `self`.
    let place = tiers + tier
    let chosen = place.pointee.admitting.select(
      key, loads: shared.loads, excluding: exclusions.tried, random: &random)
    if chosen < 0 { return -1 }
    let isOut = exclusions.rules(out: members[Int(chosen)], chosen)
    // A hash binds a client to its server: only where the alternative is another tier it gives way to load.
    let mindsLoad = spill || mindsLoad
    if !isOut && !(mindsLoad && shared.loads.isFullForNewUsers(chosen)) { return chosen }
    // The site of the choice is ruled out (a tier may hold several), or its slots are taken.
    var found = isOut ? -1 : chosen
    let count = tiers[tier].members.count
    let start = Int(random.below(UInt32(count)))
    for offset in 0..<count {
      let server = tiers[tier].members[(start + offset) % count]
      let member = members[Int(server)]
      guard member.admits, !exclusions.rules(out: member, server) else { continue }
      if !(mindsLoad && shared.loads.isFullForNewUsers(server)) { return server }
      if found < 0 { found = server }
    }
    return found
  }

  private enum LastResortPass: CaseIterable { case own, living, vouched, heard, any }

  /// Everybody is believed down: one that a trial has just reached, else the first not in maintenance is tried before an
  /// error (rule C3), further ones only as trials; those that others try just now are awaited.
  ///
  /// An office takes directors first that say themselves that their site has nobody: they were heard, and pass the request on
  /// to another site, while those that are silent are most likely as good as gone.
  ///
  /// Those that live come before all: they are only past the deadline of their drain (rule F2), and the one that has the session is
  /// the best of them.
  private func selectLastResort(
    _ binding: Binding, _ order: Int32, _ exclusions: inout Exclusions, _ now: Int64
  ) -> Selection {
    var pending: Int32 = -1
    for pass in LastResortPass.allCases {
      if pass == .heard && mode != .passive { continue }
      if pass == .own && binding.group < 0 { continue }
      for rank in 0..<tierCount {
        let tier = tier(at: rank, of: order)
        for position in tiers[tier].members.indices {
          let server = tiers[tier].members[position]
          let member = members[Int(server)]
          guard member.health.enabled != .maintenance, !exclusions.rules(out: member, server) else { continue }
          if pass == .own || pass == .living {
            guard member.health.takesOwnUsers, pass == .living || member.group == binding.group else { continue }
            return .server(server, .lastResort, .plain)
          }
          if pass == .heard && member.health.liveness != .declaredDead { continue }
          if pass == .vouched {
            guard shared.trials.vouches(server, now: now, interval: member.trialInterval) else { continue }
            return .server(server, .lastResort, .plain)
          }
          let holdsTrial = shared.trials.begin(server, now: now, interval: member.trialInterval)
          if holdsTrial || exclusions.lastResorts == 0 {
            exclusions.lastResorts += 1
            return .server(server, .lastResort, holdsTrial ? .trial : .plain)
          }
          if pending < 0 && isToBeAwaited(server, exclusions, now) { pending = server }
        }
      }
    }
    return pending >= 0 ? exclusions.await(pending) : .none
  }
}
