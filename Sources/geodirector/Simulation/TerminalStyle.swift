import Foundation

/// What text for people may use: characters beyond ASCII, and colour.
struct TerminalStyle {
  /// Columns of a page: what is wider is cut or goes on in the next line.
  static let columns = 100

  /// The locale's characters are UTF-8.
  var isUnicode = false
  /// The text goes to a terminal that shows colours, and nobody has asked for none.
  var hasColours = false

  /// Neither: what a file or another program gets in the C locale.
  static let plain = TerminalStyle()

  /// That of standard output. The locale is that of LC_ALL, LC_CTYPE or LANG, the first that is set.
  static func ofStandardOutput(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> Self {
    Self(environment, isTerminal: isatty(STDOUT_FILENO) == 1)
  }

  private init() {}

  init(_ environment: [String: String], isTerminal: Bool) {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
    isUnicode = locale.lowercased().contains("utf-8") || locale.lowercased().contains("utf8")
    // https://no-color.org: any value but the empty one.
    hasColours = isTerminal && environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
  }

  /// How a text is meant.
  enum Tone: String { case plain = "", strong = "1", good = "32", bad = "1;31", warning = "33", quiet = "2" }

  func paint(_ text: String, _ tone: Tone) -> String {
    hasColours && tone != .plain && !text.isEmpty ? "\u{1B}[\(tone.rawValue)m\(text)\u{1B}[0m" : text
  }

  /// The sign in front of a verdict, of one width.
  func mark(_ holds: Bool) -> String {
    paint(isUnicode ? (holds ? "✔" : "✘") : (holds ? "ok    " : "FAILED"), holds ? .good : .bad)
  }

  /// Columns that `mark` takes.
  var markWidth: Int { isUnicode ? 1 : 6 }

  /// A line across the page.
  func rule(_ length: Int) -> String { String(repeating: isUnicode ? "─" : "-", count: max(0, length)) }

  /// Between two nodes of a way.
  var arrow: String { isUnicode ? "→" : "->" }
}
