internal import Topology

/// Reads `status-page`.
struct StatusPageReader {
  let findings: Findings

  /// `{listen: "127.0.0.1:1936", path: /status, user: operator, password: "env:STATUS_PASSWORD"}`
  func page(_ tree: Tree) -> StatusPageSettings {
    var page = StatusPageSettings()
    let mend = "write {listen: \"127.0.0.1:1936\", user: operator, password: \"env:STATUS_PASSWORD\"}"
    let keys = ["listen", "path", "user", "password"]
    guard let object = Object(tree, "status-page", keys: keys, shortForm: mend, findings: findings) else { return page }
    page.listen = object.address("listen")
    page.path = object.value("path", parsePagePath)
    page.user = object.value("user", parsePageUser)
    page.password = object.value("password", parseSecret)
    return page
  }
}

/// The path of a page as a request names it, without a query.
private func parsePagePath(_ text: String) throws(TextError) -> String {
  let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"?#\"\\".utf8.contains($0) }
  guard text.hasPrefix("/"), isPlain, text.utf8.count <= 200 else {
    throw TextError(
      "\"\(text.prefix(60))\" is no path of a page", mend: "begin with \"/\", and leave out ?, # and spaces")
  }
  return text
}

/// A user of HTTP's Basic authentication: what a colon ends (RFC 7617 section 2).
private func parsePageUser(_ text: String) throws(TextError) -> String {
  let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !":\"\\$".utf8.contains($0) }
  guard isPlain, (1...64).contains(text.utf8.count) else {
    throw TextError("\"\(text.prefix(60))\" is no user", mend: "1 to 64 visible characters without : \" \\ and $")
  }
  return text
}

/// Where a secret stands. What is no such place is not repeated: it may be the secret.
func parseSecret(_ text: String) throws(TextError) -> Secret {
  if text.hasPrefix("file:"), text.utf8.count > 5, !text.contains("\0") { return .file(String(text.dropFirst(5))) }
  if text.hasPrefix("env:") {
    let name = text.dropFirst(4)
    let isName = name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
    let startsWithDigit = name.utf8.first.map { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? true
    if isName, !startsWithDigit { return .environment(String(name)) }
  }
  throw TextError(
    "a secret does not stand in the topology", mend: "write where it stands: \"file:PATH\" or \"env:NAME\"")
}
