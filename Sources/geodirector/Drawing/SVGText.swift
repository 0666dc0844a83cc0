/// Writes SVG: elements with attributes, nested and indented, everything escaped. Knows nothing of what is drawn.
struct SVGText {
  private var lines: [String] = []
  private var open: [String] = []

  /// A drawing of a size in user units, with what it shows for those who cannot see it.
  init(width: Double, height: Double, title: String, description: String, style: String) {
    lines.append("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")
    begin(
      "svg",
      [
        ("xmlns", "http://www.w3.org/2000/svg"), ("width", Self.number(width)), ("height", Self.number(height)),
        ("viewBox", "0 0 \(Self.number(width)) \(Self.number(height))"), ("role", "img"),
        ("aria-labelledby", "title description"),
      ])
    add("title", [("id", "title")], text: title)
    add("desc", [("id", "description")], text: description)
    // The style is text of the program, in which "<" and "&" do not occur.
    lines.append("  <style>")
    lines += style.split(separator: "\n", omittingEmptySubsequences: false).map { "    " + $0 }
    lines.append("  </style>")
  }

  /// Opens an element; what follows is inside until `end`.
  mutating func begin(_ name: String, _ attributes: [(String, String)] = []) {
    lines.append("\(indent)<\(name)\(Self.text(attributes))>")
    open.append(name)
  }

  /// Closes the element opened last.
  mutating func end() {
    let name = open.removeLast()
    lines.append("\(indent)</\(name)>")
  }

  /// An element without elements in it.
  mutating func add(_ name: String, _ attributes: [(String, String)] = [], text: String? = nil) {
    if let text {
      lines.append("\(indent)<\(name)\(Self.text(attributes))>\(Self.escaped(text))</\(name)>")
    } else {
      lines.append("\(indent)<\(name)\(Self.text(attributes))/>")
    }
  }

  /// A rectangle.
  mutating func rectangle(
    _ kind: String, x: Double, y: Double, width: Double, height: Double, radius: Double = 0
  ) {
    var attributes = [
      ("class", kind), ("x", Self.number(x)), ("y", Self.number(y)), ("width", Self.number(width)),
      ("height", Self.number(height)),
    ]
    if radius > 0 { attributes.append(("rx", Self.number(radius))) }
    add("rect", attributes)
  }

  /// Where a text stands beside its point.
  enum Anchor: String { case start, middle, end }

  /// One line of text; `y` is that of its baseline.
  mutating func text(_ kind: String, x: Double, y: Double, _ text: String, anchor: Anchor = .start) {
    var attributes = [("class", kind), ("x", Self.number(x)), ("y", Self.number(y))]
    if anchor != .start { attributes.append(("text-anchor", anchor.rawValue)) }
    add("text", attributes, text: text)
  }

  /// A line or curve by its path data; a title is shown when the pointer rests on it.
  mutating func path(_ kind: String, _ data: String, title: String? = nil) {
    guard let title else { return add("path", [("class", kind), ("d", data)]) }
    begin("path", [("class", kind), ("d", data)])
    add("title", text: title)
    end()
  }

  /// The whole document, closed.
  func finished() -> String {
    var result = lines
    for (depth, name) in open.enumerated().reversed() {
      result.append(String(repeating: "  ", count: depth) + "</\(name)>")
    }
    return result.joined(separator: "\n") + "\n"
  }

  private var indent: String { String(repeating: "  ", count: open.count) }

  private static func text(_ attributes: [(String, String)]) -> String {
    attributes.map { " \($0.0)=\"\(escaped($0.1))\"" }.joined()
  }

  /// A number with two decimals at most, which is finer than any screen.
  static func number(_ value: Double) -> String {
    let hundredths = (value * 100).rounded() / 100
    return hundredths == hundredths.rounded() ? "\(Int(hundredths))" : "\(hundredths)"
  }

  /// Text for content and attributes: markup escaped, and characters that XML 1.0 does not allow replaced.
  static func escaped(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result.append(contentsOf: "&amp;".unicodeScalars)
      case "<": result.append(contentsOf: "&lt;".unicodeScalars)
      case ">": result.append(contentsOf: "&gt;".unicodeScalars)
      case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
      case "\t", "\n", "\r": result.append(" ")
      default:
        let isAllowed = scalar.value >= 0x20 && scalar.value != 0xFFFE && scalar.value != 0xFFFF
        result.append(isAllowed ? scalar : "\u{FFFD}")
      }
    }
    return String(result)
  }
}
