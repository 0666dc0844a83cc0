/// What a node answers to a command.
public enum AdminReply: Sendable, Equatable {
  /// It was done; what exactly, in a sentence or two.
  case done(String)
  /// It was not done, for this reason.
  case refused(String)
  /// How the node is.
  case status(NodeStatus, asJSON: Bool)

  /// Why nothing is done while another process of the node takes over: who asks a moment later is answered by that one.
  public static let takenOver = "another process of the node takes over: ask again"

  /// The bytes that go back: `ok` or `error: REASON`, lines of text, and an empty line at the end.
  public var text: String {
    switch self {
    case .done(let text): Self.framed("ok", text)
    case .refused(let reason):
      Self.framed("error: " + reason.split(whereSeparator: \.isNewline).joined(separator: " "), "")
    case .status(let status, let asJSON): Self.framed("ok", asJSON ? status.json : status.text)
    }
  }

  /// An empty line ends the answer, so none may stand within.
  private static func framed(_ first: String, _ body: String) -> String {
    let lines = body.utf8.split(separator: UInt8(ascii: "\n")).map { String(Substring($0)) }
    return ([first] + lines).joined(separator: "\n") + "\n\n"
  }

  /// What an answer's bytes say: the body, or why not. Nil: they are no whole answer.
  public static func parse(_ text: String) -> Result<String, AdminError>? {
    guard text.hasSuffix("\n\n") else { return nil }
    let body = text.dropLast(2)
    let end = body.firstIndex(of: "\n") ?? body.endIndex
    let first = body[..<end]
    if first == "ok" { return .success(String(body[end...].dropFirst())) }
    guard first.hasPrefix("error: ") else { return nil }
    return .failure(AdminError(String(first.dropFirst("error: ".count))))
  }
}

/// An answer that is not there yet.
public protocol PendingReply: AnyObject, Sendable {
  /// Readable once it has come.
  var descriptor: Int32 { get }
  /// What it is; nil: it has not come.
  func take() -> AdminReply?
}

/// What comes of a command.
public enum AdminAnswer {
  /// It is carried out.
  case now(AdminReply)
  /// It is being carried out; after so many milliseconds nobody waits for it any more.
  case later(any PendingReply, milliseconds: Int32)
}
