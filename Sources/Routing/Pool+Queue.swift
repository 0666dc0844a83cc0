internal import Topology

/// Slots of servers with a bound on their requests: who waits for which, and to whom one that is given back goes.
extension Pool {
  /// Gives a slot back: to the first who waits for it.
  mutating func release(_ server: Int32) {
    shared.loads.release(server)
    if shared.loads.isAwaited(server) { offerSlots(of: server) }
  }

  /// The line in which a request waits that was sent to a server without a free slot: any server that takes it as well will do, where there
  /// are several.
  mutating func line(_ server: Int32, _ binding: Binding) -> SlotQueues.Line {
    let isBound = binding.group >= 0
    let member = members[Int(server)]
    if isBound && member.group == binding.group {
      let isOneOfSeveral = mindsLoad && groups[Int(member.group)].members.count > 1
      return isOneOfSeveral ? .group(member.group) : .server(server, isBound: true)
    }
    // A hash binds a client to its server, and so does the session's in which parallel requests meet (rule B5).
    let isSpreadByHash = mode == .prefix && binding.sessionHash != 0 && binding.presence != .none
    if member.admits && !isSpreadByHash {
      if spill { return .pool(isBound: isBound) }
      if mindsLoad && tiers[Int(member.tier)].members.count > 1 { return .tier(member.tier, isBound: isBound) }
    }
    return .server(server, isBound: isBound)
  }

  /// Queues a request; nil: as many wait in its line as may, `queueMax` for each server that it waits for.
  /// - Parameter arrival: as which it waits on; 0: it has not waited yet.
  mutating func join(_ line: SlotQueues.Line, waiter: Int32, arrival: UInt64) -> Int32? {
    let servers =
      switch line {
      case .server: 1
      case .tier(let tier, _): tiers[Int(tier)].members.count
      case .group(let group): groups[Int(group)].members.count
      case .pool: serverCount
      }
    return shared.queues.join(
      line, worker: worker, waiter: waiter, max: Int32(clamping: Int(queueMax) * servers), arrival: arrival,
      shared.loads)
  }

  /// Looks for a slot that was given back before the place was counted, at this server first: the server it was granted by, and the
  /// place is given up; -1: it waits.
  mutating func seekSlot(_ place: Int32, _ line: SlotQueues.Line, first: Int32) -> Int32 {
    offerSlots(of: first)
    let granted = shared.queues.take(place)
    if granted >= 0 { return granted }
    if case .server = line { return -1 }
    for word in 0..<(serverCount + 63) / 64 {
      var bits = shared.loads.slotBits(word: word)
      while bits != 0 {
        let server = Int32(word * 64 + bits.trailingZeroBitCount)
        bits &= bits - 1
        guard server != first, isFit(server, for: line) else { continue }
        offerSlots(of: server)
        let granted = shared.queues.take(place)
        if granted >= 0 { return granted }
      }
    }
    return -1
  }

  /// Grants the server's free slots to those who wait for them.
  private mutating func offerSlots(of server: Int32) {
    let member = members[Int(server)]
    let offer = SlotQueues.Offer(
      server: server, tier: member.admits ? member.tier : -1, group: member.takesOwnUsers ? member.group : -1,
      isForAll: spill && member.admits)
    freed |= shared.queues.dispatch(offer, shared.loads)
  }

  /// Who waits for several servers is given slots of those that have come back meanwhile, and everybody those that were given back by
  /// requests of another plan, or are more than before. To be called now and then while somebody waits.
  public mutating func offerSlotsToLines() {
    for server in 0..<Int32(serverCount) where shared.loads.waiting(server) > 0 { offerSlots(of: server) }
    guard shared.loads.waitingForSeveral > 0 else { return }
    for word in 0..<(serverCount + 63) / 64 {
      var bits = shared.loads.slotBits(word: word)
      while bits != 0 {
        offerSlots(of: Int32(word * 64 + bits.trailingZeroBitCount))
        bits &= bits - 1
      }
    }
  }

  /// Grants free slots to those who wait for this server alone, of which more may have been opened.
  mutating func offerSlotsIfAwaited(of server: Int32) {
    if shared.loads.waiting(server) > 0 { offerSlots(of: server) }
  }

  /// Whether somebody of the line may be given a slot, as far as is believed.
  mutating func isServed(_ line: SlotQueues.Line) -> Bool {
    switch line {
    case .server(let server, _): servesOwnUsers(server)
    case .tier(let tier, _): tiers[Int(tier)].admittingSince < .max
    case .group(let group): isUsable(group: group)
    case .pool: somebodyAdmits()
    }
  }

  /// Whether a slot of the server is one that the line waits for, as far as is believed.
  mutating func isFit(_ server: Int32, for line: SlotQueues.Line) -> Bool {
    let member = members[Int(server)]
    return switch line {
    case .server(let awaited, _): server == awaited
    case .tier(let tier, _): member.admits && member.tier == tier
    case .group(let group): member.takesOwnUsers && member.group == group
    case .pool: member.admits
    }
  }

  /// Whether one of those who serve the line is ruled out, so that a request cannot take whichever slot comes first.
  mutating func ruleOut(_ exclusions: Exclusions, _ line: SlotQueues.Line) -> Bool {
    for position in 0..<exclusions.tried.count where isOf(line, exclusions.tried[position]) { return true }
    guard exclusions.sites != 0 else { return false }
    for server in 0..<Int32(serverCount) where isOf(line, server) && exclusions.rules(out: members[Int(server)], server)
    {
      return true
    }
    return false
  }

  /// Whether the server is one that the line is for, whatever is believed of it.
  private mutating func isOf(_ line: SlotQueues.Line, _ server: Int32) -> Bool {
    switch line {
    case .server(let awaited, _): server == awaited
    case .tier(let tier, _): members[Int(server)].tier == tier
    case .group(let group): members[Int(server)].group == group
    case .pool: true
    }
  }

  /// Takes servers that have come to live since this time, and their sites, out of what attempts made before rule out.
  mutating func readmit(to exclusions: inout Exclusions, since: Int64) {
    let tried = exclusions.tried
    exclusions.tried.removeAll()
    for position in 0..<tried.count where !hasComeBack(tried[position], since) {
      exclusions.tried.insert(tried[position])
    }
    guard exclusions.sites != 0 else { return }
    for server in 0..<Int32(serverCount) where hasComeBack(server, since) && members[Int(server)].site < 64 {
      exclusions.sites &= ~(1 << UInt64(members[Int(server)].site))
    }
  }

  private mutating func hasComeBack(_ server: Int32, _ since: Int64) -> Bool {
    members[Int(server)].health.liveness == .alive && members[Int(server)].aliveSince >= since
  }

  /// Whether a tier that the order has before the server's own takes new users, and has not done so before `since`.
  mutating func admitsEarlier(than server: Int32, _ order: Int32, since: Int64) -> Bool {
    for rank in 0..<tierCount {
      let tier = tier(at: rank, of: order)
      if tier == Int(members[Int(server)].tier) { return false }
      if tiers[tier].admittingSince < .max && tiers[tier].admittingSince >= since { return true }
    }
    return false
  }

  /// Whether another server of the tier that takes new users has a free slot, and nothing rules it out.
  mutating func hasSlotBeside(_ server: Int32, _ exclusions: Exclusions) -> Bool {
    let tier = tiers + Int(members[Int(server)].tier)
    for position in tier.pointee.members.indices {
      let other = tier.pointee.members[position]
      let member = members[Int(other)]
      if member.admits && !exclusions.rules(out: member, other) && !shared.loads.isFullForNewUsers(other) {
        return true
      }
    }
    return false
  }

  /// The next of this worker's requests that was granted a slot, by the number it was begun with: tell it `slotFreed`.
  public mutating func nextGranted() -> Int32? { shared.queues.nextGranted(worker: worker) }

  /// Whether slots were granted to somebody since `takeFreed`.
  @inlinable
  public var hasFreed: Bool { mutating get { freed != 0 } }

  /// The workers to wake, by bit.
  public mutating func takeFreed() -> UInt64 {
    defer { freed = 0 }
    return freed
  }
}
