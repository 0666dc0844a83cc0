/// Writes one flat JSON object (RFC 8259).
package struct JSONText: Sendable {
  private var members: [String] = []

  /// An empty object.
  package init() {}

  /// Adds a string, or null.
  package mutating func member(_ name: String, _ value: String?) {
    member(name, literal: value.map(Self.quoted) ?? "null")
  }

  /// Adds what already is JSON.
  package mutating func member(_ name: String, literal: String) {
    members.append(Self.quoted(name) + ":" + literal)
  }

  /// The object so far.
  package var object: String { "{" + members.joined(separator: ",") + "}" }

  /// A string with quotes, escaped.
  package static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case "\u{0}"..."\u{1F}", "\u{7F}":
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}
