public import Routing
internal import Topology

/// What an operator can say to a running node: the one set of commands, whichever way they come in.
public enum AdminCommand: Sendable, Equatable {
  /// How the node, its pools and servers are. `asJSON`: for programs.
  case status(asJSON: Bool)
  /// A server, or the node itself, is to take all users, its own only, or none.
  case order(AdminOrder)
  /// The node is to serve by the topology as it is now.
  case reload
  /// The node is to leave its addresses to others, while connections go on; and to listen again.
  case pause, resume
  /// What commands there are.
  case help
}

/// An order about a server or about the node itself.
public struct AdminOrder: Sendable, Equatable {
  /// The state it is to have.
  public var state: OperatorState
  /// The server's name, or the node's own.
  public var target: String
  /// For one application only; nil: for all that the server serves.
  public var application: String?
  /// Drain: when its own users have to leave.
  public var deadline: Deadline?
  /// Why, for those who look later; empty: not said.
  public var reason: String

  /// The end of a drain.
  public enum Deadline: Sendable, Equatable {
    /// That long from now.
    case after(Duration)
    /// Seconds since 1970.
    case at(Int64)
  }

  /// An order.
  public init(
    _ state: OperatorState, target: String, application: String? = nil, deadline: Deadline? = nil, reason: String = ""
  ) {
    self.state = state
    self.target = target
    self.application = application
    self.deadline = deadline
    self.reason = reason
  }
}

/// Why a line is no command: a sentence for the person who wrote it.
public struct AdminError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is wrong and what to write.
  public var description: String

  /// An error.
  public init(_ description: String) { self.description = description }
}

extension AdminCommand {
  /// Bytes of a command's line at most.
  public static let lineBytesMax = 1024
  /// Seconds since 1970 that a deadline can be: what a health answer carries (2^40 - 1).
  static let deadlineMax: Int64 = (1 << 40) - 1

  private static let orders: [(word: String, state: OperatorState)] = [
    ("ready", .ready), ("drain", .drain), ("maintain", .maintenance),
  ]

  /// What the commands are, for `help`.
  public static let summary = """
    status [json]                                   how the node and its servers are
    drain NAME [for TIME | until SECONDS] ...       own users only; after the deadline none
    ready NAME ...                                  all users again
    maintain NAME ...                               nobody: its users go elsewhere
    reload                                          serve by the topology as it is now
    pause                                           listen no more: others may have the addresses, connections go on
    resume                                          listen again
    help
    NAME is a server or the node itself; further words: [application NAME] [because TEXT]
    """

  /// Reads a line without its end.
  /// - Throws: `AdminError` when it is no command; nothing is done then.
  public init(parsing line: String) throws(AdminError) {
    guard line.utf8.count <= Self.lineBytesMax else {
      throw AdminError("the line is longer than \(Self.lineBytesMax) bytes")
    }
    guard line.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F && $0 != "\u{FFFD}" }) else {
      throw AdminError("the line has characters that are no text")
    }
    var words = line.split(separator: " ").map(String.init)[...]
    guard let first = words.popFirst() else { throw AdminError("the line is empty; try \"help\"") }
    switch first {
    case "help":
      try Self.expectNothing(words)
      self = .help
    case "reload":
      try Self.expectNothing(words)
      self = .reload
    case "pause":
      try Self.expectNothing(words)
      self = .pause
    case "resume":
      try Self.expectNothing(words)
      self = .resume
    case "status":
      let asJSON = words.first == "json"
      if asJSON { words.removeFirst() }
      try Self.expectNothing(words)
      self = .status(asJSON: asJSON)
    default:
      guard let order = Self.orders.first(where: { $0.word == first }) else {
        let known = Self.orders.map(\.word) + ["status", "reload", "pause", "resume", "help"]
        let nearest = nearestSpelling(of: first, among: known).map { "; did you mean \"\($0)\"?" } ?? "; try \"help\""
        throw AdminError("unknown command \"\(first.prefix(40))\"" + nearest)
      }
      self = .order(try AdminOrder(order.state, words: words, command: first))
    }
  }

  private static func expectNothing(_ words: ArraySlice<String>) throws(AdminError) {
    if let word = words.first { throw AdminError("unexpected \"\(word.prefix(40))\"") }
  }

  /// The line that says it; what `init(parsing:)` reads.
  public var line: String {
    switch self {
    case .help: return "help"
    case .reload: return "reload"
    case .pause: return "pause"
    case .resume: return "resume"
    case .status(let asJSON): return asJSON ? "status json" : "status"
    case .order(let order):
      let word = Self.orders.first { $0.state == order.state }?.word ?? "ready"
      var line = "\(word) \(order.target)"
      if let application = order.application { line += " application \(application)" }
      switch order.deadline {
      case .after(let time): line += " for \(time.text)"
      case .at(let seconds): line += " until \(seconds)"
      case nil: break
      }
      return order.reason.isEmpty ? line : line + " because \(order.reason)"
    }
  }
}

extension AdminOrder {
  fileprivate init(_ state: OperatorState, words: ArraySlice<String>, command: String) throws(AdminError) {
    var words = words
    guard let target = words.popFirst() else {
      throw AdminError("\(command) what? Name a server, or the node itself")
    }
    guard isName(target) else { throw AdminError("\"\(target.prefix(40))\" is not a name") }
    self.init(state, target: target)
    while let word = words.popFirst() {
      if word == "because" {
        reason = words.joined(separator: " ")
        if reason.isEmpty { throw AdminError("because of what?") }
        return
      }
      guard let value = words.popFirst() else {
        throw AdminError("\"\(word.prefix(40))\" needs a value, or is unknown")
      }
      switch word {
      case "application":
        guard application == nil else { throw AdminError("\"application\" stands there twice") }
        guard isName(value) else { throw AdminError("\"\(value.prefix(40))\" is not a name") }
        application = value
      case "for", "until":
        guard state == .drain else { throw AdminError("only a drain has a deadline") }
        guard deadline == nil else { throw AdminError("two deadlines") }
        deadline = try Self.deadline(word, value)
      default:
        throw AdminError("unexpected \"\(word.prefix(40))\"; possible are: for, until, application, because")
      }
    }
  }

  private static func deadline(_ word: String, _ value: String) throws(AdminError) -> Deadline {
    if word == "for" {
      do throws(TextError) {
        return .after(try Duration(parsing: value))
      } catch {
        throw AdminError("for how long? \(error.message)")
      }
    }
    guard let seconds = Int64(value), seconds > 0, seconds <= AdminCommand.deadlineMax else {
      throw AdminError("\"\(value.prefix(40))\" is no time in seconds since 1970")
    }
    return .at(seconds)
  }

  /// When its own users have to leave, in seconds since 1970, rounded up; nil: never.
  public func deadlineSeconds(nowNanoseconds: Int64) -> Int64? {
    switch deadline {
    case .at(let seconds): return seconds
    case .after(let time):
      let (sum, overflow) = nowNanoseconds.addingReportingOverflow(time.nanosecondsClamped)
      if overflow { return AdminCommand.deadlineMax }
      return min(AdminCommand.deadlineMax, sum / 1_000_000_000 + (sum % 1_000_000_000 > 0 ? 1 : 0))
    case nil: return nil
    }
  }
}
