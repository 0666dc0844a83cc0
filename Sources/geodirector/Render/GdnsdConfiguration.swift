import Geo
import Topology

/// The configuration of gdnsd 3 with its plugin geoip: a map from clients to sites in order, and the addresses of the sites'
/// directors, checked as offices check them.
struct GdnsdConfiguration {
  /// The configuration.
  let text: String
  /// What gdnsd does otherwise than geodirector, a sentence each.
  let differences: [String]

  /// - Throws: when a site cannot be told by addresses.
  init(_ topology: Topology, _ preference: SitePreference) throws(TextError) {
    let geo = topology.geo ?? GeoSettings()
    let names = preference.sites.map(\.name)
    let sites = names.compactMap(topology.site(named:))
    var entries: [GdnsdSite] = []
    for site in sites { entries.append(try GdnsdSite(site)) }
    var lines = ["# Written by geodirector from the network \(topology.name), digest \(topology.digest)."]
    lines += ["service_types => {"]
    var checks: [GdnsdSite.Check] = []
    for entry in entries where !checks.contains(entry.check) { checks.append(entry.check) }
    lines += checks.map { "  " + $0.text } + ["}", "plugins => { geoip => {", "  maps => { entry => {"]
    lines.append("    datacenters => [ \(names.joined(separator: ", ")) ]")
    if let database = topology.databasePath {
      lines.append("    geoip2_db => \(Self.quoted(database))")
      let places = preference.sites.compactMap { site in
        site.place.map { "\(site.name) => [ \($0.latitude), \($0.longitude) ]" }
      }
      if !places.isEmpty {
        lines.append("    auto_dc_coords => { \(places.joined(separator: ", ")) }")
        lines.append("    auto_dc_limit => 0")
      }
      let map = GdnsdMap(geo.regions, sites: names, isAutomatic: !places.isEmpty)
      if !map.lines.isEmpty { lines += ["    map => {"] + map.lines.map { "      " + $0 } + ["    }"] }
    }
    let networks = preference.networkOrders
    if !networks.isEmpty {
      lines.append("    nets => {")
      for (network, order) in networks {
        lines.append("      \(network) => [ \(order.map { names[$0] }.joined(separator: ", ")) ]")
      }
      lines.append("    }")
    }
    lines += ["  } }", "  resources => { entry => {", "    map => entry", "    dcmap => {"]
    for (name, entry) in zip(names, entries) {
      let addresses = entry.addresses.map { "\($0.name) => \($0.address)" }.joined(separator: ", ")
      lines.append("      \(name) => { service_types => \(entry.check.name), plugin => multifo, \(addresses) }")
    }
    lines += ["    }", "  } }", "} }"]
    text = lines.joined(separator: "\n")
    differences = Self.differences(geo, preference)
  }

  private static func differences(_ geo: GeoSettings, _ preference: SitePreference) -> [String] {
    var found: [String] = []
    if geo.minimumGainKilometres > 0 {
      found.append("gdnsd knows no minimum gain: it goes by distance alone.")
    }
    if geo.regions.contains(where: { $0.sites.count < preference.sites.count - 1 }), preference.sites.count > 2 {
      found.append("sites that a region leaves out follow in the configured order, not by distance.")
    }
    if preference.sites.contains(where: { $0.place == nil }), preference.sites.contains(where: { $0.place != nil }) {
      found.append("sites without location are never used where distance decides.")
    }
    return found
  }

  private static func quoted(_ text: String) -> String {
    "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }
}

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

  var addresses: [(name: String, address: String)] = []
  var check: Check

  init(_ site: Site) throws(TextError) {
    var checks: [Check] = []
    var port: UInt16 = 0
    for director in site.directors {
      // Where the public comes in, if there is such a place.
      let shown = director.listen.first { $0.isPublic && !$0.address.value.isWildcard }?.address.value
      guard let service = shown ?? director.serviceAddress, let text = Self.bare(service), !service.isWildcard else {
        throw TextError(
          "director \"\(director.name)\" has no IP address that a name server could give",
          mend: "write \"listen:\" or \"advertise:\" with one")
      }
      addresses.append((director.name, text))
      port = service.port ?? 0
      if let monitor = director.monitorAddress, Self.bare(monitor) == text, let port = monitor.port {
        checks.append(Check(isMonitor: true, port: port))
      } else {
        checks.append(Check(isMonitor: false, port: port))
      }
    }
    // All addresses of a site are checked alike: by their monitors if these have one port.
    let first = checks.first ?? Check(isMonitor: false, port: port)
    check = checks.allSatisfy { $0 == first } ? first : Check(isMonitor: false, port: port)
  }

  private static func bare(_ address: Address) -> String? {
    Network(of: address).map { String($0.description.prefix { $0 != "/" }) }
  }
}

/// Regions as gdnsd nests them: subdivisions in countries, countries in continents. In which continent a country lies is for
/// the database to say, so it stands in each.
private struct GdnsdMap {
  var lines: [String] = []

  init(_ regions: [GeoRegion], sites: [String], isAutomatic: Bool) {
    func list(_ region: GeoRegion) -> String? {
      let first = region.sites.map(\.value).filter(sites.contains)
      if first.isEmpty { return nil }
      return "[ " + (first + sites.filter { !first.contains($0) }).joined(separator: ", ") + " ]"
    }
    func lists(_ kind: GeoRegion.Kind) -> [(code: String, list: String)] {
      regions.filter { $0.kind == kind }.compactMap { region in list(region).map { (region.code.value, $0) } }
    }
    let continents = lists(.continent)
    let (countries, parts) = (lists(.country), lists(.subdivision))
    if continents.isEmpty, countries.isEmpty, parts.isEmpty { return }
    let otherwise = isAutomatic ? "auto" : "[ \(sites.joined(separator: ", ")) ]"
    lines.append("default => \(otherwise)")
    let named = countries.map(\.code) + parts.map { String($0.code.prefix(2)) }
    let codes = named.indices.filter { named.firstIndex(of: named[$0]) == $0 }.map { named[$0] }
    for continent in continentCodes {
      let own = continents.first { $0.code == continent }?.list ?? otherwise
      var inner = ["default => \(own)"]
      for code in codes {
        let whole = countries.first { $0.code == code }?.list ?? own
        let pieces = parts.filter { $0.code.hasPrefix(code + "-") }.map { "\($0.code.dropFirst(3)) => \($0.list)" }
        inner.append("\(code) => { \((["default => \(whole)"] + pieces).joined(separator: ", ")) }")
      }
      lines += ["\(continent) => {"] + inner.map { "  " + $0 } + ["}"]
    }
  }
}
