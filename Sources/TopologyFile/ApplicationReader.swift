internal import Topology

/// Reads one application.
struct ApplicationReader {
  let findings: Findings

  static let cookieKeys = [
    "name", "mode", "indirect", "nocache", "preserve", "httponly", "secure", "samesite", "domain", "path", "maxidle",
    "maxlife",
  ]

  func application(_ tree: Tree, id: Int) -> Application? {
    if let text = tree.scalarText {
      guard isName(text) else {
        findings.error("application: \"\(text)\" is not a name", mend: "write \"- name: shop\"", at: tree.location)
        return nil
      }
      return Application(id: id, name: text, location: tree.location)
    }
    let keys = ["name", "hosts", "cookies", "check", "session-timeout", "timeouts"]
    guard let object = Object(tree, "application", keys: keys, findings: findings) else { return nil }
    let name = object.requiredName(example: "shop")
    var application = Application(id: id, name: name.value, location: name.location)
    application.hosts =
      object.list("hosts", orSingle: true)?.compactMap { object.scalar($0, "hosts", parseHostPattern) } ?? []
    if let cookies = object["cookies"] { readCookies(cookies, into: &application) }
    if let check = object["check"], let read = self.check(check) {
      application.check = read.check
      application.checkUsesTLS = read.usesTLS
    }
    application.sessionTimeout = object.positiveDuration("session-timeout")
    if let timeouts = object["timeouts"] {
      application.timeouts = SettingsReader(findings: findings).timeouts(timeouts)
    }
    return application
  }

  private func readCookies(_ tree: Tree, into application: inout Application) {
    if tree.scalarText == "none" {
      application.siteCookie = nil
      application.sessionCookie = nil
      return
    }
    let mend = "write \"cookies: {site: SITE}\", or \"cookies: none\""
    guard
      let object = Object(
        tree, "cookies", keys: ["site", "session", "key-file", "signing"], shortForm: mend, findings: findings)
    else { return }
    if let site = object["site"] {
      application.siteCookie = cookie(site, "site", modes: [.insert], default: .insert, name: "SITE")
    }
    if let session = object["session"] {
      application.sessionCookie = cookie(
        session, "session", modes: [.prefix, .insert], default: .prefix, name: "SERVERID")
    }
    if let signing = TLSReader(findings: findings).signing(object) {
      application.siteCookie?.plan.signing = signing
      application.sessionCookie?.plan.signing = signing
    }
  }

  /// A cookie by its name alone, `none`, or a mapping.
  private func cookie(
    _ tree: Tree, _ which: String, modes: [CookiePlan.Mode], default mode: CookiePlan.Mode, name: String
  ) -> CookieSettings? {
    if let text = tree.scalarText {
      if text == "none" { return nil }
      guard isToken(text) else {
        findings.error("\(which) cookie: \"\(text)\" is not a cookie name", mend: Self.tokenMend, at: tree.location)
        return nil
      }
      return CookieSettings(plan: CookiePlan(name: text, mode: mode), location: tree.location)
    }
    guard
      let object = Object(
        tree, "\(which) cookie", keys: Self.cookieKeys, shortForm: "write its name, \"none\", or a mapping",
        findings: findings)
    else { return nil }
    let given = object.located("mode") { text throws(TextError) in try parseMode(text, modes) }
    let mode = given?.value ?? mode
    let found = object.located("name", parseCookieName)
    if mode == .prefix, object["name"] == nil {
      findings.error(
        "\(which) cookie has no name", mend: "add the name of the application's own session cookie, such as JSESSIONID",
        at: object.location)
    }
    var plan = CookiePlan(name: found?.value ?? name, mode: mode)
    plan.indirect = object.bool("indirect") ?? plan.indirect
    plan.noCache = object.bool("nocache") ?? plan.noCache
    plan.preserve = object.bool("preserve") ?? plan.preserve
    plan.httpOnly = object.bool("httponly") ?? false
    plan.secure = object.bool("secure") ?? false
    plan.sameSite = object.value("samesite", parseSameSite)
    plan.domain = object.value("domain", parseDomain)
    plan.path = object.value("path", parseCookiePath) ?? plan.path
    plan.maxIdle = object.value("maxidle", parseCookieLimit)
    plan.maxLife = object.value("maxlife", parseCookieLimit)
    if mode == .prefix {
      for key in ["indirect", "preserve", "maxidle", "maxlife"] where object[key] != nil {
        findings.error(
          "\(key) has no meaning for a cookie of mode prefix", mend: "remove it, or write \"mode: insert\"",
          at: object.keyLocation(key))
      }
    }
    return CookieSettings(plan: plan, location: found?.location ?? object.location)
  }

  /// What is asked: a kind, or a mapping of one.
  func check(_ tree: Tree) -> (check: ApplicationCheck, usesTLS: Bool?)? {
    switch tree.content {
    case .scalar("tcp", _): return (.tcp, nil)
    case .scalar("http", _): return (.http(.standard), nil)
    case .scalar("tls-hello", _): return (.tlsHello, nil)
    case .scalar(let text, _):
      let mend = spellingMend(of: text, among: ["tcp", "http", "tls-hello"], noun: "checks")
      findings.error("check: unknown value \"\(text)\"", mend: mend, at: tree.location)
      return nil
    default: break
    }
    let mend = "write \"tcp\", \"tls-hello\", \"http\" or \"{http: {path: /health}}\""
    guard let object = Object(tree, "check", keys: ["http", "tcp", "tls-hello"], shortForm: mend, findings: findings)
    else {
      return nil
    }
    if object.fields.count != 1, object.fields.allSatisfy({ ["http", "tcp", "tls-hello"].contains($0.key) }) {
      findings.error("check must name one kind", mend: mend, at: object.location)
    }
    guard let http = object["http"] else {
      return (object.fields.contains { $0.key == "tls-hello" } ? .tlsHello : .tcp, nil)
    }
    let keys = ["method", "path", "version", "host", "expect", "tls"]
    guard let request = Object(http, "http check", keys: keys, findings: findings) else { return nil }
    var plan = HTTPCheckPlan.standard
    plan.method = request.value("method", parseMethod) ?? plan.method
    plan.path = request.value("path", parseTarget) ?? plan.path
    plan.version = request.value("version", parseVersion) ?? plan.version
    plan.host = request.value("host", parseFieldValue)
    if let expected = request.list("expect", orSingle: true) {
      plan.expectedStatus = expected.compactMap { request.scalar($0, "expect", parseStatus)?.value }
      if expected.isEmpty {
        findings.error("expect lists no status", mend: "write \"200\" or \"200-399\"", at: http.location)
      }
    }
    return (.http(plan), request.bool("tls"))
  }

  static let tokenMend = "use letters, digits and !#$%&'*+-.^_`|~ (RFC 6265)"
}

private func parseHostPattern(_ text: String) throws(TextError) -> String {
  guard isHostPattern(text) else {
    let mend =
      text.contains(":") || text.contains("/")
      ? "write the host alone, without scheme, port or path"
      : "write \"shop.example\" or \"*.shop.example\""
    throw TextError("\"\(text)\" is not a host name", mend: mend)
  }
  return text.lowercased()
}

private func parseCookieName(_ text: String) throws(TextError) -> String {
  guard isToken(text) else { throw TextError("\"\(text)\" is not a cookie name", mend: ApplicationReader.tokenMend) }
  return text
}

private func parseMode(_ text: String, _ allowed: [CookiePlan.Mode]) throws(TextError) -> CookiePlan.Mode {
  if let mode = allowed.first(where: { $0.rawValue == text }) { return mode }
  let known = allowed.map(\.rawValue)
  throw TextError("unknown value \"\(text)\"", mend: spellingMend(of: text, among: known, noun: "values"))
}

private func parseSameSite(_ text: String) throws(TextError) -> CookiePlan.SameSite {
  switch text.lowercased() {
  case "strict": return .strict
  case "lax": return .lax
  case "none": return .none
  default:
    throw TextError(
      "unknown value \"\(text)\"", mend: spellingMend(of: text, among: ["strict", "lax", "none"], noun: "values"))
  }
}

private func parseDomain(_ text: String) throws(TextError) -> String {
  guard isHostName(text.hasPrefix(".") ? String(text.dropFirst()) : text) else {
    throw TextError("\"\(text)\" is not a domain")
  }
  return text
}

private func parseCookiePath(_ text: String) throws(TextError) -> String {
  guard text.hasPrefix("/"), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x3B }) else {
    throw TextError("\"\(text)\" is not a cookie path", mend: "it begins with \"/\" and has no \";\" or space")
  }
  return text
}

/// Dates in cookies count units of four seconds, so nothing shorter can be told apart.
private func parseCookieLimit(_ text: String) throws(TextError) -> Duration {
  let duration = try Duration(parsing: text)
  guard duration >= .seconds(4) else {
    throw TextError("\(text) is too short", mend: "at least 4s, the unit of a cookie's dates")
  }
  return duration
}

private func parseMethod(_ text: String) throws(TextError) -> String {
  guard isToken(text) else { throw TextError("\"\(text)\" is not a method") }
  guard text == text.uppercased() else {
    throw TextError("method \"\(text)\" is not in upper case", mend: "write \(text.uppercased())")
  }
  return text
}

private func parseTarget(_ text: String) throws(TextError) -> String {
  guard text.hasPrefix("/"), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !text.contains("#") else {
    throw TextError("\"\(text)\" is not a path", mend: "it begins with \"/\" and is percent-encoded ASCII")
  }
  return text
}

private func parseVersion(_ text: String) throws(TextError) -> String {
  guard text == "1.0" || text == "1.1" else {
    throw TextError("unknown version \"\(text)\"", mend: "write \"1.0\" or \"1.1\"")
  }
  return text
}

private func parseFieldValue(_ text: String) throws(TextError) -> String {
  guard !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
    throw TextError("\"\(text)\" is not a host")
  }
  return text
}

/// `200`, `200-299` or `2xx`.
private func parseStatus(_ text: String) throws(TextError) -> ClosedRange<Int> {
  let mend = "write \"200\", \"200-399\" or \"2xx\""
  let classes = 1...5
  if text.hasSuffix("xx"), let first = Int(text.dropLast(2)), classes.contains(first) {
    return first * 100...first * 100 + 99
  }
  let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
  guard let first = ends.first, let last = ends.last, ends.count <= 2, first >= 100, last <= 599, first <= last else {
    throw TextError("\"\(text)\" is not a status or range of statuses", mend: mend)
  }
  return first...last
}
