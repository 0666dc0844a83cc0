/// What is true of the network at this moment: what runs, what passes, what is slow. Nodes do not see it; their checks and
/// attempts find out.
struct World: ~Copyable {
  /// An element now.
  struct ElementState {
    /// Reasons why its process does not run.
    var kills: Int16 = 0
    /// Reasons why it has no power.
    var powerCuts: Int16 = 0
    /// Soft stops: its monitor, or its admission port, is closed.
    var softStops: Int16 = 0
    /// Reasons why what its checks ask for by HTTP is not there.
    var pagesGone: Int16 = 0
    /// Operator's drains.
    var drains: Int16 = 0
    /// Grows with each start of the process: connections and memory of an earlier one are gone.
    var epoch: UInt32 = 0
    /// When its process last ended abruptly, so that what it had not yet sent never comes.
    var brokenAt: Int64 = -1
    /// Added to each answer, in nanoseconds.
    var slowness: Int64 = 0
    /// Share of requests that the application answers with an error, and the status.
    var errorShare = 0.0
    var errorStatus: UInt16 = 500
    /// The second, from the start, by which its own users must have left; 0: no deadline.
    var drainDeadline: Int64 = 0
    /// Drains whose deadline is over: its own users have no right to it any more.
    var deadlinesOver: Int16 = 0

    var isPowered: Bool { powerCuts == 0 }
    var isUp: Bool { kills == 0 && powerCuts == 0 }
    var isDrained: Bool { deadlinesOver > 0 }
    var admits: Bool { softStops == 0 && drains == 0 }
  }

  /// A link now.
  struct LinkState {
    /// Reasons why nothing passes from the first end to the second.
    var cutForward: Int16 = 0
    var cutBackward: Int16 = 0
    /// Nothing about it is out of the ordinary: latency is all there is to it.
    var isPlain = true
    /// Nanoseconds, one way.
    var latency: Int64
    var nanosecondsPerByte: Double
    var loss: Double
    /// Until when earlier bytes occupy it, by direction.
    var busyForward: Int64 = 0
    var busyBackward: Int64 = 0
    /// What it carried.
    var bytes: UInt64 = 0
    var costPerByte: Double
    var isInterSite: Bool
    var random: RandomStream
  }

  /// A pair of elements that cannot talk, one way.
  struct PairCut: Equatable, Sendable {
    var from: Int32
    var to: Int32
  }

  // Pointers are `var`, though never set again: as in `Run`.
  var elements: UnsafeMutablePointer<ElementState>
  let elementCount: Int
  var links: UnsafeMutablePointer<LinkState>
  let linkCount: Int
  /// Cuts between single elements; mostly none.
  var pairCuts: [PairCut] = []
  /// Links on which something is cut.
  var cutLinks: [Int32] = []
  var hasPairCuts = false
  /// How many times nodes are slow now.
  var slowNodes = 0
  /// By node: the file it goes by, as in `NetworkModel.versions`; empty: nothing is rolled out.
  var versions: [UInt8] = []
  /// By relay, as in `NetworkModel.relays`.
  var relays: [RelayModel.State]
  /// By entry of the population: the element that has the address it is known by; -1: nobody has it.
  var holders: [Int32] = []
  /// In place of a holder: the entry's nodes share no address.
  static let withoutAddress: Int32 = -2
  /// Links that are slower or lose more than on an ordinary day.
  var changedLinks: [Int32] = []

  init(_ network: NetworkModel, seed: UInt64) {
    elementCount = network.elements.count
    elements = .allocate(capacity: elementCount)
    elements.initialize(repeating: ElementState(), count: elementCount)
    if network.versions.count > 1 {
      versions = Array(repeating: 0, count: network.nodeCount)
      // What only a file rolled out knows is started with it.
      for element in network.added.dropFirst().joined() { elements[Int(element)].kills = 1 }
    }
    relays = Array(repeating: RelayModel.State(), count: network.relays.count)
    linkCount = network.links.count
    links = .allocate(capacity: max(1, linkCount))
    for (index, link) in network.links.enumerated() {
      (links + index).initialize(
        to: LinkState(
          isPlain: link.nanosecondsPerByte == 0 && link.loss == 0, latency: link.latency,
          nanosecondsPerByte: link.nanosecondsPerByte, loss: link.loss, costPerByte: link.costPerByte,
          isInterSite: link.isInterSite,
          random: RandomStream(seed: seed, hash: LinkBuilder.key(link.from, link.to) &* 2 &+ 1)))
    }
  }

  deinit {
    elements.deallocate()
    links.deallocate()
  }

  /// Whether packets pass from a node to its candidate.
  @inline(__always)
  func passes(_ path: Path, from: Int32, to: Int32) -> Bool {
    if path.link >= 0 {
      let link = links + Int(path.link)
      if (path.isForward ? link.pointee.cutForward : link.pointee.cutBackward) > 0 { return false }
    }
    return !hasPairCuts || !pairCuts.contains(PairCut(from: from, to: to))
  }

  /// Whether packets pass from a candidate back to the node.
  @inline(__always)
  func returns(_ path: Path, from: Int32, to: Int32) -> Bool {
    if path.link >= 0 {
      let link = links + Int(path.link)
      if (path.isForward ? link.pointee.cutBackward : link.pointee.cutForward) > 0 { return false }
    }
    return !hasPairCuts || !pairCuts.contains(PairCut(from: from, to: to))
  }

  /// One way, for a packet that finds the link idle.
  @inline(__always)
  func latency(_ path: Path) -> Int64 { path.link >= 0 ? links[Int(path.link)].latency : ModelTimes.local }

  /// Sends bytes over a path; the moment when the last of them arrives, should nothing be cut then.
  @inline(__always)
  mutating func transmit(_ path: Path, towardsCandidate: Bool, bytes: Int, now: Int64) -> Int64 {
    guard path.link >= 0 else { return now + ModelTimes.local }
    let link = links + Int(path.link)
    link.pointee.bytes += UInt64(bytes)
    if link.pointee.isPlain { return now + link.pointee.latency }
    return transmitSlowly(link, isForward: path.isForward == towardsCandidate, bytes: bytes, now: now)
  }

  @inline(never)
  private func transmitSlowly(
    _ link: UnsafeMutablePointer<LinkState>, isForward: Bool, bytes: Int, now: Int64
  ) -> Int64 {
    // One after the other: bytes wait until those before them have left.
    let free = isForward ? link.pointee.busyForward : link.pointee.busyBackward
    let left = max(now, free) + Int64(Double(bytes) * link.pointee.nanosecondsPerByte)
    if isForward { link.pointee.busyForward = left } else { link.pointee.busyBackward = left }
    let packets = max(1, (bytes + ModelTimes.packetBytes - 1) / ModelTimes.packetBytes)
    return left + link.pointee.latency
      + Self.lossDelay(link, packets: packets, first: ModelTimes.retransmission + 2 * link.pointee.latency)
  }

  /// What lost packets cost: a time-out, twice as long as the one before if nothing got through (RFC 6298 section 5), until all have
  /// arrived.
  static func lossDelay(_ link: UnsafeMutablePointer<LinkState>, packets: Int, first: Int64) -> Int64 {
    guard link.pointee.loss > 0 else { return 0 }
    var missing = min(packets, 64)
    var delay: Int64 = 0
    var timeout = first
    for _ in 0..<10 {
      var lost = 0
      for _ in 0..<missing where link.pointee.random.chance(link.pointee.loss) { lost += 1 }
      if lost == 0 { break }
      delay += timeout
      timeout = lost == missing ? timeout * 2 : first
      missing = lost
    }
    return delay
  }

  /// What a handshake, or a check's exchange of small packets, takes longer because of lost packets.
  func exchangeDelay(_ path: Path, first: Int64) -> Int64 {
    guard path.link >= 0, links[Int(path.link)].loss > 0 else { return 0 }
    let link = links + Int(path.link)
    return Self.lossDelay(link, packets: 1, first: first) + Self.lossDelay(link, packets: 1, first: first)
  }
}
