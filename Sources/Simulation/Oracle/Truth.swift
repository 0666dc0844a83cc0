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
/// Where the nodes at which users enter share an address, all ways begin at the one that has it, and there is none while nobody has it.
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
    /// Relays that do not run; mostly none.
    var closedRelays: [Int32]
    /// The files that nodes went by, as in `World`: one such list, or for a span of time all that occurred.
    var versions: [[UInt8]]
    /// By entry, as in `World`: who has the address.
    var holders: [Int32]
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
      closedRelays += other.closedRelays
      for entry in holders.indices where holders[entry] != other.holders[entry] { holders[entry] = -1 }
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

  let network: NetworkModel
  let entries: [Entry]
  let applicationCount: Int
  var snapshots: [Snapshot] = []
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
      isOpen[element] = state.isUp && (element < network.firstServer ? state.softStops == 0 : state.pagesGone == 0)
    }
    let snapshot = Snapshot(
      at: now, isUp: isUp, wasUp: isUp, keeps: keeps, admits: admits, isOpen: isOpen,
      cutForward: world.cutLinks.filter { world.links[Int($0)].cutForward > 0 },
      cutBackward: world.cutLinks.filter { world.links[Int($0)].cutBackward > 0 }, pairCuts: world.pairCuts,
      links: world.changedLinks.map {
        LinkCondition(link: $0, latency: world.links[Int($0)].latency, loss: world.links[Int($0)].loss)
      },
      slow: slow, closedRelays: world.relays.indices.filter { !world.relays[$0].isUp }.map { Int32($0) },
      versions: [world.versions], holders: world.holders,
      reaches: Array(repeating: nil, count: entries.count * applicationCount))
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

  /// Some element of an entry did not run at some time from `begin` to `end`; where its elements share an address: nobody who ran had
  /// it, or it moved.
  func hasFallen(_ entry: Int, _ begin: Int64, _ end: Int64) -> Bool {
    var holder: Int32?
    for snapshot in snapshots.reversed() where snapshot.at <= end {
      if snapshot.holders[entry] != World.withoutAddress {
        guard snapshot.holders[entry] >= 0, snapshot.isUp[Int(snapshot.holders[entry])] else { return true }
        if let holder, holder != snapshot.holders[entry] { return true }
        holder = snapshot.holders[entry]
      } else if entries[entry].elements.contains(where: { !snapshot.isUp[Int($0)] }) {
        return true
      }
      if snapshot.at <= begin { break }
    }
    return false
  }

  /// Whether the element can be reached from the entry now, for the trace.
  mutating func isUpNow(_ element: Int32) -> Bool { snapshots.last?.isUp[Int(element)] ?? true }
}
