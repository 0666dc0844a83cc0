public import Topology

/// What is broken in a network that stands still: elements that are down, and links that nothing passes.
public struct NetworkFaults: Sendable, Equatable {
  /// A link that nothing passes.
  public struct Cut: Sendable, Equatable {
    /// One end, the name of an office or a site.
    public var from: String
    /// The other end.
    public var to: String
    /// Only what goes from the first end to the second is lost.
    public var oneWay: Bool

    /// A cut.
    public init(from: String, to: String, oneWay: Bool) {
      self.from = from
      self.to = to
      self.oneWay = oneWay
    }

    /// As it is written on the command line: `OP1:SITE1`, `OP1>SITE1`.
    public var text: String { "\(from)\(oneWay ? ">" : ":")\(to)" }
  }

  /// Offices, directors, balancers and servers that do not run.
  public private(set) var down: [String] = []
  /// The names that were given for them: a site's stands for everything at it.
  public private(set) var downAsGiven: [String] = []
  /// Links that are cut.
  public private(set) var cuts: [Cut] = []

  /// Nothing is broken.
  public init() {}

  /// Takes an element down, or everything at a site.
  ///
  /// - Throws: a text with the nearest spelling, when nothing has the name.
  public mutating func takeDown(_ name: String, in topology: Topology) throws(TextError) {
    let names = topology.elements(named: name)
    if names.isEmpty {
      throw TextError(
        "no element is named \"\(name)\"",
        mend: nearestSpelling(of: name, among: topology.elementNames).map { "did you mean \"\($0)\"?" })
    }
    if !downAsGiven.contains(name) { downAsGiven.append(name) }
    for name in names where !down.contains(name) { down.append(name) }
  }

  /// Cuts a link, written `OP1:SITE1` for both ways or `OP1>SITE1` for one.
  ///
  /// - Throws: a text, when it names no link.
  public mutating func cut(_ text: String, in topology: Topology) throws(TextError) {
    let oneWay = text.contains(">")
    let ends = text.split(separator: oneWay ? ">" : ":", omittingEmptySubsequences: false).map(String.init)
    guard ends.count == 2, ends.allSatisfy(isName) else {
      throw TextError("\"\(text)\" is not a link", mend: "write OP1:SITE1 for both ways, or 'OP1>SITE1' for one")
    }
    let places = topology.offices.map(\.name) + topology.sites.map(\.name)
    for end in ends where !places.contains(end) {
      if let site = topology.element(named: end)?.site {
        throw TextError("links are between offices and sites, and \"\(end)\" is at \(site.name)")
      }
      throw TextError(
        "no site or office is named \"\(end)\"", mend: spellingMend(of: end, among: places, noun: "declared"))
    }
    guard topology.link(between: ends[0], and: ends[1]) != nil else {
      let near = topology.links.filter { link in link.ends.contains { ends.contains($0.value) } }
      let names = near.filter { $0.ends.count == 2 }.map { "\($0.ends[0].value):\($0.ends[1].value)" }
      throw TextError(
        "there is no link between \"\(ends[0])\" and \"\(ends[1])\"",
        mend: names.isEmpty ? nil : "links: " + names.prefix(12).joined(separator: ", "))
    }
    let cut = Cut(from: ends[0], to: ends[1], oneWay: oneWay)
    if !cuts.contains(cut) { cuts.append(cut) }
  }

  /// What a connection from one element to another comes to.
  enum Reach: Sendable, Equatable {
    case connected
    /// The machine is there, the process is not.
    case refused
    /// Packets are lost on the way or on the way back: there is no answer at all.
    case silent
  }

  /// What a connection between two elements comes to, by the places they stand at.
  func reach(_ element: String, from place: String, to other: String) -> Reach {
    let isSilent = cuts.contains { cut in
      // A handshake needs both directions.
      (cut.from == place && cut.to == other) || (cut.from == other && cut.to == place)
    }
    if isSilent { return .silent }
    return down.contains(element) ? .refused : .connected
  }
}
