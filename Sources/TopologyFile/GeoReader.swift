internal import Topology

/// Reads `geo:`.
struct GeoReader {
  let findings: Findings

  func geo(_ tree: Tree) -> GeoSettings? {
    let keys = ["database", "networks", "regions", "minimum-gain", "redirect"]
    guard let object = Object(tree, "geo", keys: keys, findings: findings) else { return nil }
    var geo = GeoSettings(location: object.location)
    geo.database = object.located("database", parsePath)
    if let tree = object["networks"] { geo.networks = networks(tree, of: object) }
    if let tree = object["regions"] { geo.regions = regions(tree) }
    geo.minimumGainKilometres = object.value("minimum-gain", parseDistance) ?? 0
    geo.redirect = object.located("redirect", parseBool)
    return geo
  }

  /// A mapping of networks to a site, a list of sites, or `{sites, location}`.
  private func networks(_ tree: Tree, of object: Object) -> [GeoNetwork] {
    let mend = "write \"networks: {10.0.0.0/8: [SITE1, SITE2]}\""
    return fields(of: tree, "networks", mend).compactMap { field in
      let key = Tree(content: .scalar(field.key, isPlain: false), location: field.keyLocation)
      guard let network = object.scalar(key, "networks", Network.init(parsing:)) else { return nil }
      guard case .mapping = field.value.content else {
        return sites(field, mend).map { GeoNetwork(network: network, sites: $0) }
      }
      let what = "network \(field.key)"
      guard let entry = Object(field.value, what, keys: ["sites", "location"], findings: findings) else { return nil }
      let place = entry["location"].flatMap { readPlace($0, findings) }
      let sites = entry.names("sites")
      if entry["sites"] == nil, entry["location"] == nil {
        // Unknown keys have been reported.
        if entry.fields.allSatisfy({ ["sites", "location"].contains($0.key) }) {
          findings.error("\(what) says nothing", mend: "add \"sites:\" or \"location:\"", at: entry.location)
        }
        return nil
      }
      if case .list(let items)? = entry["sites"]?.content, items.isEmpty {
        findings.error("\(what) names no sites", mend: mend, at: entry.keyLocation("sites"))
      }
      return GeoNetwork(network: network, sites: sites, place: place)
    }
  }

  private static let kinds: [(key: String, kind: GeoRegion.Kind)] = [
    ("continents", .continent), ("countries", .country), ("subdivisions", .subdivision),
  ]

  private func regions(_ tree: Tree) -> [GeoRegion] {
    let keys = Self.kinds.map(\.key)
    guard let object = Object(tree, "regions", keys: keys, findings: findings) else { return [] }
    return Self.kinds.flatMap { key, kind -> [GeoRegion] in
      guard let tree = object[key] else { return [] }
      let example = ["continents": "EU", "countries": "GB", "subdivisions": "US-CA"][key] ?? ""
      let mend = "write \"\(key): {\(example): [SITE1, SITE2]}\""
      return fields(of: tree, key, mend).compactMap { field in
        let name = Tree(content: .scalar(field.key, isPlain: false), location: field.keyLocation)
        let code = object.scalar(name, key) { text throws(TextError) in try parseRegionCode(text, kind) }
        guard let code, let sites = sites(field, mend) else { return nil }
        return GeoRegion(kind: kind, code: code, sites: sites)
      }
    }
  }

  private func fields(of tree: Tree, _ what: String, _ mend: String) -> [Tree.Field] {
    guard case .mapping(let fields) = tree.content else {
      findings.error("\(what) must be a mapping, not \(tree.kindName)", mend: mend, at: tree.location)
      return []
    }
    return fields
  }

  /// A site or a list of sites as the value of a key; nil when there is none (reported).
  private func sites(_ field: Tree.Field, _ mend: String) -> [Located<String>]? {
    let items: [Tree]
    switch field.value.content {
    case .list(let list): items = list
    case .scalar: items = [field.value]
    case .mapping, .null:
      findings.error(
        "\(field.key) must be a site or a list of sites, not \(field.value.kindName)", mend: mend,
        at: field.value.location)
      return nil
    }
    if items.isEmpty {
      findings.error("\(field.key) names no sites", mend: mend, at: field.value.location)
      return nil
    }
    let holder = Object(fields: [field], location: field.keyLocation, what: field.key, findings: findings)
    return items.compactMap { holder.scalar($0, field.key, parseName) }
  }
}

private func parsePath(_ text: String) throws(TextError) -> String {
  guard !text.isEmpty, !text.utf8.contains(0) else {
    throw TextError("\"\(text)\" is not a path", mend: "name the MaxMind DB file, as in \"GeoLite2-City.mmdb\"")
  }
  return text
}
