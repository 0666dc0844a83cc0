internal import Topology

/// Reads relays.
struct RelayReader {
  let findings: Findings

  /// What stands in `check` beside the kind.
  private static let checkParameters = [
    "interval", "backup-interval", "fast-interval", "down-interval", "timeout", "rise", "fall",
  ]

  /// `{name: tse, listen: ["127.1.1.1:3389", "127.1.1.1:1494"], servers: [{name: farm, host: 10.1.1.10}]}`
  func relay(_ tree: Tree) -> Relay? {
    let keys = ["name", "listen", "monitor", "servers"] + SettingsReader.keys(for: .relay)
    guard let object = Object(tree, "relay", keys: keys, findings: findings) else { return nil }
    let name = object.requiredName(example: "mail")
    var relay = Relay(name: name.value, location: name.location)
    relay.listen = readListen(object, findings)
    relay.monitor = object.address("monitor")
    relay.servers = (object.list("servers") ?? []).compactMap(server)
    var names: Set<String> = []
    for server in relay.servers where !server.name.isEmpty && !names.insert(server.name).inserted {
      findings.error(
        "relay \"\(relay.name)\" has two servers named \"\(server.name)\"", mend: "give each its own name",
        at: server.location)
    }
    let rest = object.fields.filter { $0.key != "check" }
    relay.settings = SettingsReader(findings: findings).settings(
      Object(fields: rest, location: object.location, what: object.what, findings: findings), role: .relay)
    if let check = object["check"] { readCheck(check, into: &relay) }
    return relay
  }

  /// `tcp`, another kind or `none`; or a mapping of the kind, the port and when.
  private func readCheck(_ tree: Tree, into relay: inout Relay) {
    if tree.scalarText == "none" {
      relay.check = nil
      return
    }
    let kinds = ApplicationReader(findings: findings)
    guard case .mapping(let fields) = tree.content else {
      relay.check = kinds.check(tree)?.check ?? relay.check
      return
    }
    let parameters = fields.filter { Self.checkParameters.contains($0.key) }
    let port = fields.filter { $0.key == "port" }
    let kind = fields.filter { $0.key != "port" && !Self.checkParameters.contains($0.key) }
    let settings = SettingsReader(findings: findings)
    let timing = Tree.Field(
      key: "check", keyLocation: tree.location, value: Tree(content: .mapping(parameters), location: tree.location))
    let holder = Object(fields: [timing], location: tree.location, what: "check", findings: findings)
    relay.settings.check = settings.settings(holder, role: .relay).check
    relay.checkPort = Object(fields: port, location: tree.location, what: "check", findings: findings)
      .value("port") { text throws(TextError) in UInt16(try parseInteger(text, 1...65535)) }
    if !kind.isEmpty {
      relay.check = kinds.check(Tree(content: .mapping(kind), location: tree.location))?.check ?? relay.check
    }
  }

  private func server(_ tree: Tree) -> RelayServer? {
    let keys = ["name", "host", "address", "backup", "weight", "max-connections"]
    guard let object = Object(tree, "server", keys: keys, findings: findings) else { return nil }
    let name = object.requiredName(example: "farm")
    var server = RelayServer(name: name.value, location: name.location)
    if object["host"] != nil, object["address"] != nil {
      findings.error("server has both host and address", mend: "keep one", at: object.keyLocation("host"))
    } else if object["host"] == nil, object["address"] == nil {
      findings.error(
        "server \"\(name.value)\" has no address",
        mend: "add \"address: 10.1.1.10:3389\", or \"host: 10.1.1.10\" for the port that the client used",
        at: object.location)
    }
    server.address =
      object.address("address")
      ?? object.located("host") { text throws(TextError) in try Address(parsingHost: text, port: 0) }
    server.isBackup = object.bool("backup") ?? false
    server.weight = object.integer("weight", 0...256) ?? 1
    server.maxConnections = object.integer("max-connections", 0...10_000_000) ?? 0
    return server
  }
}
