internal import Routing
internal import Topology

/// Finds the link between two places, and makes one up where the file declares none.
struct LinkBuilder {
  private(set) var links: [LinkModel] = []
  private(set) var index: [UInt64: Int32] = [:]
  private let locations: [Location?]
  private let siteCount: Int

  /// Light in glass takes about 5 microseconds a kilometre, and cables are half as long again as the way.
  private static let nanosecondsPerKilometre = 7_500.0
  private static let earthRadiusKilometres = 6_371.0

  init(_ topology: Topology, placeByName sites: [String: Int32]) {
    siteCount = topology.sites.count
    locations = topology.sites.map(\.place) + topology.offices.map(\.place)
    var places = sites
    for (index, office) in topology.offices.enumerated() { places[office.name] = Int32(siteCount + index) }
    for link in topology.links {
      guard link.ends.count == 2, let from = places[link.ends[0].value], let to = places[link.ends[1].value],
        index[Self.key(from, to)] == nil
      else { continue }
      add(
        LinkModel(
          from: from, to: to, latency: link.latency.nanosecondsClamped,
          nanosecondsPerByte: link.bandwidth.map { $0 > 0 ? 8e9 / Double($0) : 0 } ?? 0, loss: link.loss,
          costPerByte: link.costPerGigabyte / 1e9, declared: link.id,
          isInterSite: from < siteCount && to < siteCount))
    }
  }

  static func key(_ first: Int32, _ second: Int32) -> UInt64 {
    UInt64(UInt32(min(first, second))) << 32 | UInt64(UInt32(max(first, second)))
  }

  private mutating func add(_ link: LinkModel) {
    index[Self.key(link.from, link.to)] = Int32(links.count)
    links.append(link)
  }

  /// The way from one place to another.
  mutating func path(from: Int32, to: Int32) -> Path {
    if from == to { return .local }
    if let known = index[Self.key(from, to)] {
      return Path(link: known, isForward: links[Int(known)].from == from)
    }
    add(
      LinkModel(
        from: from, to: to, latency: latency(from, to), nanosecondsPerByte: 0, loss: 0, costPerByte: 0, declared: nil,
        isInterSite: from < siteCount && to < siteCount))
    return Path(link: Int32(links.count - 1), isForward: true)
  }

  /// By distance where both places are known.
  private func latency(_ from: Int32, _ to: Int32) -> Int64 {
    guard let first = locations[Int(from)], let second = locations[Int(to)] else { return ModelTimes.undeclaredLatency }
    // The chord gives the angle: exact enough, with a square root alone.
    let chord = max(0, 2 - 2 * first.nearness(to: second)).squareRoot()
    let half = min(1, chord / 2)
    // arcsin by its series in half the angle, twice halved.
    let quarter = ((1 - (1 - half * half).squareRoot()) / 2).squareRoot()
    let eighth = ((1 - (1 - quarter * quarter).squareRoot()) / 2).squareRoot()
    let angle = 8 * (eighth + eighth * eighth * eighth / 6 + 3 * eighth * eighth * eighth * eighth * eighth / 40)
    return ModelTimes.local + Int64(angle * Self.earthRadiusKilometres * Self.nanosecondsPerKilometre)
  }
}
