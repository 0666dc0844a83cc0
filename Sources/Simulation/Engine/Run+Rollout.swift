internal import Routing
internal import Topology

/// A node takes over another file in place, as at SIGHUP: it goes on with the same process, and requests under way end by the plan
/// they began with. What both files say of an application alike is not touched. Where they differ there is a new pool: what is
/// known of a candidate's life, the operator's drains and kept connections stay; hints, positions of rotations and learned weights
/// begin anew, and so do the checks' intervals.
extension Run {
  mutating func adopt(_ node: Int, _ version: UInt8) {
    guard !world.versions.isEmpty, world.versions[node] != version else { return }
    let old = network.versions[Int(world.versions[node])][node]
    let new = network.versions[Int(version)][node]
    world.versions[node] = version
    for application in 0..<network.applicationCount {
      let (from, to) = (Int(old.poolOf[application]), Int(new.poolOf[application]))
      guard from != to else { continue }
      if from >= 0 { close(from) }
      if to >= 0 { open(to, after: from) }
      nodePools[node * applications + application] = Int32(to)
    }
    for user in network.users[Int32(node)] {
      candidate(user.pool, user.server).pointee.childPool = poolOf(
        Int32(node), network.pools[Int(user.pool)].application)
    }
    for (index, entry) in population.entries.enumerated() where entry.elements.contains(Int32(node)) {
      for application in 0..<network.applicationCount {
        entryPools[index * applications + application] = enteredPool(index, application)
      }
      let pools = entry.elements.flatMap { element in
        (0..<network.applicationCount).map { Int(poolOf(element, $0)) }.filter { $0 >= 0 }
      }
      verdicts.setOrder(Allowances.order(entry, network, pools), of: index, at: now)
      entrySites[index] = verdicts.newUsers.preferred(index)
    }
  }

  /// Nothing begins by the pool any more.
  private mutating func close(_ pool: Int) {
    poolStates[pool].isActive = false
    for check in 0..<Int(poolStates[pool].checkCount) {
      let probe = probes + Int(poolStates[pool].firstCheck) + check
      probe.pointee.token &+= 1
      probe.pointee.isRunning = false
      probe.pointee.isDueAgain = false
      // No evidence makes it begin again.
      probe.pointee.due = .min
    }
  }

  /// A pool begins where the node's pool before it, if there was one, left off.
  private mutating func open(_ pool: Int, after old: Int) {
    poolStates[pool].isActive = true
    if old >= 0 { poolStates[pool].knowsAttributes = poolStates[old].knowsAttributes }
    let plan = application(network.pools[pool]).pool
    for server in 0..<poolStates[pool].candidateCount {
      let fresh = ServerHealth(plan: plan.servers[Int(server)])
      let here = position(Int32(pool), server)
      if let before = old >= 0 ? sameCandidate(Int32(pool), server, in: Int32(old)) : nil {
        health[here] = Self.carried(health[position(Int32(old), before)], into: fresh, now: now)
        keepIdle(Int32(pool), server, from: Int32(old), before)
      } else {
        // The operator's will holds for the candidate, whoever knows it.
        var new = fresh
        let enabled = health[here].enabled
        if enabled != .ready { _ = new.setEnabled(enabled, drainDeadline: health[here].drainDeadline, now: now) }
        health[here] = new
      }
      publish(Int32(pool), server)
    }
    for check in 0..<Int(poolStates[pool].checkCount) {
      let number = Int(poolStates[pool].firstCheck) + check
      startProbe(number, network.pools[pool].checks[check], isFirst: false)
      // The check's own memory of its verdict, by which it chooses the next interval.
      let position = position(Int32(pool), probes[number].server)
      let verdict =
        probes[number].which == .admission ? health[position].admissionCheck : health[position].livenessCheck
      if let verdict { probes[number].state = verdict }
    }
  }

  /// A candidate's number in the node's pool before.
  private func sameCandidate(_ pool: Int32, _ server: Int32, in old: Int32) -> Int32? {
    let element = candidate(pool, server).pointee.element
    return (0..<poolStates[Int(old)].candidateCount).first { candidate(old, $0).pointee.element == element }
  }

  /// Kept connections go on, those used last where there is room for fewer.
  private mutating func keepIdle(_ pool: Int32, _ server: Int32, from old: Int32, _ before: Int32) {
    let (mine, theirs) = (candidate(pool, server), candidate(old, before))
    mine.pointee.idleCount = 0
    guard theirs.pointee.idleCount > 0, let kept = theirs.pointee.idle else { return }
    let most = poolStates[Int(pool)].pooledMax
    if mine.pointee.idle == nil { mine.pointee.idle = .allocate(capacity: max(1, Int(most))) }
    let count = min(theirs.pointee.idleCount, most)
    mine.pointee.idle?.update(from: kept + Int(theirs.pointee.idleCount - count), count: Int(count))
    mine.pointee.idleCount = count
    theirs.pointee.idleCount = 0
  }

  /// What is known of a candidate, by checks that may be others.
  private static func carried(_ old: ServerHealth, into fresh: ServerHealth, now: Int64) -> ServerHealth {
    var health = fresh
    var said = MonitorStatement(admit: false, alive: false, drainDeadline: old.drainDeadline)
    if old.liveness == .declaredDead {
      _ = health.record(.liveness, statement: said, now: now)
    } else if old.liveness == .unreachable {
      for _ in 0..<1_000 where health.livenessCheck?.isUp == true {
        _ = health.record(.liveness, success: false, now: now)
      }
    } else if old.admissionCheck?.isUp == false {
      for _ in 0..<1_000 where health.admissionCheck?.isUp == true {
        _ = health.record(.admission, success: false, now: now)
      }
    } else if !old.admit {
      said.alive = true
      _ = health.record(.liveness, statement: said, now: now)
    }
    if old.enabled != .ready { _ = health.setEnabled(old.enabled, drainDeadline: old.drainDeadline, now: now) }
    return health
  }
}
