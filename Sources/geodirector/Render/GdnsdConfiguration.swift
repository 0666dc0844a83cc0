import Geo
import Topology

/// The configuration of gdnsd 3 with its plugin geoip: a map from clients to sites in order, and the addresses of the sites'
/// directors, checked as offices check them.
struct GdnsdConfiguration {
  /// The configuration.
  let text: String
  /// What gdnsd does otherwise than geodirector, a sentence each.
  let differences: [String]

  /// - Parameters:
  ///   - directory: where a relative path of the database starts.
  ///   - databaseType: as the database says. Nil: there is none, or it cannot be read here.
  /// - Throws: when a site cannot be told by addresses.
  init(_ topology: Topology, _ preference: SitePreference, directory: String, databaseType: String?) throws(TextError) {
    let geo = topology.geo ?? GeoSettings()
    let names = preference.sites.map(\.name)
    let sites = names.compactMap(topology.site(named:))
    var entries: [GdnsdSite] = []
    for site in sites { entries.append(try GdnsdSite(site)) }
    var lines = ["# Written by geodirector from the network \(topology.name), digest \(topology.digest)."]
    lines += ["service_types => {"]
    var checks: [GdnsdSite.Check] = []
    for check in entries.flatMap(\.checks) where !checks.contains(check) { checks.append(check) }
    lines += checks.map { "  " + $0.text } + ["}", "plugins => { geoip => {", "  maps => { entry => {"]
    lines.append("    datacenters => [ \(names.joined(separator: ", ")) ]")
    if let database = topology.databasePath {
      let path = database.hasPrefix("/") ? database : directory + (directory.hasSuffix("/") ? "" : "/") + database
      lines.append("    geoip2_db => \(Self.quoted(path))")
      // Of other databases gdnsd does not ask for locations, and refuses to start if it should.
      let places =
        databaseType?.contains("City") == false
        ? []
        : preference.sites.compactMap { site in
          site.place.map { "\(site.name) => [ \($0.latitude), \($0.longitude) ]" }
        }
      if !places.isEmpty {
        lines.append("    auto_dc_coords => { \(places.joined(separator: ", ")) }")
        lines.append("    auto_dc_limit => 0")
      }
      let map = GdnsdMap(geo.regions, sites: names, isAutomatic: !places.isEmpty)
      if !map.lines.isEmpty { lines += ["    map => {"] + map.lines.map { "      " + $0 } + ["    }"] }
    }
    let networks = preference.networkOrders.filter { !Self.isRefused($0.network) }
    if !networks.isEmpty {
      lines.append("    nets => {")
      for (network, order) in networks {
        lines.append("      \(network) => [ \(order.map { names[$0] }.joined(separator: ", ")) ]")
      }
      lines.append("    }")
    }
    lines += ["  } }", "  resources => { entry => {", "    map => entry", "    dcmap => {"]
    for (name, entry) in zip(names, entries) {
      lines.append("      \(name) => \(entry.text)")
    }
    lines += ["    }", "  } }", "} }"]
    text = lines.joined(separator: "\n")
    differences =
      Self.differences(geo, preference, databaseType)
      + zip(names, entries).filter { $0.1.isParted }.map { name, _ in
        "directors of site \(name) are checked at different ports: those of the first check are given while one of them is up, then the others."
      }
  }

  /// Networks within IPv6 that stand for IPv4 addresses, which gdnsd looks up as such: SIIT, NAT64 (RFC 6052), Teredo (RFC 4380),
  /// 6to4 (RFC 3056).
  private static let standIns = ["::ffff:0:0:0/96", "64:ff9b::/96", "2001::/32", "2002::/16"].compactMap {
    try? Network(parsing: $0)
  }

  private static func isRefused(_ network: Network) -> Bool {
    standIns.contains {
      network.prefixLength >= $0.prefixLength && $0.contains(high: network.high, low: network.low)
    }
  }

  private static func differences(_ geo: GeoSettings, _ preference: SitePreference, _ databaseType: String?) -> [String]
  {
    var found: [String] = []
    for (network, _) in preference.networkOrders where isRefused(network) {
      found.append("network \(network) is left out: gdnsd goes by the IPv4 addresses within its addresses.")
    }
    let isPlaced = preference.sites.contains { $0.place != nil }
    if let type = databaseType, !type.contains("City"), isPlaced {
      found.append(
        "gdnsd goes by distance with a City database only, and this is \(type): regions and networks decide, else the configured order."
      )
    } else if geo.database != nil, databaseType == nil, isPlaced {
      found.append("the database cannot be read here; gdnsd must find a City database, or it will not start.")
    }
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
