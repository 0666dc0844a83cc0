import Topology

/// A site's addresses and how they are checked.
struct GdnsdSite {
  /// How gdnsd finds out whether a director serves.
  struct Check: Equatable {
    /// The monitor's answer counts; else that a connection is accepted.
    var isMonitor: Bool
    var port: UInt16

    var name: String { isMonitor ? "monitor-\(port)" : "connect-\(port)" }
    var text: String {
      let kind = isMonitor ? "http_status, url_path => /" : "tcp_connect"
      return
        "\(name) => { plugin => \(kind), port => \(port), interval => 4, timeout => 2, up_thresh => 2, ok_thresh => 2, down_thresh => 3 }"
    }
  }

  /// A director.
  struct Entry {
    var name: String
    var address: Address
    /// The address without a port.
    var text: String
    var check: Check

    var isIPv6: Bool { if case .ipv6 = address { true } else { false } }
  }

  var entries: [Entry] = []
  var checks: [Check] { entries.map(\.check) }

  /// The addresses are checked in more than one way: gdnsd checks all addresses of one answer alike, so they do not stand in one.
  var isParted: Bool { checks.contains { $0 != checks.first } }

  init(_ site: Site) throws(TextError) {
    for director in site.directors {
      // Where the public comes in, if there is such a place.
      let shown = director.listen.first { $0.isPublic && !$0.address.value.isWildcard }?.address.value
      guard let service = shown ?? director.serviceAddress, let text = Self.bare(service), !service.isWildcard else {
        throw TextError(
          "director \"\(director.name)\" has no IP address that a name server could give",
          mend: "write \"listen:\" or \"advertise:\" with one")
      }
      var check = Check(isMonitor: false, port: service.port ?? 0)
      // gdnsd speaks no TLS.
      if director.monitorTLS == nil, let monitor = director.monitorAddress, Self.bare(monitor) == text,
        let port = monitor.port
      {
        check = Check(isMonitor: true, port: port)
      }
      entries.append(Entry(name: director.name, address: service, text: text, check: check))
    }
  }

  /// What stands for the site in a map of data centres.
  var text: String {
    if !isParted { return Self.answer(entries) }
    var groups: [(name: String, entries: [Entry])] = []
    for entry in entries {
      if let position = groups.firstIndex(where: { $0.entries[0].check == entry.check }) {
        groups[position].entries.append(entry)
      } else {
        groups.append((entry.name, [entry]))
      }
    }
    let each = groups.map { "\($0.name) => \(Self.answer($0.entries))" }.joined(separator: ", ")
    let names = groups.map(\.name).joined(separator: ", ")
    return "{ plugin => metafo, datacenters => [ \(names) ], dcmap => { \(each) } }"
  }

  /// All addresses that are up, in one answer.
  private static func answer(_ entries: [Entry]) -> String {
    func list(_ some: [Entry]) -> String { some.map { "\($0.name) => \($0.text)" }.joined(separator: ", ") }
    let (second, first) = (entries.filter(\.isIPv6), entries.filter { !$0.isIPv6 })
    let addresses =
      first.isEmpty || second.isEmpty
      ? list(entries) : "addrs_v4 => { \(list(first)) }, addrs_v6 => { \(list(second)) }"
    return "{ service_types => \(entries[0].check.name), plugin => multifo, \(addresses) }"
  }

  private static func bare(_ address: Address) -> String? {
    Network(of: address).map { String($0.description.prefix { $0 != "/" }) }
  }
}
