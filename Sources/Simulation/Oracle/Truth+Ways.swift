internal import Routing
internal import Topology

/// Ways through the network, worked out from a snapshot of it.
extension Truth {
  mutating func reach(_ vantage: Int, _ index: Int) -> Reach {
    if let known = snapshots[index].reaches[vantage] { return known }
    let found = compute(vantage, snapshots[index])
    snapshots[index].reaches[vantage] = found
    return found
  }

  /// A node, or an element that a node can connect to.
  private struct Step {
    var element: Int32
    /// Its checks pass, and it takes new users.
    var admits: Bool
    /// Its monitor can be asked, and its checks pass; for a server: the checks that tell whether it lives.
    var isHeard: Bool
  }

  func compute(_ vantage: Int, _ snapshot: Snapshot) -> Reach {
    let entry = entries[vantage / applicationCount]
    let application = vantage % applicationCount
    let serverCount = network.elements.count - network.firstServer
    var reach = Reach(
      direct: Array(repeating: false, count: serverCount), detour: Array(repeating: false, count: serverCount),
      heard: Array(repeating: false, count: network.siteCount),
      admitting: Array(repeating: false, count: network.siteCount), hasAny: false)
    let entered = directors(vantage / applicationCount, application, snapshot)
    for director in entered {
      let home = network.elements[Int(director.element)].site
      // Nobody but offices asks whether a director is drained: local users go to those of their site.
      let keeps = entry.site >= 0 || snapshot.keeps[Int(director.element)]
      for balancer in balancers(behind: director, application, snapshot) {
        let isHome = network.elements[Int(balancer.element)].site == home
        for server in steps(from: balancer.element, application, snapshot) {
          reach.hasAny = true
          guard keeps, isKept(balancer, entry, snapshot), snapshot.keeps[Int(server.element)] else { continue }
          guard isHome, director.isHeard, balancer.isHeard, server.isHeard else { continue }
          reach.direct[Int(server.element) - network.firstServer] = true
          reach.heard[Int(home)] = true
          if director.admits && balancer.admits && server.admits { reach.admitting[Int(home)] = true }
        }
      }
    }
    addDetours(&reach, vantage / applicationCount, application, entered, snapshot)
    return reach
  }

  /// Servers that all who may be asked besides the directors of their own site can reach.
  private func addDetours(
    _ reach: inout Reach, _ number: Int, _ application: Int, _ entered: [Step], _ snapshot: Snapshot
  ) {
    let entry = entries[number]
    let asked = candidates(number, application, snapshot).filter { snapshot.wasUp[Int($0)] }
    var passing: [[Bool]] = []
    for director in asked {
      var servers = [Bool](repeating: false, count: reach.detour.count)
      let isEntered = entered.contains { $0.element == director }
      if snapshot.isUp[Int(director)] && (entry.site >= 0 || snapshot.keeps[Int(director)] || isEntered) {
        let director = Step(element: director, admits: true, isHeard: true)
        for balancer in balancers(behind: director, application, snapshot)
        where balancer.isHeard && isKept(balancer, entry, snapshot) {
          for server in steps(from: balancer.element, application, snapshot)
          where server.isHeard && snapshot.keeps[Int(server.element)] {
            servers[Int(server.element) - network.firstServer] = true
          }
        }
      }
      passing.append(servers)
    }
    for server in reach.detour.indices {
      let site = network.elements[network.firstServer + server].site
      var isEntered = false
      var isReached = true
      for (index, director) in asked.enumerated() where network.elements[Int(director)].site != site || entry.site >= 0
      {
        isReached = isReached && passing[index][server]
        isEntered = isEntered || entered.contains { $0.element == director }
      }
      reach.detour[server] = isReached && isEntered
    }
  }

  /// Where local users of an entry come in: at the holder of its address, if it has one.
  private func entered(_ number: Int, _ snapshot: Snapshot) -> [Int32] {
    let holder = snapshot.holders[number]
    if holder == World.withoutAddress { return entries[number].elements }
    return holder >= 0 ? [holder] : []
  }

  /// The directors that requests of an entry may go to.
  private func candidates(_ number: Int, _ application: Int, _ snapshot: Snapshot) -> [Int32] {
    let entry = entries[number]
    guard entry.site < 0, let office = entry.elements.first else { return entered(number, snapshot) }
    var found: [Int32] = []
    for versions in snapshot.versions {
      let pool = network.pool(of: office, application, versions)
      guard pool >= 0 else { continue }
      for candidate in network.pools[Int(pool)].candidates where !found.contains(candidate.element) {
        found.append(candidate.element)
      }
    }
    return found
  }

  private func directors(_ number: Int, _ application: Int, _ snapshot: Snapshot) -> [Step] {
    let entry = entries[number]
    if entry.site >= 0 {
      return entered(number, snapshot).filter { snapshot.isUp[Int($0)] }.map {
        Step(element: $0, admits: snapshot.admits[Int($0)], isHeard: true)
      }
    }
    guard let office = entry.elements.first, snapshot.isUp[Int(office)] else { return [] }
    return steps(from: office, application, snapshot)
  }

  /// The balancers that a director can connect to; where users enter at balancers, the balancer itself.
  private func balancers(behind step: Step, _ application: Int, _ snapshot: Snapshot) -> [Step] {
    network.elements[Int(step.element)].kind == .balancer ? [step] : steps(from: step.element, application, snapshot)
  }

  /// The balancer's own users may stay. Who enters there does not ask.
  private func isKept(_ balancer: Step, _ entry: Entry, _ snapshot: Snapshot) -> Bool {
    snapshot.keeps[Int(balancer.element)] || entry.elements.contains(balancer.element)
  }

  /// The candidates of a node that run and that it can connect to, by every file that it went by.
  private func steps(from node: Int32, _ application: Int, _ snapshot: Snapshot) -> [Step] {
    if snapshot.versions.count == 1 {
      let number = network.pool(of: node, application, snapshot.versions[0])
      return number < 0 ? [] : steps(from: node, network.pools[Int(number)], snapshot)
    }
    var numbers: [Int32] = []
    for versions in snapshot.versions {
      let number = network.pool(of: node, application, versions)
      if number < 0 { return [] }
      if !numbers.contains(number) { numbers.append(number) }
    }
    guard let first = numbers.first else { return [] }
    var common = steps(from: node, network.pools[Int(first)], snapshot)
    for number in numbers.dropFirst() {
      let others = steps(from: node, network.pools[Int(number)], snapshot)
      common = common.compactMap { step in
        guard let other = others.first(where: { $0.element == step.element }) else { return nil }
        return Step(
          element: step.element, admits: step.admits && other.admits, isHeard: step.isHeard && other.isHeard)
      }
    }
    return common
  }

  private func steps(from node: Int32, _ pool: PoolModel, _ snapshot: Snapshot) -> [Step] {
    var found: [Step] = []
    for (index, candidate) in pool.candidates.enumerated() where snapshot.isUp[Int(candidate.element)] {
      guard passes(node, candidate, pool, snapshot) else { continue }
      let checksPass = checksPass(pool, Int32(index), candidate, snapshot)
      found.append(
        Step(
          element: candidate.element,
          admits: checksPass && snapshot.admits[Int(candidate.element)] && candidate.weight > 0
            && !isShut(pool, Int32(index), [.liveness, .admission], snapshot)
            && hasPage(pool, Int32(index), candidate, [.liveness, .admission], snapshot),
          // A server that takes no new users keeps its own: only its admission port is closed.
          isHeard: checksPass && !isShut(pool, Int32(index), [.liveness], snapshot)
            && hasPage(pool, Int32(index), candidate, [.liveness], snapshot)
            && (Int(candidate.element) >= network.firstServer || snapshot.isOpen[Int(candidate.element)])))
    }
    return found
  }

  /// What these checks of a server ask for is there.
  private func hasPage(
    _ pool: PoolModel, _ server: Int32, _ candidate: CandidateModel, _ which: [HealthCheck], _ snapshot: Snapshot
  ) -> Bool {
    Int(candidate.element) < network.firstServer || snapshot.isOpen[Int(candidate.element)]
      || !pool.checks.contains { $0.server == server && which.contains($0.which) && !$0.isConnect }
  }

  /// Some of these checks of a candidate ask by way of a relay that does not run.
  private func isShut(_ pool: PoolModel, _ server: Int32, _ which: [HealthCheck], _ snapshot: Snapshot) -> Bool {
    !snapshot.closedRelays.isEmpty
      && pool.checks.contains {
        $0.server == server && which.contains($0.which) && snapshot.closedRelays.contains($0.relay)
      }
  }

  /// Packets pass both ways, and a handshake is over in time.
  private func passes(_ node: Int32, _ candidate: CandidateModel, _ pool: PoolModel, _ snapshot: Snapshot) -> Bool {
    let target = candidate.element
    if snapshot.pairCuts.contains(World.PairCut(from: node, to: target)) { return false }
    if snapshot.pairCuts.contains(World.PairCut(from: target, to: node)) { return false }
    let link = candidate.path.link
    guard link >= 0 else { return true }
    if snapshot.cutForward.contains(link) || snapshot.cutBackward.contains(link) { return false }
    let (latency, loss) = condition(link, snapshot)
    return Self.connects(latency: latency, loss: loss, timeout: pool.connectTimeout)
  }

  /// The worst that held of a link.
  private func condition(_ link: Int32, _ snapshot: Snapshot) -> (latency: Int64, loss: Double) {
    var latency = network.links[Int(link)].latency
    var loss = network.links[Int(link)].loss
    for condition in snapshot.links where condition.link == link {
      latency = max(latency, condition.latency)
      loss = max(loss, condition.loss)
    }
    return (latency, loss)
  }

  /// A handshake comes to its end within the time-out, but for one in 100,000: it may lose as many packets in a row as there is time
  /// to repeat them.
  static func connects(latency: Int64, loss: Double, timeout: Int64) -> Bool {
    guard 2 * latency < timeout else { return false }
    guard loss > 0 else { return true }
    let lossOfTry = 1 - (1 - loss) * (1 - loss)
    var failure = lossOfTry
    var tries: Int64 = 1
    while ModelTimes.handshakeRetransmission * ((1 << tries) - 1) + 2 * latency < timeout && tries < 20 {
      failure *= lossOfTry
      tries += 1
    }
    return failure < 1e-5
  }

  /// Each check of a candidate is answered within its time-out.
  private func checksPass(
    _ pool: PoolModel, _ server: Int32, _ candidate: CandidateModel, _ snapshot: Snapshot
  ) -> Bool {
    let slowness = snapshot.slow.reduce(0) { $1.element == candidate.element ? max($0, $1.nanoseconds) : $0 }
    let latency = candidate.path.link >= 0 ? condition(candidate.path.link, snapshot).latency : ModelTimes.local
    guard slowness > 0 || !snapshot.links.isEmpty else { return true }
    return pool.checks.allSatisfy { check in
      check.server != server || (check.isConnect ? 2 : 4) * latency + slowness < check.timeout
    }
  }
}
