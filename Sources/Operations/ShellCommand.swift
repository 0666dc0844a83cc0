internal import CReactor
internal import Glibc

/// A command for the shell that does its work beside this process: it has no terminal and nothing to read, so that what would ask
/// somebody fails at once, and what it leaves behind when it ends is not waited for.
public struct ShellCommand: Sendable {
  /// What came of it.
  public enum End: Sendable, Equatable {
    /// It ended: its exit status, 128 and more for a signal.
    case status(Int32)
    /// It could not be started.
    case notStarted(String)
    /// It did not end in time, and was ended with what it had started.
    case late
    /// It was not to go on, and was ended with what it had started.
    case stopped
  }

  /// What the shell reads.
  public let text: String
  /// Further variables of its environment, as `NAME=value`.
  public let variables: [String]

  /// So long it may take to end when it is asked to (SIGTERM), in milliseconds; then it is killed.
  private static let endingMilliseconds: Int64 = 2_000
  /// Between two looks, in milliseconds.
  private static let lookMilliseconds: Int32 = 20

  /// A command; nothing runs yet.
  public init(_ text: String, variables: [String]) {
    self.text = text
    self.variables = variables
  }

  /// Runs it and waits for its end; what is not in its process group then, or put there in the background, goes on.
  /// - Parameters:
  ///   - milliseconds: how long it may take.
  ///   - isStopped: whether it is to be ended early; looked at about fifty times a second.
  public func run(milliseconds: Int64, isStopped: () -> Bool) -> End {
    let spoken: [String] = ["/bin/sh", "-c", text]
    var words = spoken.map { strdup($0) } + [nil]
    var more = variables.map { strdup($0) } + [nil]
    defer { for word in words + more { free(word) } }
    let process = cr_start(&words, &more)
    guard process > 0 else { return .notStarted(String(cString: cr_error_text(process))) }
    let ends = Self.now() + milliseconds
    while true {
      if let end = Self.end(of: process) { return end }
      if isStopped() {
        Self.terminate(process)
        return .stopped
      }
      if Self.now() >= ends {
        Self.terminate(process)
        return .late
      }
      cr_pause(Self.lookMilliseconds)
    }
  }

  private static func end(of process: Int32) -> End? {
    var status: Int32 = 0
    let result = cr_ended(process, &status)
    if result == 0 { return nil }
    return result > 0 ? .status(status) : .notStarted(String(cString: cr_error_text(result)))
  }

  private static func terminate(_ process: Int32) {
    kill(-process, SIGTERM)
    let ends = now() + endingMilliseconds
    while now() < ends {
      if end(of: process) != nil { return }
      cr_pause(lookMilliseconds)
    }
    kill(-process, SIGKILL)
    var status: Int32 = 0
    _ = cr_reap(process, &status)
  }

  private static func now() -> Int64 { cr_monotonic() / 1_000_000 }
}
