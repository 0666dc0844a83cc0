import Topology

/// What a drawing of a network shows, before it has a place on paper: shared by SVG and Mermaid.
struct NetworkPicture {
  /// A way from an office to a site.
  struct Way {
    /// Index of the site.
    var site: Int
    /// The place in the office's order, 1 first.
    var rank: Int
    /// Nil: the file declares no such link.
    var link: Link?
  }
  struct OfficeShape {
    var office: Office
    var ways: [Way]
    /// Sites of its order that are not shown.
    var further: Int
  }
  struct SiteLink {
    var link: Link
    var first: Int
    var second: Int
  }

  /// Sites that are shown of an office's order: more would hide the rest.
  static let waysMax = 3

  let topology: Topology
  /// Offices, those that prefer the same site side by side.
  let offices: [OfficeShape]
  /// Links between two sites.
  let siteLinks: [SiteLink]

  init(_ topology: Topology) {
    self.topology = topology
    var index: [String: Int] = [:]
    for site in topology.sites { index[site.name] = site.id }
    var linkOf: [String: Link] = [:]
    for link in topology.links where link.ends.count == 2 {
      linkOf["\(link.ends[0].value) \(link.ends[1].value)"] = link
      linkOf["\(link.ends[1].value) \(link.ends[0].value)"] = link
    }
    let shapes = topology.offices.map { office in
      let order = topology.siteOrder(of: office)
      let ways = order.prefix(Self.waysMax).enumerated().map { rank, site in
        Way(site: site.id, rank: rank + 1, link: linkOf["\(office.name) \(site.name)"])
      }
      return OfficeShape(office: office, ways: ways, further: order.count - ways.count)
    }
    offices = shapes.enumerated().sorted { first, second in
      let keys = [first, second].map { ($0.element.ways.first?.site ?? .max, $0.offset) }
      return keys[0] < keys[1]
    }.map(\.element)
    siteLinks = topology.links.compactMap { link in
      guard link.ends.count == 2, let first = index[link.ends[0].value], let second = index[link.ends[1].value] else {
        return nil
      }
      return SiteLink(link: link, first: min(first, second), second: max(first, second))
    }
  }

  /// What the drawing is, in a sentence.
  var description: String {
    func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
    let sites = topology.sites
    return "Network \(topology.name): \(count(sites.count, "site")), \(count(topology.offices.count, "office")), "
      + "\(count(sites.reduce(0) { $0 + $1.directors.count }, "director")), "
      + "\(count(sites.reduce(0) { $0 + $1.balancers.count }, "balancer")), "
      + "\(count(topology.servers.count, "application server")), \(count(topology.links.count, "link"))."
  }
}

extension Link {
  /// Latency, bandwidth, cost and loss: `15 ms`, `1 Gbit/s`, `0.05/GB`, `1% loss`; empty where the file says nothing.
  var columns: [String] {
    [
      latencyText, bandwidth?.bitsPerSecondText ?? "",
      costPerGigabyte > 0 ? "\(plainNumber(costPerGigabyte))/GB" : "",
      loss > 0 ? "\(plainNumber((loss * 100_000).rounded() / 1000))% loss" : "",
    ]
  }

  /// What the file says of it.
  var facts: [String] { columns.filter { !$0.isEmpty } }

  private var latencyText: String {
    let milliseconds = latency.inMilliseconds
    return "\(plainNumber(milliseconds < 10 ? (milliseconds * 100).rounded() / 100 : milliseconds.rounded())) ms"
  }
}

extension Int {
  /// A bandwidth in its largest whole unit: `2.5 Gbit/s`.
  fileprivate var bitsPerSecondText: String {
    for (unit, size) in [("Gbit", 1_000_000_000), ("Mbit", 1_000_000), ("kbit", 1_000)] where self >= size {
      return "\(plainNumber((Double(self) / Double(size) * 10).rounded() / 10)) \(unit)/s"
    }
    return "\(self) bit/s"
  }
}
