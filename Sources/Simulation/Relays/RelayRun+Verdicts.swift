internal import Routing
internal import Topology

/// What somebody who knows everything could have done, and the properties.
extension RelayRun {
  /// Whether a pool has a server that has taken connections since a moment, without a break, for connections that came in at a port.
  func someServer(of pool: Int32, port: UInt16, since: Int64, depth: Int) -> Bool {
    network.pools[Int(pool)].candidates.indices.contains {
      takes(pool, Int32($0), port: port, since: since, depth: depth)
    }
  }

  /// The same of one server; the plan keeps new connections away from those without weight.
  private func takes(_ pool: Int32, _ server: Int32, port: UInt16, since: Int64, depth: Int) -> Bool {
    guard network.pools[Int(pool)].candidates[Int(server)].weight > 0 else { return false }
    let (target, targetPort) = network.target(pool, server, port: port)
    guard world[Int(target)].availableSince <= since else { return false }
    guard Int(target) < network.relayCount, depth < RelayNetwork.depthMax else { return true }
    guard let next = network.nextPool(target, for: pool) else { return false }
    return someServer(of: next, port: targetPort, since: since, depth: depth + 1)
  }

  /// Whether the failure of a user's attempt could have been prevented.
  func isAvoidable(_ user: Int32) -> Bool {
    let caller = callers[Int(user)]
    let entry = entry(user)
    guard !caller.metBound, world[Int(entry.relay)].availableSince <= caller.began else { return false }
    return someServer(of: entry.pool, port: entry.port, since: caller.began, depth: 1)
  }

  /// Judges a failure that could have been prevented. Until the checks' time is over relays cannot know that a server says nothing, nor
  /// that there are more dead ones than they may try.
  mutating func judgeFailure(_ user: Int32, _ failure: Failure) {
    guard isAvoidable(user) else { return }
    let entry = entry(user)
    if isExcused(entry.pool, since: callers[Int(user)].began, isSilence: failure == .timedOut, depth: 1) { return }
    let relay = network.elements[Int(entry.relay)].name
    let how =
      switch failure {
      case .refused: "refused"
      case .closed: "closed without a server"
      case .timedOut: "given up after \(Duration.nanoseconds(RelayHabits.patience).text) of silence"
      }
    avoidable.add(
      at: callers[Int(user)].began, user: Int(user),
      "a connection to \(entry.address) was \(how) although a server of \(relay) took connections all the time")
  }

  private func isExcused(_ pool: Int32, since: Int64, isSilence: Bool, depth: Int) -> Bool {
    let model = network.pools[Int(pool)]
    var fresh = 0
    for candidate in model.candidates {
      let truth = world[Int(candidate.element)]
      let bound = candidate.check?.model.detectionBound ?? 0
      if truth.failedAt >= 0 && truth.failedAt + bound >= since { fresh += 1 }
    }
    if isSilence ? fresh > 0 : fresh >= model.plan.retries.attemptsMax { return true }
    guard depth < RelayNetwork.depthMax else { return false }
    // Relays behind this one.
    return model.candidates.indices.contains { server in
      let (target, _) = network.target(pool, Int32(server), port: 0)
      guard Int(target) < network.relayCount, let next = network.nextPool(target, for: pool) else { return false }
      return isExcused(next, since: since, isSilence: isSilence, depth: depth + 1)
    }
  }

  /// Judges a connection that has come to a backup.
  mutating func judgeBackups(_ user: Int32) {
    let caller = callers[Int(user)]
    guard caller.usedBackup, !caller.metBound else { return }
    for place in 0..<caller.depth {
      let leg = legs[Int(firstLeg(user) + place)]
      guard leg.pool >= 0, leg.isConnected else { continue }
      let pool = network.pools[Int(leg.pool)]
      let tier = pool.candidates[Int(leg.exchange.server)].tier
      for (server, candidate) in pool.candidates.enumerated() where candidate.tier < tier {
        // A full one, or one that is never checked, is nothing to wait for.
        guard let check = candidate.check, pool.plan.pool.servers[server].maxConnections == 0,
          takes(leg.pool, Int32(server), port: leg.port, since: caller.began - check.returnBound, depth: Int(place) + 1)
        else { continue }
        let (address, backup) = (entry(user).address, pool.candidates[Int(leg.exchange.server)].name)
        let bound = Duration.nanoseconds(check.returnBound).text
        late.add(
          at: caller.began, user: Int(user),
          "a connection to \(address) went to \(backup), a backup, although \(candidate.name) had taken connections for \(bound)"
        )
      }
    }
  }
}
