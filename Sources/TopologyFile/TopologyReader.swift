internal import Topology

/// Reads the files of one network, the main one first, into one topology.
struct TopologyReader {
  /// The only version of the language there is.
  static let version = "1"
  static let includedKeys = [
    "geodirector", "applications", "sites", "offices", "links", "relays", "scenarios", "include", "addresses",
  ]
  static let mainKeys =
    includedKeys + [
      "network", "defaults", "time-scale", "resolve-interval", "traffic", "service", "geo", "admin", "notify",
    ]

  let findings: Findings
  private var topology: Topology
  private var sites: SiteReader

  init(name: String, location: SourceLocation, findings: Findings) {
    self.findings = findings
    topology = Topology(name: name, location: location)
    sites = SiteReader(findings: findings)
  }

  mutating func readMain(_ tree: Tree) -> Object? {
    guard let object = Object(tree, "topology", keys: Self.mainKeys, findings: findings) else { return nil }
    if object["geodirector"] == nil {
      findings.error("the version of the language is missing", mend: "add \"geodirector: 1\"", at: object.location)
    }
    topology.name = object.value("network", parseName) ?? topology.name
    topology.timeScale = object.number("time-scale", 0.001...1000) ?? 1
    topology.resolveInterval = object.positiveDuration("resolve-interval") ?? topology.resolveInterval
    if let defaults = object["defaults"] { readDefaults(defaults) }
    let traffic = TrafficReader(findings: findings)
    if let tree = object["traffic"] { topology.traffic = traffic.traffic(tree) }
    if let tree = object["service"] { topology.service = traffic.service(tree) }
    if let tree = object["geo"] { topology.geo = GeoReader(findings: findings).geo(tree) }
    if let tree = object["admin"] { topology.admin = AdminReader(findings: findings).admin(tree) }
    if let tree = object["notify"] { topology.notify = NotifyReader(findings: findings).notify(tree) }
    readCommon(object)
    return object
  }

  mutating func readIncluded(_ tree: Tree) -> Object? {
    if case .mapping(let fields) = tree.content {
      for field in fields where Self.mainKeys.contains(field.key) && !Self.includedKeys.contains(field.key) {
        findings.error(
          "\"\(field.key)\" stands in an included file", mend: "move it to the main file", at: field.keyLocation)
      }
    }
    guard let object = Object(tree, "included file", keys: Self.mainKeys, findings: findings) else { return nil }
    readCommon(object)
    return object
  }

  /// The topology of everything read.
  mutating func finish() -> Topology {
    // A network without applications serves one, whatever it is.
    if topology.applications.isEmpty {
      topology.applications = [Application(id: 0, name: "default", location: topology.location)]
    }
    return topology
  }

  private mutating func readCommon(_ object: Object) {
    _ = object.value("geodirector") { (text: String) throws(TextError) -> String in
      guard text == Self.version else {
        throw TextError("version \"\(text)\" of the language is not supported", mend: "this program reads version 1")
      }
      return text
    }
    for tree in object.list("applications") ?? [] {
      let reader = ApplicationReader(findings: findings)
      if let application = reader.application(tree, id: topology.applications.count) {
        topology.applications.append(application)
      }
    }
    for tree in object.list("sites") ?? [] {
      if let site = sites.site(tree) { topology.sites.append(site) }
    }
    let shared = SharedAddressReader(findings: findings)
    topology.sharedAddresses += (object.list("addresses") ?? []).compactMap(shared.address)
    let offices = OfficeReader(findings: findings)
    for tree in object.list("offices") ?? [] {
      if let office = offices.office(tree, id: topology.offices.count) { topology.offices.append(office) }
    }
    for tree in object.list("links") ?? [] {
      if let link = offices.link(tree, id: topology.links.count) { topology.links.append(link) }
    }
    topology.relays += (object.list("relays") ?? []).compactMap(RelayReader(findings: findings).relay)
    let scenarios = ScenarioReader(findings: findings)
    topology.scenarios += (object.list("scenarios") ?? []).compactMap(scenarios.scenario)
  }

  private mutating func readDefaults(_ tree: Tree) {
    let roles = NodeRole.allCases.map(\.rawValue)
    guard let object = Object(tree, "defaults", keys: roles, findings: findings) else { return }
    let reader = SettingsReader(findings: findings)
    for role in NodeRole.allCases {
      guard let tree = object[role.rawValue] else { continue }
      let keys = SettingsReader.keys(for: role)
      guard let settings = Object(tree, "defaults of \(role.rawValue)", keys: keys, findings: findings) else {
        continue
      }
      topology.defaults[role] = reader.settings(settings, role: role)
    }
  }
}
