import Topology

/// What a request asks for in its query, so that a trial can have a slow, large or failing answer.
struct TrialParameters: Equatable, Sendable {
  /// The form of the answer.
  enum Format: String, CaseIterable, Sendable {
    case html
    case json
    case text
  }

  /// A value that cannot be used; its text says what would do.
  struct Invalid: Error, Equatable {
    var description: String
  }

  /// `delay=250ms`: the answer comes this much later; at most `delayMax`.
  var delay: Duration = .zero
  /// `bytes=100000`: the body is padded to this size; at most `bytesMax`.
  var bytes = 0
  /// `status=503`: 200 to 599.
  var status = 200
  /// `chunked=1`: the length is not told in advance.
  var chunked = false
  /// `close=1`: the connection is closed after the answer.
  var close = false
  /// `format=json`: instead of what Accept asks for.
  var format: Format?

  static let delayMax = Duration.seconds(300)
  static let bytesMax = 64 << 20

  init() {}

  /// Reads the query of a request target; unknown parameters belong to the application and are left alone.
  init(target: String) throws(Invalid) {
    guard let mark = target.firstIndex(of: "?") else { return }
    for pair in target[target.index(after: mark)...].split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let value = parts.count == 2 ? String(parts[1]) : ""
      switch parts[0] {
      case "delay":
        guard let delay = try? Duration(parsing: value), delay <= Self.delayMax else {
          throw Invalid(description: "delay=\(value): a duration such as 250ms or 2s, at most 300s")
        }
        self.delay = delay
      case "bytes":
        guard let bytes = Int(value), (0...Self.bytesMax).contains(bytes) else {
          throw Invalid(description: "bytes=\(value): a number of bytes from 0 to \(Self.bytesMax)")
        }
        self.bytes = bytes
      case "status":
        guard let status = Int(value), (200...599).contains(status) else {
          throw Invalid(description: "status=\(value): a status from 200 to 599")
        }
        self.status = status
      case "chunked": chunked = try Self.flag(value, name: "chunked")
      case "close": close = try Self.flag(value, name: "close")
      case "format":
        guard let format = Format(rawValue: value) else {
          throw Invalid(description: "format=\(value): one of html, json, text")
        }
        self.format = format
      default: continue
      }
    }
  }

  private static func flag(_ value: String, name: String) throws(Invalid) -> Bool {
    switch value {
    case "1": return true
    case "0": return false
    default: throw Invalid(description: "\(name)=\(value): 1 or 0")
    }
  }
}
