internal import Topology

/// The order in which candidates are taken (rules B1, B5, C2, C3, D2, E2, E3, F2).
extension Pool {
  /// Where one attempt goes.
  public enum Selection: Sendable, Equatable {
    /// To this server. `isProbe`: it renews or ends a hint.
    case server(Int32, Reason, isProbe: Bool)
    /// Another request tries this server just now, and its outcome decides whether a session is lost: wait for it.
    case awaitTrial(Int32)
    /// Nobody is left.
    case none
  }

  /// What earlier attempts of the request rule out.
  public struct Exclusions: Sendable {
    /// Servers tried.
    public var tried = TriedServers()
    /// Sites (by index, the first 64) that said they have no server to offer.
    public var sites: UInt64 = 0
    /// Servers tried although everything was believed down.
    public var lastResorts: UInt8 = 0
    /// The trial of the session's server was awaited already.
    public var awaitedTrial = false

    /// Nothing tried yet.
    public init() {}

    func rules(out member: Member, _ server: Int32) -> Bool {
      tried.contains(server) || (member.site < 64 && sites & (1 << UInt64(member.site)) != 0)
    }
  }

  /// The server of the next attempt of a request.
  public mutating func select(
    _ binding: Binding, key: SelectionKey, excluding exclusions: inout Exclusions, now: Int64
  ) -> Selection {
    var passBy: Int32 = -1
    if binding.group >= 0 {
      let site = groups[Int(binding.group)].site
      let verdict =
        mode == .passive ? hintVerdict(site, .ownUsers, binding.group, exclusions, now) : .clear
      if verdict == .passBy {
        passBy = site
      } else {
        let own = selectOwn(binding, key, &exclusions, now)
        if case .server(let server, let reason, _) = own {
          return .server(server, reason, isProbe: verdict == .probe)
        }
        if own != .none { return own }
      }
    }
    return selectAny(binding, key, &exclusions, passingBy: passBy, now)
  }

  private func hintVerdict(
    _ site: Int32, _ audience: HintBoard.Audience, _ group: Int32, _ exclusions: Exclusions, _ now: Int64
  ) -> HintBoard.Verdict {
    guard shared.hints.isSet(site: Int(site)) else { return .clear }
    // A retry never becomes the probe: its first attempt had the choice.
    if exclusions.tried.count > 0 { return .passBy }
    let member = group >= 0 ? groups[Int(group)].members[0] : firstMember(of: site)
    guard members[Int(member)].health.takesOwnUsers else { return .clear }
    return shared.hints.verdict(
      site: Int(site), for: audience, now: now, interval: members[Int(member)].hintInterval)
  }

  private func firstMember(of site: Int32) -> Int32 {
    for index in 0..<serverCount where members[index].site == site { return Int32(index) }
    return 0
  }

  // MARK: The servers a cookie names

  private mutating func selectOwn(
    _ binding: Binding, _ key: SelectionKey, _ exclusions: inout Exclusions, _ now: Int64
  ) -> Selection {
    let group = groups + Int(binding.group)
    let chosen = group.pointee.balancer.select(
      key, loads: shared.loads, excluding: exclusions.tried, random: &random)
    if chosen >= 0 && !exclusions.rules(out: members[Int(chosen)], chosen) {
      return .server(chosen, .cookie, isProbe: false)
    }
    var pending: Int32 = -1
    for position in group.pointee.members.indices {
      let server = group.pointee.members[position]
      let member = members[Int(server)]
      guard member.health.enabled != .maintenance, member.health.liveness != .alive,
        !exclusions.rules(out: member, server)
      else { continue }
      if persist { return .server(server, .trial, isProbe: false) }
      // A node that says itself that it has nobody is asked again by its checks; a request follows once per check interval.
      let interval = member.health.liveness == .declaredDead ? member.hintInterval : member.trialInterval
      if shared.trials.begin(server, now: now, interval: interval) {
        return .server(server, .trial, isProbe: false)
      }
      // At an office other ways to the same session are left; elsewhere the session would be lost, so the trial is awaited.
      if mode != .passive && !exclusions.awaitedTrial
        && shared.trials.isPending(server, now: now, bound: connectTimeout * 2)
      {
        pending = server
      }
    }
    if pending >= 0 {
      exclusions.awaitedTrial = true
      return .awaitTrial(pending)
    }
    return .none
  }

  // MARK: Everybody else

  private mutating func selectAny(
    _ binding: Binding, _ key: SelectionKey, _ exclusions: inout Exclusions, passingBy: Int32, _ now: Int64
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
      if chosen >= 0 { return .server(chosen, reason, isProbe: false) }
    }
    if let chosen = selectAdmitting(key, exclusions, reason, passingBy: passingBy, now) { return chosen }
    // Nobody admits new users: those that live take them all the same, the draining ones last.
    for readyOnly in [true, false] {
      for tier in 0..<tierCount {
        for position in tiers[tier].members.indices {
          let server = tiers[tier].members[position]
          let member = members[Int(server)]
          guard member.health.takesOwnUsers, !readyOnly || member.health.enabled == .ready,
            !exclusions.rules(out: member, server)
          else { continue }
          return .server(server, .draining, isProbe: false)
        }
      }
    }
    return selectLastResort(&exclusions, now)
  }

  /// The first tier with a candidate that admits new users; sites with a hint against them come after the others.
  private mutating func selectAdmitting(
    _ key: SelectionKey, _ exclusions: Exclusions, _ reason: Reason, passingBy: Int32, _ now: Int64
  ) -> Selection? {
    var full: Int32 = -1
    var hinted: Int32 = -1
    var why = reason
    for tier in 0..<tierCount {
      let chosen = admitting(tier, key, exclusions)
      guard chosen >= 0 else { continue }
      let site = members[Int(chosen)].site
      if mode == .passive {
        let verdict: HintBoard.Verdict =
          site == passingBy ? .passBy : hintVerdict(site, .newUsers, -1, exclusions, now)
        if verdict == .probe { return .server(chosen, why, isProbe: true) }
        if verdict == .passBy {
          if hinted < 0 { hinted = chosen }
          why = .hint
          continue
        }
      }
      if spill && shared.loads.isFull(chosen) {
        if full < 0 { full = chosen }
        continue
      }
      return .server(chosen, why, isProbe: false)
    }
    if full >= 0 { return .server(full, why, isProbe: false) }
    if hinted >= 0 { return .server(hinted, reason, isProbe: false) }
    return nil
  }

  private mutating func admitting(_ tier: Int, _ key: SelectionKey, _ exclusions: Exclusions) -> Int32 {
    let chosen = tiers[tier].admitting.select(
      key, loads: shared.loads, excluding: exclusions.tried, random: &random)
    if chosen < 0 || !exclusions.rules(out: members[Int(chosen)], chosen) { return chosen }
    // The site of the choice is ruled out; a tier may hold several sites.
    for position in tiers[tier].members.indices {
      let server = tiers[tier].members[position]
      if members[Int(server)].health.takesNewUsers && !exclusions.rules(out: members[Int(server)], server) {
        return server
      }
    }
    return -1
  }

  /// Everybody is believed down: the first not in maintenance is tried before an error (rule C3), further ones only as trials.
  private func selectLastResort(_ exclusions: inout Exclusions, _ now: Int64) -> Selection {
    for tier in 0..<tierCount {
      for position in tiers[tier].members.indices {
        let server = tiers[tier].members[position]
        let member = members[Int(server)]
        guard member.health.enabled != .maintenance, !exclusions.rules(out: member, server) else { continue }
        let mayTry = shared.trials.begin(server, now: now, interval: member.trialInterval)
        if mayTry || exclusions.lastResorts == 0 {
          exclusions.lastResorts += 1
          return .server(server, .lastResort, isProbe: false)
        }
      }
    }
    return .none
  }
}
