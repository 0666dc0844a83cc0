internal import Topology

/// A piece of a YAML file with its place: what Yams composes, without its types.
struct Tree {
  enum Content {
    case null
    case scalar(String, isPlain: Bool)
    case list([Tree])
    case mapping([Field])
  }
  struct Field {
    var key: String
    var keyLocation: SourceLocation
    var value: Tree
  }
  var content: Content
  var location: SourceLocation

  /// The kind of content, as messages name it.
  var kindName: String {
    switch content {
    case .null: "nothing"
    case .scalar: "a single value"
    case .list: "a list"
    case .mapping: "a mapping"
    }
  }

  var isNull: Bool {
    if case .null = content { return true }
    return false
  }

  var scalarText: String? {
    if case .scalar(let text, _) = content { return text }
    return nil
  }
}

/// Collects what is found wrong.
final class Findings {
  private(set) var all: [Diagnostic] = []

  func error(_ message: String, mend: String? = nil, at location: SourceLocation) {
    all.append(Diagnostic(.error, at: location, message, mend: mend))
  }

  func warning(_ message: String, mend: String? = nil, at location: SourceLocation) {
    all.append(Diagnostic(.warning, at: location, message, mend: mend))
  }

  func error(_ error: TextError, at location: SourceLocation) {
    self.error(error.message, mend: error.mend, at: location)
  }
}
