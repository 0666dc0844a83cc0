/// Everything an answer tells, before it takes a form.
struct Answer: Sendable {
  var server: String
  var site: String?
  var application: String
  var session: String
  var isNew: Bool
  var visits: Int
  /// Names of the nodes the request came through, in order, the server last.
  var path: [String]
  var forwardedFor: String?
  var method: String
  var target: String
  var bodyBytes: Int
  var bodyDigest: String
  var requestID: String?
  /// As received: order, case and number.
  var headers: [(name: String, value: String)]

  /// The names in the fields of `Via` (RFC 9110 section 7.6.3), in order: `1.1 OP1, 1.1 SD1 (comment)`.
  static func nodes(via fields: [String]) -> [String] {
    var names: [String] = []
    for field in fields {
      for member in field.split(separator: ",") {
        let words = member.split(whereSeparator: { $0 == " " || $0 == "\t" })
        if words.count >= 2 { names.append(String(words[1])) }
      }
    }
    return names
  }

  /// A few aligned lines for a terminal.
  var text: String {
    var rows: [(String, String)] = [
      ("server", server + (site.map { " at \($0)" } ?? "")),
      ("application", application),
      ("session", session + (isNew ? " (new)" : "")),
      ("visits", String(visits)),
      ("path", path.joined(separator: " > ")),
      ("forwarded for", forwardedFor ?? "-"),
      ("request", "\(method) \(target)"),
    ]
    if bodyBytes > 0 { rows.append(("body", "\(bodyBytes) bytes, fnv1a \(bodyDigest)")) }
    if let requestID { rows.append(("request id", requestID)) }
    return rows.map { name, value in
      name + String(repeating: " ", count: 15 - name.count) + value + "\n"
    }.joined()
  }

  /// One JSON object on one line.
  var json: String {
    var writer = JSONText()
    writer.member("server", server)
    writer.member("site", site)
    writer.member("application", application)
    writer.member("session", session)
    writer.member("new", literal: isNew ? "true" : "false")
    writer.member("visits", literal: String(visits))
    writer.member("path", literal: "[" + path.map(JSONText.quoted).joined(separator: ",") + "]")
    writer.member("forwardedFor", forwardedFor)
    writer.member("method", method)
    writer.member("target", target)
    writer.member("bodyBytes", literal: String(bodyBytes))
    writer.member("bodyDigest", bodyDigest)
    writer.member("requestId", requestID)
    let fields = headers.map { "[\(JSONText.quoted($0.name)),\(JSONText.quoted($0.value))]" }
    writer.member("headers", literal: "[" + fields.joined(separator: ",") + "]")
    return writer.object + "\n"
  }
}
