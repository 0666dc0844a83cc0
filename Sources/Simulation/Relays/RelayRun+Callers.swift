internal import Routing
internal import Topology

/// Users: each opens a connection, keeps it for a while, rests, and comes again.
extension RelayRun {
  enum Failure { case refused, closed, timedOut }

  /// The first leg of a user's connection.
  func firstLeg(_ user: Int32) -> Int32 { user * Int32(RelayNetwork.depthMax) }

  func caller(of leg: Int32) -> Int32 { leg / Int32(RelayNetwork.depthMax) }

  func entry(_ user: Int32) -> RelayEntry { network.entries[Int(callers[Int(user)].entry)] }

  mutating func startCallers() {
    let name = StableHash.combine(seed, StableHash.hash("callers"))
    for user in 0..<userCount {
      var random = RandomStream(seed: name, hash: UInt64(user))
      // All within two pauses: lengths are exponential, so that from then on connections end at all times.
      let first = Int64(random.fraction() * Double(2 * habits.pause))
      (callers + user).initialize(to: Caller(entry: Int32(user % network.entries.count), random: random))
      schedule(.call, Int32(user), at: first)
    }
  }

  mutating func call(_ user: Int32) {
    let caller = callers + Int(user)
    caller.pointee.state = .opening
    caller.pointee.phase = record.phase
    caller.pointee.began = now
    caller.pointee.depth = 0
    caller.pointee.usedBackup = false
    caller.pointee.metBound = false
    caller.pointee.token &+= 1
    schedule(.patience, user, token: caller.pointee.token, at: now + RelayHabits.patience)
    schedule(.reached, user, token: caller.pointee.token, at: now + 2 * ModelTimes.local)
  }

  /// The handshake with the relay is over, or another SYN has gone unanswered.
  mutating func reachesRelay(_ user: Int32) {
    let caller = callers + Int(user)
    let entry = entry(user)
    let relay = world[Int(entry.relay)]
    guard relay.isPowered else {
      // SYNs go out after 1, 3, 7 and 15 s.
      let since = now - 2 * ModelTimes.local - caller.pointee.began
      let next = 2 * since + ModelTimes.handshakeRetransmission
      return schedule(
        .reached, user, token: caller.pointee.token, at: caller.pointee.began + next + 2 * ModelTimes.local)
    }
    guard relay.isUp else { return failed(user, .refused) }
    beginLeg(firstLeg(user), pool: entry.pool, port: entry.port)
  }

  /// The server's first word has come.
  mutating func answered(_ user: Int32) {
    let caller = callers + Int(user)
    caller.pointee.state = .open
    caller.pointee.token &+= 1
    let phase = Int(caller.pointee.phase.rawValue)
    note(caller, came: true) { counts in
      counts.opened += 1
      if caller.pointee.usedBackup { counts.openedAtBackups += 1 }
    }
    record.measure(phase, now - caller.pointee.began)
    let last = legs[Int(firstLeg(user) + caller.pointee.depth) - 1]
    let server = Int(last.target) - network.relayCount
    if server >= 0 { record.bySite[record.step(caller.pointee.began) * record.siteCount + server] += 1 }
    judgeBackups(user)
    let length = max(ModelTimes.local, caller.pointee.random.exponential(mean: habits.length))
    schedule(.ended, user, token: caller.pointee.token, at: now + length)
    if world[Int(last.target)].slowness >= RelayHabits.patience { watch(user) }
  }

  mutating func ended(_ user: Int32) {
    rest(user, callers[Int(user)].random.exponential(mean: habits.pause))
  }

  mutating func failed(_ user: Int32, _ failure: Failure) {
    let caller = callers + Int(user)
    judgeFailure(user, failure)
    let isAvoidable = isAvoidable(user)
    record.errors[record.step(caller.pointee.began)] += 1
    note(caller, came: false) { counts in
      switch failure {
      case .refused: counts.refused += 1
      case .closed: counts.closed += 1
      case .timedOut: counts.timedOut += 1
      }
      if !isAvoidable { counts.failedOracle += 1 }
    }
    retry(user)
  }

  /// An established connection is found broken.
  mutating func cut(_ user: Int32) {
    counts[Int(record.phase.rawValue)].cut += 1
    ofEntry[Int(callers[Int(user)].entry)].cut += 1
    record.sessionsLost[record.step(now)] += 1
    retry(user)
  }

  /// Nothing has come over an established connection for as long as the user waits.
  mutating func stalled(_ user: Int32) {
    let last = legs[Int(firstLeg(user) + callers[Int(user)].depth) - 1]
    if world[Int(last.target)].slowness >= RelayHabits.patience { cut(user) }
  }

  /// Gives the connection up if its server stays as silent as it is.
  mutating func watch(_ user: Int32) {
    schedule(.stalled, user, token: callers[Int(user)].token, at: now + RelayHabits.patience)
  }

  private mutating func note(
    _ caller: UnsafeMutablePointer<Caller>, came: Bool, _ count: (inout RelayCounts) -> Void
  ) {
    let (phase, entry) = (Int(caller.pointee.phase.rawValue), Int(caller.pointee.entry))
    record.counts[phase].requests += 1
    counts[phase].tried += 1
    ofEntry[entry].tried += 1
    count(&counts[phase])
    count(&ofEntry[entry])
    attempts[entry].append(caller.pointee.began * 2 + (came ? 1 : 0))
  }

  private mutating func retry(_ user: Int32) {
    let half = RelayHabits.retry / 2
    rest(user, half + Int64(callers[Int(user)].random.fraction() * Double(2 * half)))
  }

  private mutating func rest(_ user: Int32, _ pause: Int64) {
    let caller = callers + Int(user)
    releaseLegs(user)
    caller.pointee.state = .away
    caller.pointee.token &+= 1
    schedule(.call, user, token: caller.pointee.token, at: now + pause)
  }
}
