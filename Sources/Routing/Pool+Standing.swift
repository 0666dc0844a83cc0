internal import Topology

/// Where a candidate stands for one request, before an attempt is made: what the selection goes by, for people to read.
public struct Standing: Sendable, Equatable {
  /// Why a candidate is, or is not, a choice. The cases that are one come first, in the order in which `select` takes them.
  public enum Rank: UInt8, Sendable, CaseIterable {
    /// `failback: immediate` or `after`: it admits, in an earlier tier than those the cookie names (rule F1).
    case home
    /// The cookie names it, and it is believed alive.
    case named
    /// The cookie names it; it is believed down and tried all the same (rule C2).
    case namedOnTrial
    /// It admits new users, of which the request is one, or has to be.
    case admitting
    /// It admits new users, but its site just sent some elsewhere (rule E3).
    case hinted
    /// It lives, but admits nobody new; only its own users come here while there is another way (rule E2, F2).
    case living
    /// The operator drains it: only its own users come here while there is another way (rule F2).
    case draining
    /// It is believed down: tried when nobody else is left (rule C3).
    case down
    /// Its own monitor says that it has nobody to serve with: tried when nobody else is left (rule C3).
    case declaredDead
    /// This request has tried it.
    case tried
    /// Its site said to this request that it has no server to offer (rule D4).
    case siteRefused
    /// The operator has taken it out.
    case maintenance
  }
  /// The server.
  public var server: Int32
  /// The rank of its tier in the order of the request: 0 is the one it prefers.
  public var tier: Int32
  /// The request's cookie names it.
  public var isNamed: Bool
  /// Where it stands.
  public var rank: Rank
  /// All its slots are taken: the request would wait for one.
  public var isFull: Bool
  /// What is believed of its life.
  public var liveness: Liveness
}

extension Pool {
  /// Where every candidate stands for the next attempt of a request, in the pool's order. Reads only; `select` then takes
  /// the candidate of the lowest rank, within a rank the lowest tier, and within a tier the algorithm's choice.
  public func standings(
    _ binding: Binding, order: Int32 = 0, excluding exclusions: Exclusions, now: Int64
  ) -> [Standing] {
    let bound = failbackDelay < .max ? self.rank(ofGroup: binding.group, in: order) : 0
    return (0..<Int32(serverCount)).map { server in
      let member = members[Int(server)]
      let isNamed = binding.group >= 0 && member.group == binding.group
      var rank = rank(server, member, isNamed: isNamed, exclusions, now)
      let tier = self.rank(of: server, in: order)
      let isHome = tier < bound && isStable(tier: Int(member.tier), now)
      if isHome && rank == .admitting { rank = .home }
      return Standing(
        server: server, tier: tier, isNamed: isNamed, rank: rank,
        isFull: isNamed ? shared.loads.isFull(server) : shared.loads.isFullForNewUsers(server),
        liveness: member.health.liveness)
    }
  }

  private func rank(
    _ server: Int32, _ member: Member, isNamed: Bool, _ exclusions: Exclusions, _ now: Int64
  ) -> Standing.Rank {
    if exclusions.tried.contains(server) { return .tried }
    if exclusions.rules(out: member, server) { return .siteRefused }
    if member.health.enabled == .maintenance { return .maintenance }
    let audience: HintBoard.Audience = isNamed ? .ownUsers : .newUsers
    let isHinted = mode == .passive && shared.hints.passesBy(site: Int(member.site), for: audience, now: now)
    if isNamed && !isHinted {
      if member.takesOwnUsers { return .named }
      if member.mayBeTried && mayTry(server, member, exclusions, now) { return .namedOnTrial }
    }
    if member.health.takesNewUsers { return isHinted ? .hinted : .admitting }
    switch member.health.liveness {
    case .alive: return member.health.enabled == .drain || member.isDrained ? .draining : .living
    case .unreachable: return .down
    case .declaredDead: return .declaredDead
    }
  }

  /// Whether `select` would try a server of the cookie that is believed down, or await another's trial of it.
  private func mayTry(_ server: Int32, _ member: Member, _ exclusions: Exclusions, _ now: Int64) -> Bool {
    let interval = trialInterval(of: member)
    if !(mode == .passive && member.health.liveness == .declaredDead)
      && shared.trials.vouches(server, now: now, interval: member.trialInterval)
    {
      return true
    }
    if isSpared(member, now) { return false }
    return persist || shared.trials.isDue(server, now: now, interval: interval)
      || (mode != .passive && isToBeAwaited(server, exclusions, now))
  }

  /// An earlier tier that has admitted new users for as long as `failback` asks for (rule F1).
  func isStable(tier: Int, _ now: Int64) -> Bool { tiers[tier].admittingSince <= now - failbackDelay }

  /// A node that says itself that it has nobody, and is not even to be tried: at an office until a check interval after it
  /// said so (rule E4), and at a director if it stands at another site, as no request is to cross in vain (rule E2).
  func isSpared(_ member: Member, _ now: Int64) -> Bool {
    guard member.health.liveness == .declaredDead else { return false }
    return switch mode {
    case .insert: member.tier > 0
    case .passive: now - member.hintInterval < member.deadSince
    case .prefix, nil: false
    }
  }

  /// Between two trials of a server: a node that says itself that it has nobody is asked again by its checks, and a
  /// request follows once per check interval.
  func trialInterval(of member: Member) -> Int64 {
    member.health.liveness == .declaredDead ? member.hintInterval : member.trialInterval
  }
}
