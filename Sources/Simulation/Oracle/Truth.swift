internal import Routing
internal import Topology

/// The oracle's knowledge: what ran and what passed at every moment so far, and who could have reached whom.
///
/// A server can be reached from an entry if there is a way office > director > balancer > server (for local users from a director of
/// their site on) on which everything runs and packets pass both ways, in time and safely enough for connections to be made; what
/// is drained is on no way from its deadline on, but may still serve those who would see an error else. The way is direct if the
/// director, the balancer and the server stand at one site. A session can be reached by a direct way on which the checks of each
/// step pass, or if the directors of all other sites can reach it so, whichever an office may ask: one that cannot serves the user
/// itself (rule D2). (What fails its checks may still answer, as a slow machine does, but nobody may count on it.) A way takes new
/// users if, besides, none of its nodes and servers is drained or stops. All the time from one moment to another means: by one and
/// the same way.
///
/// Ways are those of one application; a vantage is an entry with an application, numbered by both.
struct Truth {
  /// The network between two changes.
  struct Snapshot {
    var at: Int64
    var isUp: [Bool]
    /// Ran at some time.
    var wasUp: [Bool]
    /// Runs, and no drain's deadline has passed: its own users may stay (rule F2).
    var keeps: [Bool]
    var admits: [Bool]
    /// Runs, and its monitor is open.
    var isOpen: [Bool]
    var cutForward: [Int32]
    var cutBackward: [Int32]
    var pairCuts: [World.PairCut]
    /// Links that are not as on an ordinary day, and elements that are slow; mostly none.
    var links: [LinkCondition]
    var slow: [Slowness]
    /// The files that nodes went by, as in `World`: one such list, or for a span of time all that occurred.
    var versions: [[UInt8]]
    /// By vantage, worked out when first asked for.
    var reaches: [Reach?]

    /// Leaves what held in another snapshot, too.
    mutating func restrict(to other: Snapshot) {
      for element in isUp.indices {
        isUp[element] = isUp[element] && other.isUp[element]
        wasUp[element] = wasUp[element] || other.wasUp[element]
        keeps[element] = keeps[element] && other.keeps[element]
        admits[element] = admits[element] && other.admits[element]
        isOpen[element] = isOpen[element] && other.isOpen[element]
      }
      cutForward += other.cutForward
      cutBackward += other.cutBackward
      pairCuts += other.pairCuts
      links += other.links
      slow += other.slow
      for versions in other.versions where !self.versions.contains(versions) { self.versions.append(versions) }
    }
  }

  /// How a link is while it is not as usual.
  struct LinkCondition {
    var link: Int32
    var latency: Int64
    var loss: Double
  }

  /// What an element adds to each answer.
  struct Slowness {
    var element: Int32
    var nanoseconds: Int64
  }

  /// What can be reached from a vantage.
  struct Reach {
    /// By server, from the first application server on: by a direct way; by a detour, whichever the entry may take.
    var direct: [Bool]
    var detour: [Bool]
    /// By site: a direct way to some server, and the entry can ask its director's monitor.
    var heard: [Bool]
    /// By site: a direct way on which everything admits new users.
    var admitting: [Bool]
    var hasAny: Bool
  }

  private let network: NetworkModel
  private let entries: [Entry]
  private let applicationCount: Int
  private(set) var snapshots: [Snapshot] = []
  /// What was worked out for spans of several snapshots, by vantage, first and last. Never gone through.
  private var windows: [UInt64: Reach] = [:]

  init(_ network: NetworkModel, population: Population) {
    self.network = network
    entries = population.entries
    applicationCount = max(1, network.applicationCount)
  }

  /// The network has changed; from now on this holds.
  mutating func remember(_ world: borrowing World, at now: Int64) {
    var isUp = [Bool](repeating: false, count: world.elementCount)
    var keeps = isUp
    var admits = isUp
    var isOpen = isUp
    var slow: [Slowness] = []
    for element in 0..<world.elementCount {
      let state = world.elements[element]
      if state.slowness > 0 { slow.append(Slowness(element: Int32(element), nanoseconds: state.slowness)) }
      isUp[element] = state.isUp
      keeps[element] = state.isUp && !state.isDrained
      admits[element] = state.isUp && state.admits
      isOpen[element] = state.isUp && state.softStops == 0
    }
    let snapshot = Snapshot(
      at: now, isUp: isUp, wasUp: isUp, keeps: keeps, admits: admits, isOpen: isOpen,
      cutForward: world.cutLinks.filter { world.links[Int($0)].cutForward > 0 },
      cutBackward: world.cutLinks.filter { world.links[Int($0)].cutBackward > 0 }, pairCuts: world.pairCuts,
      links: world.changedLinks.map {
        LinkCondition(link: $0, latency: world.links[Int($0)].latency, loss: world.links[Int($0)].loss)
      },
      slow: slow, versions: [world.versions], reaches: Array(repeating: nil, count: entries.count * applicationCount))
    if let last = snapshots.last, last.at == now {
      // Another change of the same moment: what was asked between the two does not hold.
      snapshots.removeLast()
      windows.removeAll()
    }
    snapshots.append(snapshot)
  }

  /// What could be reached from `begin` to `end` by one and the same way all the time.
  private mutating func window(_ vantage: Int, _ begin: Int64, _ end: Int64) -> Reach {
    var last = snapshots.count - 1
    while last > 0 && snapshots[last].at > end { last -= 1 }
    var first = last
    while first > 0 && snapshots[first].at > begin { first -= 1 }
    if first == last { return reach(vantage, last) }
    let key = UInt64(vantage) << 40 | UInt64(first) << 20 | UInt64(last)
    if let known = windows[key] { return known }
    var common = snapshots[first]
    for index in first + 1...last { common.restrict(to: snapshots[index]) }
    let found = compute(vantage, common)
    windows[key] = found
    return found
  }

  /// Some server could be reached all the time.
  mutating func isServable(_ vantage: Int, _ begin: Int64, _ end: Int64) -> Bool {
    window(vantage, begin, end).hasAny
  }

  /// This server (an element) could be reached all the time.
  mutating func isReachable(_ vantage: Int, _ server: Int32, _ begin: Int64, _ end: Int64) -> Bool {
    let position = Int(server) - network.firstServer
    guard position >= 0 else { return false }
    let reach = window(vantage, begin, end)
    return reach.direct[position] || reach.detour[position]
  }

  /// This server could be reached all the time: by a direct way since `relearning` before `begin`, or by any detour since
  /// `recovery` before. (Where the direct way has come back, one request tries it while others take the detour, until the
  /// checks have seen it.)
  mutating func couldKeep(
    _ vantage: Int, _ server: Int32, _ begin: Int64, _ end: Int64, recovery: Int64, relearning: Int64
  ) -> Bool {
    let position = Int(server) - network.firstServer
    guard position >= 0 else { return false }
    return window(vantage, begin - recovery, end).detour[position]
      || window(vantage, begin - max(recovery, relearning), end).direct[position]
  }

  /// This server could be reached without going from site to site.
  mutating func isDirect(_ vantage: Int, _ server: Int32, _ begin: Int64, _ end: Int64) -> Bool {
    let position = Int(server) - network.firstServer
    guard position >= 0 else { return false }
    return window(vantage, begin, end).direct[position]
  }

  /// Some server of a site could be reached at some moment.
  mutating func wasServed(_ vantage: Int, site: Int32, _ begin: Int64, _ end: Int64) -> Bool {
    let servers = positions(site)
    for index in snapshots.indices.reversed() where snapshots[index].at <= end {
      let reach = reach(vantage, index)
      if servers.contains(where: { reach.direct[$0] || reach.detour[$0] }) { return true }
      if snapshots[index].at <= begin { break }
    }
    return false
  }

  /// Some server of a site could be reached all the time without going from site to site, by a director whose monitor could be
  /// asked.
  mutating func isDirect(_ vantage: Int, site: Int32, _ begin: Int64, _ end: Int64) -> Bool {
    window(vantage, begin, end).heard[Int(site)]
  }

  private func positions(_ site: Int32) -> Range<Int> {
    let servers = network.serversOfSite[Int(site)]
    return servers.lowerBound - network.firstServer..<servers.upperBound - network.firstServer
  }

  /// The site took new users of the vantage, without going from site to site.
  mutating func admits(_ vantage: Int, _ site: Int32, _ begin: Int64, _ end: Int64) -> Bool {
    window(vantage, begin, end).admitting[Int(site)]
  }

  /// Some site took new users of the vantage, without going from site to site.
  mutating func admitsSomewhere(_ vantage: Int, _ begin: Int64, _ end: Int64) -> Bool {
    window(vantage, begin, end).admitting.contains(true)
  }

  /// Something changed from `begin` to `end`.
  func hasChanged(_ begin: Int64, _ end: Int64) -> Bool {
    for snapshot in snapshots.reversed() {
      if snapshot.at < begin { return false }
      if snapshot.at <= end && snapshot.at >= 0 { return true }
    }
    return false
  }

  /// Some link lost packets at some time from `begin` to `end`.
  func losesPackets(_ begin: Int64, _ end: Int64) -> Bool {
    if network.links.contains(where: { $0.loss > 0 }) { return true }
    for snapshot in snapshots.reversed() where snapshot.at <= end {
      if snapshot.links.contains(where: { $0.loss > 0 }) { return true }
      if snapshot.at <= begin { break }
    }
    return false
  }

  /// Whether the element can be reached from the entry now, for the trace.
  mutating func isUpNow(_ element: Int32) -> Bool { snapshots.last?.isUp[Int(element)] ?? true }

  // MARK: Ways

  private mutating func reach(_ vantage: Int, _ index: Int) -> Reach {
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

  private func compute(_ vantage: Int, _ snapshot: Snapshot) -> Reach {
    let entry = entries[vantage / applicationCount]
    let application = vantage % applicationCount
    let serverCount = network.elements.count - network.firstServer
    var reach = Reach(
      direct: Array(repeating: false, count: serverCount), detour: Array(repeating: false, count: serverCount),
      heard: Array(repeating: false, count: network.siteCount),
      admitting: Array(repeating: false, count: network.siteCount), hasAny: false)
    let entered = directors(entry, application, snapshot)
    for director in entered {
      let home = network.elements[Int(director.element)].site
      // Nobody but offices asks whether a director is drained: local users go to those of their site.
      let keeps = entry.site >= 0 || snapshot.keeps[Int(director.element)]
      for balancer in steps(from: director.element, application, snapshot) {
        let isHome = network.elements[Int(balancer.element)].site == home
        for server in steps(from: balancer.element, application, snapshot) {
          reach.hasAny = true
          guard keeps, snapshot.keeps[Int(balancer.element)], snapshot.keeps[Int(server.element)] else { continue }
          guard isHome, director.isHeard, balancer.isHeard, server.isHeard else { continue }
          reach.direct[Int(server.element) - network.firstServer] = true
          reach.heard[Int(home)] = true
          if director.admits && balancer.admits && server.admits { reach.admitting[Int(home)] = true }
        }
      }
    }
    addDetours(&reach, entry, application, entered, snapshot)
    return reach
  }

  /// Servers that all who may be asked besides the directors of their own site can reach.
  private func addDetours(
    _ reach: inout Reach, _ entry: Entry, _ application: Int, _ entered: [Step], _ snapshot: Snapshot
  ) {
    let asked = candidates(entry, application, snapshot).filter { snapshot.wasUp[Int($0)] }
    var passing: [[Bool]] = []
    for director in asked {
      var servers = [Bool](repeating: false, count: reach.detour.count)
      let isEntered = entered.contains { $0.element == director }
      if snapshot.isUp[Int(director)] && (entry.site >= 0 || snapshot.keeps[Int(director)] || isEntered) {
        for balancer in steps(from: director, application, snapshot)
        where balancer.isHeard && snapshot.keeps[Int(balancer.element)] {
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

  /// The directors that requests of an entry may go to.
  private func candidates(_ entry: Entry, _ application: Int, _ snapshot: Snapshot) -> [Int32] {
    guard entry.site < 0, let office = entry.elements.first else { return entry.elements }
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

  private func directors(_ entry: Entry, _ application: Int, _ snapshot: Snapshot) -> [Step] {
    if entry.site >= 0 {
      return entry.elements.filter { snapshot.isUp[Int($0)] }.map {
        Step(element: $0, admits: snapshot.admits[Int($0)], isHeard: true)
      }
    }
    guard let office = entry.elements.first, snapshot.isUp[Int(office)] else { return [] }
    return steps(from: office, application, snapshot)
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
          admits: checksPass && snapshot.admits[Int(candidate.element)] && candidate.weight > 0,
          // A server that takes no new users keeps its own: only its admission port is closed.
          isHeard: checksPass
            && (Int(candidate.element) >= network.firstServer || snapshot.isOpen[Int(candidate.element)])))
    }
    return found
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
