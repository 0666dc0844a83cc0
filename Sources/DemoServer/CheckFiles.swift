/// The files that health checks ask for: there at the start, removed and made again by whoever asks the server itself. A server is
/// stopped softly so while it serves.
struct CheckFiles: Sendable, Equatable {
  private var removed: Set<String> = []

  /// What a request finds or does.
  enum Outcome: Sendable, Equatable {
    /// The file is there, or the request is not about it: the application answers.
    case none
    /// There is no such file: 404.
    case missing
    /// It was removed by this request: 204.
    case removed
    /// It was made by this request: 201.
    case made
    /// It was there before: 204.
    case kept
    /// It is no file, but the page that users ask for, too: 405.
    case refused
  }

  /// Takes a request for the path of a file.
  ///
  /// - Parameter isDirect: it did not come through a node. Users behind one cannot stop the server: their PUT and DELETE are for the
  ///   application.
  mutating func take(method: String, path: String, isDirect: Bool) -> Outcome {
    switch method {
    case "PUT" where isDirect && path == "/", "DELETE" where isDirect && path == "/": .refused
    case "PUT" where isDirect: removed.remove(path) == nil ? .kept : .made
    case "DELETE" where isDirect: removed.insert(path).inserted ? .removed : .missing
    default: removed.contains(path) ? .missing : .none
    }
  }
}
