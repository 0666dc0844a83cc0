internal import CReactor
internal import Glibc

/// The command of `notify`, ready to be run: it reads a line a change, `NODE NAME STATE CAUSE`, and knows by its environment which node
/// of which network speaks.
public struct NotifiedCommand: Sendable {
  /// How long a run may take, in seconds; then it is killed with all it has started.
  public static let secondsMax: Int32 = 60
  /// Bytes of a line: two names of 64, the longest state, and so much of the cause that it can be understood.
  public static let lineBytesMax = 200
  /// Bytes of all lines of a run, with their ends: what a pipe holds (pipe(7)), so that nobody waits for the command to read them.
  public static let inputBytesMax = 65_536
  /// What a command does not get: it is between a process and its service manager.
  public static let serviceVariables = ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"]

  /// The program's absolute path and its arguments.
  public let words: [String]
  private let variables: [String]
  private let hidden: [String]

  /// A command of a node.
  /// - Parameter hidden: names of variables that it does not get, besides `serviceVariables`.
  public init(_ words: [String], node: String, network: String, hidden: [String] = []) {
    self.words = words
    self.hidden = hidden + Self.serviceVariables
    variables = ["GEODIRECTOR_NODE=\(node)", "GEODIRECTOR_NETWORK=\(network)"]
  }

  /// One line, whatever the cause has in it. Of the cause there is as much as makes `lineBytesMax` bytes; names and state are whole.
  public static func line(node: String, name: String, state: String, cause: String) -> String {
    let head = "\(node) \(name) \(state) "
    var left = lineBytesMax - head.utf8.count
    let told = cause.prefix { character in
      left -= character.utf8.count
      return left >= 0
    }
    return String((head + told).map { $0.isNewline ? " " : $0 })
  }

  /// Runs it and waits for its end.
  /// - Parameters:
  ///   - lines: one for each change, of `inputBytesMax` bytes with their ends.
  ///   - dropped: changes that are not told.
  ///   - secondsMax: how long it may take.
  /// - Returns: what went wrong; nil: it ended with 0.
  public func run(_ lines: [String], dropped: Int = 0, secondsMax: Int32 = Self.secondsMax) -> String? {
    let input = lines.map { $0 + "\n" }.joined()
    let own = variables + ["GEODIRECTOR_CHANGES=\(lines.count)", "GEODIRECTOR_DROPPED=\(dropped)"]
    var words = self.words.map { strdup($0) } + [nil]
    var variables = own.map { strdup($0) } + [nil]
    var hidden = self.hidden.map { strdup($0) } + [nil]
    defer { for word in words + variables + hidden { free(word) } }
    let status = Array(input.utf8).withUnsafeBytes { bytes in
      cr_run(&words, &variables, &hidden, bytes.baseAddress, bytes.count, secondsMax)
    }
    if status == 0 { return nil }
    if status < 0 { return String(cString: cr_error_text(status)) }
    return status == CR_RUN_TIMED_OUT ? "it was killed after \(secondsMax) s" : "it ended with \(status)"
  }
}
