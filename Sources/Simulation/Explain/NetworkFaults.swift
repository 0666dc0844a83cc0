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

  /// Offices, directors, balancers, servers and relays that do not run.
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
    let relayed = topology.relays.flatMap(\.everyServer)
    var names = topology.elements(named: name)
    if topology.relay(named: name) != nil { names.append(name) }
    // What is down is down for relays, too, whatever they call it.
    for server in relayed
    where server.name == name || names.contains(where: { topology.stands($0, at: server.address) }) {
      names.append(server.name)
    }
    if names.isEmpty {
      let known = topology.elementNames + topology.relays.map(\.name) + relayed.map(\.name)
      throw TextError(
        "no element is named \"\(name)\"",
        mend: nearestSpelling(of: name, among: known).map { "did you mean \"\($0)\"?" })
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
    if let relay = topology.relays.first(where: { ends.contains($0.name) }) {
      let other = ends[0] == relay.name ? ends[1] : ends[0]
      guard relay.everyServer.contains(where: { $0.name == other }) else {
        throw TextError(
          "relay \"\(relay.name)\" has no server \"\(other)\"",
          mend: spellingMend(of: other, among: relay.everyServer.map(\.name), noun: "its servers"))
      }
      let cut = Cut(from: ends[0], to: ends[1], oneWay: oneWay)
      if !cuts.contains(cut) { cuts.append(cut) }
      return
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

  /// What a connection between two elements comes to, by the places they stand at. A relay is its own place, and that of its servers.
  func reach(_ element: String, from place: String, to other: String) -> Reach {
    let ends = place == other ? element : other
    let isSilent = cuts.contains { cut in
      // A handshake needs both directions.
      (cut.from == place && cut.to == ends) || (cut.from == ends && cut.to == place)
    }
    if isSilent { return .silent }
    return down.contains(element) ? .refused : .connected
  }
}

extension Topology {
  /// Whether connections to an address go through: always, unless a relay listens there, which must run and have a server that does.
  func passes(_ address: Address, _ faults: NetworkFaults) -> Bool {
    let relays = relays.filter { relay in relay.listen.contains { $0.address.value == address } }
    return relays.allSatisfy { relay in
      !faults.down.contains(relay.name)
        && relay.everyServer.contains { faults.reach($0.name, from: relay.name, to: relay.name) == .connected }
    }
  }

  /// What listens at an address, for people; nil: nothing that this file tells of.
  func listener(at address: Address) -> String? {
    if let relay = relays.first(where: { $0.listen.contains { $0.address.value == address } }) {
      return "relay \(relay.name)"
    }
    var places: [(name: String, listen: [Listen], monitor: Located<Address>?)] = []
    for node in sites.flatMap({ $0.directors + $0.balancers }) { places.append((node.name, node.listen, node.monitor)) }
    for office in offices { places.append((office.name, office.listen, office.monitor)) }
    for relay in relays { places.append((relay.name, [], relay.monitor)) }
    for (name, listen, monitor) in places {
      if listen.contains(where: { $0.address.value == address }) { return name }
      if monitor?.value == address { return "the monitor of \(name)" }
    }
    for server in servers {
      if server.admissionAddress == address { return "the admission port of \(server.name)" }
      let services = [server.base].compactMap { $0 } + server.ports.compactMap { server.base?.with(port: $0.port) }
      if services.contains(address) { return server.name }
    }
    return nil
  }

  /// Whether an element is what a relay's server is reached at: its address, or its machine where the client's port counts.
  fileprivate func stands(_ element: String, at address: Located<Address>?) -> Bool {
    guard let address = address?.value else { return false }
    return addresses(of: element).contains { address.port == 0 ? $0.hostText == address.hostText : $0 == address }
  }

  private func addresses(of element: String) -> [Address] {
    for site in sites {
      if let server = site.servers.first(where: { $0.name == element }), let base = server.base {
        return [base, server.admissionAddress].compactMap { $0 } + server.ports.map { base.with(port: $0.port) }
      }
      if let node = (site.directors + site.balancers).first(where: { $0.name == element }) {
        return node.listen.map(\.address.value) + [node.monitor?.value].compactMap { $0 }
      }
    }
    guard let office = office(named: element) else { return [] }
    return office.listen.map(\.address.value) + [office.monitor?.value].compactMap { $0 }
  }
}
