internal import Topology

/// Reads a population file: the users of a simulation one by one.
struct PopulationReader {
  /// Of `population: 1`.
  static let version = 1
  static let userKeys = ["name", "entry", "application", "cookies", "client", "requests"]
  static let requestKeys = ["at", "method", "parallel"]

  enum Method: String, CaseIterable, Sendable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
  }

  let topology: Topology
  let findings: Findings

  func roll(_ tree: Tree) -> UserRoll? {
    let mend = "begin with \"population: \(Self.version)\", then \"users:\" and a list"
    guard
      let object = Object(tree, "population", keys: ["population", "users"], shortForm: mend, findings: findings)
    else { return nil }
    if object["population"] == nil {
      findings.error("population has no version", mend: "add \"population: \(Self.version)\"", at: object.location)
    } else {
      _ = object.integer("population", Self.version...Self.version)
    }
    let items = object.list("users") ?? []
    if items.isEmpty {
      findings.error(
        "population has no users", mend: "add \"users:\" and a list of {name, entry, cookies, requests}",
        at: object.location)
    }
    var known: Set<String> = []
    return UserRoll(
      users: items.compactMap { item in
        guard let user = user(item) else { return nil }
        if !user.name.isEmpty, !known.insert(user.name).inserted {
          findings.error("user \"\(user.name)\" stands twice", mend: "give each user a name", at: item.location)
        }
        return user
      })
  }

  private func user(_ tree: Tree) -> ListedUser? {
    let mend = "write \"- {name: anna, entry: OP1, requests: [0s, 5s]}\""
    guard let object = Object(tree, "user", keys: Self.userKeys, shortForm: mend, findings: findings) else {
      return nil
    }
    var user = ListedUser(name: object.requiredName(example: "anna").value, entry: entry(of: object))
    if let application = object.located("application", parseName) { user.application = number(of: application) }
    if let cookies = object["cookies"] { read(cookies, into: &user, object) }
    user.client = object.value("client", Network.init(parsingAddress:))
    user.pages = pages(of: object)
    return user
  }

  private func entry(of object: Object) -> String {
    let entries = topology.offices.map(\.name) + topology.sites.map(\.name)
    guard object["entry"] != nil else {
      findings.error(
        "user has no entry", mend: "add \"entry:\" with an office, or the site of a local user", at: object.location)
      return ""
    }
    guard let entry = object.located("entry", parseName) else { return "" }
    if !entries.contains(entry.value) {
      findings.error(
        "no office or site is named \"\(entry.value)\"",
        mend: spellingMend(of: entry.value, among: entries, noun: "there are"), at: entry.location)
    }
    if let site = topology.site(named: entry.value), site.directors.isEmpty {
      findings.error("\"\(entry.value)\" has no director for local users to enter by", at: entry.location)
    }
    return entry.value
  }

  private func number(of application: Located<String>) -> Int {
    let names = topology.applications.map(\.name)
    if let found = names.firstIndex(of: application.value) { return found }
    findings.error(
      "no application is named \"\(application.value)\"",
      mend: spellingMend(of: application.value, among: names, noun: "there are"), at: application.location)
    return 0
  }

  // MARK: Requests

  private func pages(of object: Object) -> [ListedUser.Page] {
    guard let items = object.list("requests", orSingle: true) else {
      findings.error("user has no requests", mend: "add \"requests: [0s, 5s]\"", at: object.location)
      return []
    }
    var pages: [ListedUser.Page] = []
    for item in items {
      guard let page = page(item, object) else { continue }
      if let last = pages.last, page.atNanoseconds < last.atNanoseconds {
        findings.error("requests are not in order of time", mend: "put the earlier first", at: item.location)
        return pages
      }
      pages.append(page)
    }
    return pages
  }

  private func page(_ item: Tree, _ user: Object) -> ListedUser.Page? {
    if item.scalarText != nil {
      return user.scalar(item, "requests", Duration.init(parsing:)).map {
        ListedUser.Page(atNanoseconds: $0.value.wholeNanoseconds)
      }
    }
    let mend = "write \"5s\", or \"{at: 5s, method: POST, parallel: 6}\""
    guard let object = Object(item, "request", keys: Self.requestKeys, shortForm: mend, findings: findings) else {
      return nil
    }
    if object["at"] == nil {
      findings.error("request does not say when", mend: "add \"at: 5s\"", at: object.location)
    }
    let method = object.choice("method", Method.self) ?? .get
    let parallel = object.integer("parallel", 1...16) ?? 1
    guard let at = object.duration("at") else { return nil }
    return ListedUser.Page(atNanoseconds: at.wholeNanoseconds, isPost: method == .post, parallel: parallel)
  }

  // MARK: Cookies

  /// `SITE=SITE1; JSESSIONID=W14~123`, as a browser sends it; cookies that steer nothing are passed over.
  private func read(_ tree: Tree, into user: inout ListedUser, _ object: Object) {
    guard topology.applications.indices.contains(user.application),
      let header = object.scalar(tree, "cookies", { text throws(TextError) in text })
    else { return }
    let application = topology.applications[user.application]
    var hasSite = false
    for part in header.value.split(separator: ";") {
      let pair = part.trimmingSpaces
      guard let equals = pair.firstIndex(of: "=") else {
        findings.error(
          "cookies: \"\(pair)\" has no value", mend: "write \"SITE=SITE1; JSESSIONID=W14~123\"", at: header.location)
        continue
      }
      let name = String(pair[..<equals])
      let value = String(pair[pair.index(after: equals)...])
      if name == application.siteCookie?.plan.name {
        // The first counts (rule B2).
        if !hasSite { user.site = site(value, at: header.location) }
        hasSite = true
      } else if let cookie = application.sessionCookie?.plan, name == cookie.name, user.server == nil {
        readSession(value, cookie, into: &user, at: header.location)
      }
    }
  }

  /// The site of a cookie's value; dates behind it (`SITE1|...`) are passed over.
  private func site(_ value: String, at location: SourceLocation) -> Int? {
    let bare = String(value.prefix { $0 != "|" })
    let values = topology.sites.map(\.cookie.value)
    if let found = values.firstIndex(of: bare) { return found }
    findings.error(
      "cookies: no site has the value \"\(bare)\"", mend: spellingMend(of: bare, among: values, noun: "there are"),
      at: location)
    return nil
  }

  private func readSession(
    _ value: String, _ cookie: CookiePlan, into user: inout ListedUser, at location: SourceLocation
  ) {
    var bare = value
    if cookie.mode == .prefix {
      guard let tilde = value.firstIndex(of: "~"), value.index(after: tilde) < value.endIndex else {
        findings.error(
          "cookies: \"\(value)\" names no server and session", mend: "write \"\(cookie.name)=SERVER~ID\"",
          at: location)
        return
      }
      user.session = String(value[value.index(after: tilde)...])
      bare = String(value[..<tilde])
    }
    let servers = topology.sites.flatMap(\.servers)
    if let found = servers.first(where: { $0.cookie.value == bare }) {
      user.server = found.name
      return
    }
    findings.error(
      "cookies: no server has the value \"\(bare)\"",
      mend: spellingMend(of: bare, among: servers.map(\.cookie.value), noun: "there are"), at: location)
  }
}

extension Substring {
  /// Without spaces and tabs at both ends.
  fileprivate var trimmingSpaces: Substring {
    var rest = self.drop { $0 == " " || $0 == "\t" }
    while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
    return rest
  }
}
