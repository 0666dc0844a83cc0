internal import Topology

/// Reads what speaks of TLS: listeners, servers that are reached by it, and what nodes show and trust.
struct TLSReader {
  let findings: Findings

  private static let certificateMend = "write \"tls: shop.pem\", or \"tls: {certificates: [shop.pem, folder]}\""

  /// `tls:` of a listener: one file or folder, or a mapping.
  func listener(_ tree: Tree, of entry: Object) -> Located<ListenerTLSPlan>? {
    if tree.scalarText != nil {
      guard let path = entry.scalar(tree, "tls", parseFilePath) else { return nil }
      return Located(ListenerTLSPlan(certificates: [CertificatePlan(path: path.value)]), at: tree.location)
    }
    let keys = [
      "certificates", "minimum", "strict", "resumption", "ticket-keys", "ticket-rotation", "require", "client-ca",
      "client-names", "alpn",
    ]
    guard let object = Object(tree, "tls", keys: keys, shortForm: Self.certificateMend, findings: findings) else {
      return nil
    }
    let certificates = object.list("certificates", orSingle: true)
    if certificates?.isEmpty ?? true {
      findings.error("tls has no certificates", mend: Self.certificateMend, at: object.location)
    }
    var plan = ListenerTLSPlan(certificates: (certificates ?? []).compactMap { certificate($0, of: object) })
    plan.minimum = object.choice("minimum", TLSVersion.self) ?? plan.minimum
    plan.isStrict = object.bool("strict") ?? false
    plan.resumes = object.bool("resumption") ?? true
    plan.ticketKeyPath = object.value("ticket-keys", parseFilePath)
    plan.ticketRotation = object.positiveDuration("ticket-rotation") ?? plan.ticketRotation
    plan.clients = clients(object)
    plan.protocols = object.list("alpn", orSingle: true)?
      .compactMap { object.scalar($0, "alpn", parseProtocolName)?.value }
    return Located(plan, at: tree.location)
  }

  /// What `require:` asks of clients, and what it needs.
  private func clients(_ object: Object) -> ClientCertificatePlan? {
    let required = object.value("require") { text throws(TextError) in
      guard text == "client-certificate" else {
        throw TextError(
          "unknown value \"\(text)\"", mend: spellingMend(of: text, among: ["client-certificate"], noun: "values"))
      }
      return text
    }
    let authority = object.value("client-ca", parseFilePath)
    let names = object.list("client-names", orSingle: true)?
      .compactMap { object.scalar($0, "client-names", parseCertificateName)?.value }
    if required == nil, object["require"] == nil {
      for key in ["client-ca", "client-names"] where object[key] != nil {
        findings.error(
          "\(key) has no effect: no certificate is required", mend: "add \"require: client-certificate\"",
          at: object.keyLocation(key))
      }
      return nil
    }
    guard let authority else {
      if required != nil, object["client-ca"] == nil {
        findings.error(
          "nobody is named who may have signed clients' certificates", mend: "add \"client-ca: ca.pem\"",
          at: object.keyLocation("require"))
      }
      return nil
    }
    // Unreadable names have been reported.
    if case .list(let items)? = object["client-names"]?.content, items.isEmpty {
      findings.error(
        "client-names lets nobody in", mend: "list names, or remove it", at: object.keyLocation("client-names"))
    }
    return ClientCertificatePlan(authorityPath: authority, names: names ?? [])
  }

  /// A path, or `{certificate, key, ocsp}`.
  func certificate(_ tree: Tree, of object: Object) -> CertificatePlan? {
    if tree.scalarText != nil {
      return object.scalar(tree, "certificate", parseFilePath).map { CertificatePlan(path: $0.value) }
    }
    let mend = "write its path, or {certificate: shop.crt, key: shop.key}"
    guard
      let entry = Object(
        tree, "certificate", keys: ["certificate", "key", "ocsp"], shortForm: mend, findings: findings)
    else { return nil }
    guard let path = entry.value("certificate", parseFilePath) else {
      if entry["certificate"] == nil { findings.error("certificate names no file", mend: mend, at: entry.location) }
      return nil
    }
    return CertificatePlan(
      path: path, keyPath: entry.value("key", parseFilePath), staplePath: entry.value("ocsp", parseFilePath))
  }

  /// `monitor:` of a node: an address, or a mapping of it, of its TLS, and of where others reach it, by way of a relay say.
  func monitor(_ object: Object) -> (
    address: Located<Address>, advertised: Located<Address>?, tls: Located<ListenerTLSPlan>?
  )? {
    guard let tree = object["monitor"] else { return nil }
    guard tree.scalarText == nil else { return object.address("monitor").map { ($0, nil, nil) } }
    let mend = "write an address, or {address: \"10.1.1.11:82\", advertise: \"10.1.1.11:81\"}"
    guard
      let entry = Object(tree, "monitor", keys: ["address", "advertise", "tls"], shortForm: mend, findings: findings)
    else { return nil }
    if entry["address"] == nil { findings.error("monitor has no address", mend: mend, at: entry.location) }
    let advertised = entry.address("advertise")
    let tls = entry["tls"].flatMap { listener($0, of: entry) }
    return entry.address("address").map { ($0, advertised, tls) }
  }

  /// `hsts: 365d`, or a mapping.
  func strictTransport(_ tree: Tree, of entry: Object) -> Located<StrictTransportPlan>? {
    if tree.scalarText != nil {
      return entry.positiveDuration("hsts").map { Located(StrictTransportPlan(maxAge: $0), at: tree.location) }
    }
    let mend = "write \"hsts: 365d\", or {max-age: 365d, subdomains: true}"
    let keys = ["max-age", "subdomains", "preload"]
    guard let object = Object(tree, "hsts", keys: keys, shortForm: mend, findings: findings) else { return nil }
    guard let age = object.duration("max-age") else {
      if object["max-age"] == nil { findings.error("hsts has no max-age", mend: mend, at: object.location) }
      return nil
    }
    let plan = StrictTransportPlan(
      maxAge: age, includesSubdomains: object.bool("subdomains") ?? false, preload: object.bool("preload") ?? false)
    return Located(plan, at: tree.location)
  }

  /// `redirect: https`, or a mapping.
  func redirect(_ tree: Tree, of entry: Object) -> Located<SecureRedirectPlan>? {
    if tree.scalarText != nil {
      return entry.located("redirect") { text throws(TextError) in
        guard text == "https" else {
          throw TextError("unknown value \"\(text)\"", mend: spellingMend(of: text, among: ["https"], noun: "values"))
        }
        return SecureRedirectPlan()
      }
    }
    let mend = "write \"redirect: https\", or {port: 8443, status: 308}"
    guard let object = Object(tree, "redirect", keys: ["port", "status"], shortForm: mend, findings: findings) else {
      return nil
    }
    let status = object.value("status") { text throws(TextError) -> Int in
      guard let status = Int(text), [301, 302, 307, 308].contains(status) else {
        throw TextError("\"\(text)\" is not a status of a redirect", mend: "write 301, 302, 307 or 308")
      }
      return status
    }
    return Located(
      SecureRedirectPlan(port: UInt16(object.integer("port", 1...65_535) ?? 443), status: status ?? 308),
      at: tree.location)
  }

  /// `tls:` of a director, balancer or server: whether and how it is reached.
  func target(_ tree: Tree, of object: Object) -> Located<TargetTLSSettings>? {
    if tree.scalarText != nil {
      return object.bool("tls").map { Located(TargetTLSSettings(isOn: $0), at: tree.location) }
    }
    let mend = "write \"tls: true\", or {name: w11.example, ca: ca.pem}"
    let keys = ["name", "ca", "verify", "minimum"]
    guard let entry = Object(tree, "tls", keys: keys, shortForm: mend, findings: findings) else { return nil }
    var settings = TargetTLSSettings(isOn: true)
    settings.name = entry.value("name", parseExpectedName)
    settings.authorityPath = entry.value("ca", parseFilePath)
    settings.verifies = entry.located("verify", parseBool)
    settings.minimum = entry.choice("minimum", TLSVersion.self)
    return Located(settings, at: tree.location)
  }

  /// `upstream:` of a tier or node.
  func upstream(_ tree: Tree) -> UpstreamTLSSettings {
    var settings = UpstreamTLSSettings()
    guard let object = Object(tree, "upstream", keys: ["tls"], findings: findings), let inner = object["tls"] else {
      return settings
    }
    let keys = ["ca", "certificate", "key", "verify", "minimum"]
    guard let entry = Object(inner, "tls", keys: keys, findings: findings) else { return settings }
    settings.authorityPath = entry.value("ca", parseFilePath)
    settings.verifies = entry.located("verify", parseBool)
    settings.minimum = entry.choice("minimum", TLSVersion.self)
    let key = entry.value("key", parseFilePath)
    if let certificate = entry["certificate"] {
      settings.certificate = self.certificate(certificate, of: entry)
      if key != nil { settings.certificate?.keyPath = key }
    } else if entry["key"] != nil {
      findings.error("key has no certificate", mend: "add \"certificate:\"", at: entry.keyLocation("key"))
    }
    return settings
  }

  /// `key-file:` and `signing:` of an application's cookies.
  func signing(_ object: Object) -> CookieSigningPlan? {
    let path = object.value("key-file", parseFilePath)
    let phase = object.choice("signing", CookieSigningPlan.Phase.self)
    if object["key-file"] == nil, object["signing"] != nil {
      findings.error(
        "signing needs keys", mend: "add \"key-file: cookies.keys\"; make a key with: openssl rand -hex 32",
        at: object.keyLocation("signing"))
    }
    return path.map { CookieSigningPlan(keyPath: $0, phase: phase ?? .accept) }
  }
}

func parseFilePath(_ text: String) throws(TextError) -> String {
  guard !text.isEmpty, !text.utf8.contains(0) else { throw TextError("\"\(text)\" is not a path") }
  guard !text.contains("-----BEGIN") else {
    throw TextError("keys and certificates do not stand in this file", mend: "name the file that holds it")
  }
  return text
}

func parseAbsolutePath(_ text: String) throws(TextError) -> String {
  guard text.hasPrefix("/"), try parseFilePath(text).utf8.count < 4096 else {
    throw TextError("\"\(text)\" is not an absolute path", mend: "write it from the root: /var/lib/geodirector")
  }
  return text
}

/// A DNS name or name of a node, `*.` in front for one label more.
private func parseCertificateName(_ text: String) throws(TextError) -> String {
  guard isHostPattern(text) || isName(text) else {
    throw TextError("\"\(text)\" is not a name of a certificate", mend: "write \"OP1\" or \"*.offices.example\"")
  }
  return text
}

/// A protocol's name as ALPN has it (RFC 7301 section 3.1): 1 to 255 bytes, here of visible ASCII.
private func parseProtocolName(_ text: String) throws(TextError) -> String {
  guard !text.isEmpty, text.utf8.count <= 255, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
    throw TextError(
      "\"\(text)\" is not the name of a protocol", mend: "write names as IANA lists them: h2, http/1.1, imap")
  }
  return text
}

/// A host name, name of a node, or address.
private func parseExpectedName(_ text: String) throws(TextError) -> String {
  if isHostName(text) || isName(text) { return text }
  guard (try? Address(parsingHost: text, port: 1)) != nil else {
    throw TextError("\"\(text)\" is neither a host name nor an address")
  }
  return text
}

/// A user or group of the system.
func parseAccountName(_ text: String) throws(TextError) -> String {
  let isAllowed = text.utf8.allSatisfy { byte in
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
    default: false
    }
  }
  guard isAllowed, !text.isEmpty, text.utf8.count <= 32, !text.hasPrefix("-") else {
    throw TextError(
      "\"\(text)\" is not the name of an account", mend: "write the name of a user or group of this system")
  }
  return text
}
