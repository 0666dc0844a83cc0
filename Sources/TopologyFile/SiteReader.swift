internal import Topology

/// Reads sites and what stands at them; ids count on over all files.
struct SiteReader {
  let findings: Findings
  private var siteCount = 0
  private var directorCount = 0
  private var balancerCount = 0
  private var serverCount = 0

  init(findings: Findings) { self.findings = findings }

  mutating func site(_ tree: Tree) -> Site? {
    let keys = [
      "name", "cookie", "location", "capacity", "applications", "balance", "backup", "directors", "balancers",
      "servers", "users", "traffic", "url",
    ]
    guard let object = Object(tree, "site", keys: keys, findings: findings) else { return nil }
    let name = object.requiredName(example: "SITE1")
    var site = Site(id: siteCount, name: name.value, location: name.location)
    siteCount += 1
    site.cookie = object.located("cookie", parseCookieValue) ?? site.cookie
    site.place = object["location"].flatMap { readPlace($0, findings) }
    site.url = object.located("url", parseSiteURL)
    site.capacity = object.integer("capacity", 0...10_000_000) ?? 0
    site.applications = object.names("applications")
    site.balance = object.choice("balance", BalanceAlgorithm.self)
    site.backup = object.names("backup")
    site.traffic = TrafficReader(findings: findings).traffic(of: object)
    for tree in object.list("directors") ?? [] {
      if let node = node(tree, "director", role: .siteDirector, example: "SD1", id: directorCount) {
        site.directors.append(node)
        directorCount += 1
      }
    }
    for tree in object.list("balancers") ?? [] {
      if let node = node(tree, "balancer", role: .siteBalancer, example: "S1L1", id: balancerCount) {
        site.balancers.append(node)
        balancerCount += 1
      }
    }
    for tree in object.list("servers") ?? [] {
      if let server = server(tree) { site.servers.append(server) }
    }
    return site
  }

  private func node(_ tree: Tree, _ what: String, role: NodeRole, example: String, id: Int) -> SiteNode? {
    let keys =
      ["name", "listen", "advertise", "monitor", "vrrp", "weight", "max-connections", "tls", "send-proxy"]
      + SettingsReader.keys(for: role)
    guard let object = Object(tree, what, keys: keys, findings: findings) else { return nil }
    let name = object.requiredName(example: example)
    var node = SiteNode(id: id, name: name.value, location: name.location)
    node.listen = readListen(object, findings)
    node.advertise = object.address("advertise")
    if let monitor = TLSReader(findings: findings).monitor(object) {
      node.monitor = monitor.address
      node.monitorAdvertised = monitor.advertised
      node.monitorTLS = monitor.tls
    }
    node.vrrp = SharedAddressReader(findings: findings).holders(object)
    node.weight = object.integer("weight", 0...256) ?? 1
    node.maxConnections = object.integer("max-connections", 0...10_000_000) ?? 0
    node.tls = object["tls"].flatMap { TLSReader(findings: findings).target($0, of: object) }
    node.sendProxy = object.choice("send-proxy", ProxyProtocolVersion.self)
    node.settings = SettingsReader(findings: findings).settings(object, role: role)
    return node
  }

  private mutating func server(_ tree: Tree) -> AppServer? {
    let keys = [
      "name", "host", "address", "ports", "weight", "max-connections", "cookie", "demo", "slow-start", "service",
      "tls", "send-proxy",
    ]
    guard let object = Object(tree, "server", keys: keys, findings: findings) else { return nil }
    let name = object.requiredName(example: "W11")
    var server = AppServer(id: serverCount, name: name.value, location: name.location)
    serverCount += 1
    if let address = object.address("address") {
      server.base = address.value
      server.servesAll = true
      if object["host"] != nil {
        findings.error("server has both host and address", mend: "keep one", at: object.keyLocation("host"))
      }
    } else if object["host"] != nil {
      server.base = object.value("host") { text throws(TextError) in try Address(parsingHost: text, port: 0) }
    } else if object["address"] == nil {
      findings.error(
        "server \"\(name.value)\" has no address", mend: "add \"address: 127.0.0.1:9000\", or \"host:\" and \"ports:\"",
        at: object.location)
    }
    readPorts(object, into: &server)
    server.weight = object.integer("weight", 0...256) ?? 1
    server.maxConnections = object.integer("max-connections", 0...10_000_000) ?? 0
    server.cookie = object.located("cookie", parseCookieValue) ?? server.cookie
    readDemo(object, into: &server)
    server.tls = object["tls"].flatMap { TLSReader(findings: findings).target($0, of: object) }
    server.sendProxy = object.choice("send-proxy", ProxyProtocolVersion.self)
    server.slowStart = object.duration("slow-start")
    if let tree = object["service"] { server.service = TrafficReader(findings: findings).service(tree) }
    return server
  }

  /// `demo: true`, or a mapping with the certificate that the demo server shows.
  private func readDemo(_ object: Object, into server: inout AppServer) {
    guard let tree = object["demo"] else { return }
    guard tree.scalarText == nil else {
      server.isDemo = object.bool("demo") ?? false
      return
    }
    let mend = "write \"demo: true\", or {certificate: \"pki/{node}.pem\"}"
    guard let demo = Object(tree, "demo", keys: ["certificate"], shortForm: mend, findings: findings) else { return }
    server.isDemo = true
    let certificate = demo["certificate"].flatMap { TLSReader(findings: findings).certificate($0, of: demo) }
    server.demoCertificate = certificate?.at(server.name)
  }

  /// A mapping of applications, and `admission`, to ports.
  private func readPorts(_ object: Object, into server: inout AppServer) {
    guard let tree = object["ports"] else { return }
    guard case .mapping(let fields) = tree.content else {
      findings.error(
        "ports must be a mapping, not \(tree.kindName)", mend: "write \"ports: {shop: 8080, admission: 8081}\"",
        at: tree.location)
      // One message is enough: an address that serves everything keeps "no port" from being said too.
      server.servesAll = true
      return
    }
    for field in fields {
      guard
        let port = object.scalar(
          field.value, field.key, { text throws(TextError) in UInt16(try parseInteger(text, 1...65535)) })
      else {
        server.servesAll = true
        continue
      }
      if field.key == "admission" {
        server.admissionPort = port
      } else {
        let application = Located(field.key, at: field.keyLocation)
        server.ports.append(ServicePort(application: application, port: port.value))
      }
    }
  }
}

/// One address, or a list of addresses and of mappings with an address and what else is to be said of a listener.
func readListen(_ object: Object, _ findings: Findings) -> [Listen] {
  let listed = object.list("listen", orSingle: true)
  // An entry of another kind has been reported; nothing at all has not.
  guard let items = listed, !items.isEmpty else {
    findings.error("\(object.what) has no listen address", mend: "add \"listen: 127.0.0.1:8080\"", at: object.location)
    return []
  }
  return items.compactMap { item in
    if item.scalarText != nil {
      return object.scalar(item, "listen", Address.init(parsing:)).map { Listen(address: $0, isPublic: false) }
    }
    let mend = "write an address, or {address: \"127.0.0.1:8080\", public: true}"
    guard
      let entry = Object(
        item, "listen",
        keys: [
          "address", "public", "max-connections", "proxy-protocol", "bind", "tls", "hsts", "redirect", "monitor-net",
        ],
        shortForm: mend,
        findings: findings)
    else { return nil }
    guard entry["address"] != nil else {
      findings.error("listen has no address", mend: mend, at: entry.location)
      return nil
    }
    let proxyProtocol = readNetworks("proxy-protocol", of: entry) ?? []
    let reader = TLSReader(findings: findings)
    return entry.address("address").map { address in
      var listen = Listen(address: address, isPublic: entry.bool("public") ?? false, proxyProtocol: proxyProtocol)
      listen.maxConnections = entry.integer("max-connections", 0...10_000_000) ?? 0
      listen.monitorNetworks = readNetworks("monitor-net", of: entry) ?? []
      listen.bindsFreely = entry.choice("bind", Binding.self) == .free
      listen.tls = entry["tls"].flatMap { reader.listener($0, of: entry) }
      listen.strictTransport = entry["hsts"].flatMap { reader.strictTransport($0, of: entry) }
      listen.secureRedirect = entry["redirect"].flatMap { reader.redirect($0, of: entry) }
      return listen
    }
  }
}

/// What a listener's `bind` says.
private enum Binding: String, CaseIterable { case own, free }

/// `{latitude: 50.85, longitude: 4.35}` or `[50.85, 4.35]`.
func readPlace(_ tree: Tree, _ findings: Findings) -> Location? {
  let mend = "write {latitude: 50.85, longitude: 4.35} or [50.85, 4.35]"
  if case .list(let items) = tree.content {
    guard items.count == 2, let latitude = items[0].scalarText, let longitude = items[1].scalarText else {
      findings.error("location must be two numbers", mend: mend, at: tree.location)
      return nil
    }
    do {
      return Location(
        latitude: try parseNumber(latitude, -90...90), longitude: try parseNumber(longitude, -180...180))
    } catch {
      findings.error("location: \(error.message)", mend: error.mend, at: tree.location)
      return nil
    }
  }
  guard
    let object = Object(tree, "location", keys: ["latitude", "longitude"], shortForm: mend, findings: findings)
  else { return nil }
  for key in ["latitude", "longitude"] where object[key] == nil {
    findings.error("location has no \(key)", mend: mend, at: object.location)
  }
  guard let latitude = object.number("latitude", -90...90), let longitude = object.number("longitude", -180...180)
  else { return nil }
  return Location(latitude: latitude, longitude: longitude)
}

private func parseCookieValue(_ text: String) throws(TextError) -> String {
  guard isCookieValue(text) else {
    throw TextError(
      "\"\(text)\" cannot be a cookie value",
      mend: "use up to 64 visible ASCII characters without ~ | ; , \" and \\")
  }
  return text
}
