internal import Routing
internal import Topology

/// The oracle's knowledge: what ran and what passed at every moment so far, and who could have reached whom.
///
/// A server can be reached from an entry if there is a way office > director > balancer > server (for local users from a director of
/// their site on) on which everything runs and packets pass both ways; what is drained is on no way from its deadline on, but may
/// still serve those who would see an error else. The way is direct if the director, the balancer and the
/// server stand at one site. All the time from one moment to another means: by one and the same way.
struct Truth {
  /// The network between two changes.
  struct Snapshot {
    var at: Int64
    var isUp: [Bool]
    /// Runs, and no drain's deadline has passed: its own users may stay (rule F2).
    var keeps: [Bool]
    var admits: [Bool]
    var cutForward: [Int32]
    var cutBackward: [Int32]
    var pairCuts: [World.PairCut]
    /// By entry, worked out when first asked for.
    var reaches: [Reach?]

    /// Leaves what held in another snapshot, too.
    mutating func restrict(to other: Snapshot) {
      for element in isUp.indices {
        isUp[element] = isUp[element] && other.isUp[element]
        keeps[element] = keeps[element] && other.keeps[element]
        admits[element] = admits[element] && other.admits[element]
      }
      cutForward += other.cutForward
      cutBackward += other.cutBackward
      pairCuts += other.pairCuts
    }
  }

  /// What an entry can reach.
  struct Reach {
    /// By server, from the first application server on: by any way; by a direct one.
    var any: [Bool]
    var direct: [Bool]
    /// By site: a direct way on which everything admits new users.
    var admitting: [Bool]
    var hasAny: Bool
  }

  private let network: NetworkModel
  private let entries: [Entry]
  private(set) var snapshots: [Snapshot] = []
  /// What was worked out for spans of several snapshots, by entry, first and last. Never gone through.
  private var windows: [UInt64: Reach] = [:]

  init(_ network: NetworkModel, population: Population) {
    self.network = network
    entries = population.entries
  }

  /// The network has changed; from now on this holds.
  mutating func remember(_ world: borrowing World, at now: Int64) {
    var isUp = [Bool](repeating: false, count: world.elementCount)
    var keeps = isUp
    var admits = isUp
    for element in 0..<world.elementCount {
      let state = world.elements[element]
      isUp[element] = state.isUp
      keeps[element] = state.isUp && !state.isDrained
      admits[element] = state.isUp && state.admits
    }
    let snapshot = Snapshot(
      at: now, isUp: isUp, keeps: keeps, admits: admits,
      cutForward: world.cutLinks.filter { world.links[Int($0)].cutForward > 0 },
      cutBackward: world.cutLinks.filter { world.links[Int($0)].cutBackward > 0 }, pairCuts: world.pairCuts,
      reaches: Array(repeating: nil, count: entries.count))
    if let last = snapshots.last, last.at == now { snapshots.removeLast() }
    snapshots.append(snapshot)
  }

  /// What could be reached from `begin` to `end` by one and the same way all the time.
  private mutating func window(_ entry: Int, _ begin: Int64, _ end: Int64) -> Reach {
    var last = snapshots.count - 1
    while last > 0 && snapshots[last].at > end { last -= 1 }
    var first = last
    while first > 0 && snapshots[first].at > begin { first -= 1 }
    if first == last { return reach(entry, last) }
    let key = UInt64(entry) << 40 | UInt64(first) << 20 | UInt64(last)
    if let known = windows[key] { return known }
    var common = snapshots[first]
    for index in first + 1...last { common.restrict(to: snapshots[index]) }
    let found = compute(entry, common)
    windows[key] = found
    return found
  }

  /// Some server could be reached all the time.
  mutating func isServable(_ entry: Int, _ begin: Int64, _ end: Int64) -> Bool {
    window(entry, begin, end).hasAny
  }

  /// This server (an element) could be reached all the time.
  mutating func isReachable(_ entry: Int, _ server: Int32, _ begin: Int64, _ end: Int64) -> Bool {
    let position = Int(server) - network.firstServer
    guard position >= 0 else { return false }
    return window(entry, begin, end).any[position]
  }

  /// This server could be reached without going from site to site.
  mutating func isDirect(_ entry: Int, _ server: Int32, _ begin: Int64, _ end: Int64) -> Bool {
    let position = Int(server) - network.firstServer
    guard position >= 0 else { return false }
    return window(entry, begin, end).direct[position]
  }

  /// Some server of a site could be reached at some moment.
  mutating func wasServed(_ entry: Int, site: Int32, _ begin: Int64, _ end: Int64) -> Bool {
    let servers = positions(site)
    for index in snapshots.indices.reversed() where snapshots[index].at <= end {
      let reach = reach(entry, index)
      if servers.contains(where: { reach.any[$0] }) { return true }
      if snapshots[index].at <= begin { break }
    }
    return false
  }

  /// Some server of a site could be reached all the time without going from site to site.
  mutating func isDirect(_ entry: Int, site: Int32, _ begin: Int64, _ end: Int64) -> Bool {
    let servers = positions(site)
    let reach = window(entry, begin, end)
    return servers.contains { reach.direct[$0] }
  }

  private func positions(_ site: Int32) -> Range<Int> {
    let servers = network.serversOfSite[Int(site)]
    return servers.lowerBound - network.firstServer..<servers.upperBound - network.firstServer
  }

  /// The site took new users of the entry, without going from site to site.
  mutating func admits(_ entry: Int, _ site: Int32, _ begin: Int64, _ end: Int64) -> Bool {
    window(entry, begin, end).admitting[Int(site)]
  }

  /// Some site took new users of the entry, without going from site to site.
  mutating func admitsSomewhere(_ entry: Int, _ begin: Int64, _ end: Int64) -> Bool {
    window(entry, begin, end).admitting.contains(true)
  }

  /// Something changed from `begin` to `end`.
  func hasChanged(_ begin: Int64, _ end: Int64) -> Bool {
    for snapshot in snapshots.reversed() {
      if snapshot.at < begin { return false }
      if snapshot.at <= end && snapshot.at >= 0 { return true }
    }
    return false
  }

  /// Whether the element can be reached from the entry now, for the trace.
  mutating func isUpNow(_ element: Int32) -> Bool { snapshots.last?.isUp[Int(element)] ?? true }

  // MARK: Ways

  private mutating func reach(_ entry: Int, _ index: Int) -> Reach {
    if let known = snapshots[index].reaches[entry] { return known }
    let found = compute(entry, snapshots[index])
    snapshots[index].reaches[entry] = found
    return found
  }

  private func compute(_ number: Int, _ snapshot: Snapshot) -> Reach {
    let entry = entries[number]
    let serverCount = network.elements.count - network.firstServer
    var reach = Reach(
      any: Array(repeating: false, count: serverCount), direct: Array(repeating: false, count: serverCount),
      admitting: Array(repeating: false, count: network.siteCount), hasAny: false)
    for director in directors(entry, snapshot) {
      let home = network.elements[Int(director)].site
      for site in 0..<network.siteCount {
        let isHome = Int32(site) == home
        for balancer in network.balancersOfSite[site]
        where snapshot.isUp[Int(balancer)] && talk(director, balancer, snapshot) {
          for server in network.serversOfSite[site] where snapshot.isUp[server] {
            guard talk(balancer, Int32(server), snapshot) else { continue }
            reach.hasAny = true
            guard keeps(entry, director, snapshot), snapshot.keeps[Int(balancer)], snapshot.keeps[server] else {
              continue
            }
            reach.any[server - network.firstServer] = true
            guard isHome else { continue }
            reach.direct[server - network.firstServer] = true
            if snapshot.admits[Int(director)] && snapshot.admits[Int(balancer)] && snapshot.admits[server] {
              reach.admitting[site] = true
            }
          }
        }
      }
    }
    return reach
  }

  /// Nobody but offices asks whether a director is drained: local users go to those of their site.
  private func keeps(_ entry: Entry, _ director: Int32, _ snapshot: Snapshot) -> Bool {
    entry.site >= 0 || snapshot.keeps[Int(director)]
  }

  private func directors(_ entry: Entry, _ snapshot: Snapshot) -> [Int32] {
    if entry.site >= 0 { return entry.elements.filter { snapshot.isUp[Int($0)] } }
    guard let office = entry.elements.first, snapshot.isUp[Int(office)] else { return [] }
    var found: [Int32] = []
    for pool in network.nodes[Int(office)].pools {
      for candidate in network.pools[pool].candidates
      where snapshot.isUp[Int(candidate.element)] && !found.contains(candidate.element)
        && talk(office, candidate.element, snapshot)
      {
        found.append(candidate.element)
      }
    }
    return found
  }

  /// Packets pass both ways.
  private func talk(_ first: Int32, _ second: Int32, _ snapshot: Snapshot) -> Bool {
    if snapshot.pairCuts.contains(World.PairCut(from: first, to: second)) { return false }
    if snapshot.pairCuts.contains(World.PairCut(from: second, to: first)) { return false }
    if snapshot.cutForward.isEmpty && snapshot.cutBackward.isEmpty { return true }
    let from = network.elements[Int(first)].place
    let to = network.elements[Int(second)].place
    guard from != to, let path = network.link(between: from, and: to) else { return true }
    return !snapshot.cutForward.contains(path.link) && !snapshot.cutBackward.contains(path.link)
  }
}
