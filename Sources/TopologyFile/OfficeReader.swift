internal import Topology

/// Reads offices and links.
struct OfficeReader {
  let findings: Findings

  func office(_ tree: Tree, id: Int) -> Office? {
    let keys =
      ["name", "listen", "monitor", "vrrp", "location", "preference", "users", "traffic"]
      + SettingsReader.keys(for: .officeProxy)
    guard let object = Object(tree, "office", keys: keys, findings: findings) else { return nil }
    let name = object.requiredName(example: "OP1")
    var office = Office(id: id, name: name.value, location: name.location)
    office.listen = readListen(object, findings)
    let monitor = TLSReader(findings: findings).monitor(object)
    office.monitor = monitor?.address
    office.monitorTLS = monitor?.tls
    office.vrrp = SharedAddressReader(findings: findings).holders(object)
    office.place = object["location"].flatMap { readPlace($0, findings) }
    if let preference = object["preference"] { readPreference(preference, of: object, into: &office) }
    office.settings = SettingsReader(findings: findings).settings(object, role: .officeProxy)
    office.traffic = TrafficReader(findings: findings).traffic(of: object)
    return office
  }

  /// `{by: list, sites: [...]}`, a list of sites, or the word of an order.
  private func readPreference(_ tree: Tree, of object: Object, into office: inout Office) {
    switch tree.content {
    case .list:
      office.order = .list
      office.preference = object.names("preference")
    case .scalar:
      office.order = object.choice("preference", Office.Order.self)
      if office.order == .list {
        findings.error(
          "preference by list names no sites", mend: "write \"preference: [SITE1, SITE2]\"", at: tree.location)
      }
    case .mapping, .null:
      guard let preference = Object(tree, "preference", keys: ["by", "sites"], findings: findings) else { return }
      office.order = preference.choice("by", Office.Order.self)
      office.preference = preference.names("sites")
      if office.order == .list, preference["sites"] == nil {
        findings.error(
          "preference by list names no sites", mend: "add \"sites: [SITE1, SITE2]\"", at: preference.location)
      }
    }
    guard office.preference?.isEmpty == true else { return }
    office.preference = nil
    // Unreadable names have been reported; an empty list has not.
    if isEmptyList(tree) || isEmptyList(sitesOf(tree)) {
      findings.error("preference names no sites", mend: "write \"preference: [SITE1, SITE2]\"", at: tree.location)
    }
  }

  private func sitesOf(_ tree: Tree) -> Tree? {
    guard case .mapping(let fields) = tree.content else { return nil }
    return fields.first { $0.key == "sites" }?.value
  }

  private func isEmptyList(_ tree: Tree?) -> Bool {
    if case .list(let items)? = tree?.content { return items.isEmpty }
    return false
  }

  func link(_ tree: Tree, id: Int) -> Link? {
    let keys = ["between", "latency", "bandwidth", "cost-per-gigabyte", "loss"]
    guard let object = Object(tree, "link", keys: keys, findings: findings) else { return nil }
    let mend = "write \"between: [OP1, SITE1]\""
    guard let ends = object.list("between") else {
      findings.error("link does not say what it connects", mend: mend, at: object.location)
      return nil
    }
    let names = ends.compactMap { object.scalar($0, "between", parseName) }
    if ends.count != 2, names.count == ends.count {
      findings.error("between must name two ends", mend: mend, at: object.keyLocation("between"))
    }
    var link = Link(
      id: id, ends: names, latency: object.duration("latency") ?? .zero,
      bandwidth: object.value("bandwidth", parseBandwidth),
      costPerGigabyte: object.number("cost-per-gigabyte", 0...1_000_000) ?? 0, location: object.location)
    link.loss = object.number("loss", 0...1) ?? 0
    return link
  }
}
