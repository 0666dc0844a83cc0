/// A place in a topology file, for messages.
public struct SourceLocation: Sendable, Hashable {
  /// The file, as it was named on the command line or by an `include`.
  public var file: String
  /// Line, 1 first; 0: the whole file.
  public var line: Int
  /// Column in Unicode scalars, 1 first; 0: the whole line.
  public var column: Int

  /// A place in a file.
  public init(file: String, line: Int, column: Int) {
    self.file = file
    self.line = line
    self.column = column
  }

  /// No place: a value that stands in no file (a default).
  public static let none = SourceLocation(file: "", line: 0, column: 0)
}

/// A value and the place it was read from.
public struct Located<Value: Sendable & Equatable>: Sendable, Equatable {
  /// The value.
  public var value: Value
  /// Where it stands.
  public var location: SourceLocation

  /// A value read from a place.
  public init(_ value: Value, at location: SourceLocation = .none) {
    self.value = value
    self.location = location
  }
}

/// One finding of the check of a topology.
public struct Diagnostic: Sendable, Equatable {
  /// How bad a finding is.
  public enum Severity: String, Sendable, CaseIterable {
    /// The topology cannot be used.
    case error
    /// The topology works, but something in it is likely not meant.
    case warning
  }
  /// Where.
  public var location: SourceLocation
  /// How bad.
  public var severity: Severity
  /// What is wrong, one sentence without a full stop.
  public var message: String
  /// What to do about it. Nil: the message says it.
  public var mend: String?

  /// A finding.
  public init(_ severity: Severity, at location: SourceLocation, _ message: String, mend: String? = nil) {
    self.location = location
    self.severity = severity
    self.message = message
    self.mend = mend
  }
}

extension Diagnostic: CustomStringConvertible {
  /// What is wrong and the mend: `what; mend`.
  public var text: String {
    guard let mend else { return message }
    return message + "; " + mend
  }

  /// `file:line:column: severity: what; mend`, the form editors know; without line and column for a whole file.
  public var description: String {
    var place = location.file
    if location.line > 0 { place += ":\(location.line)" }
    if location.column > 0 { place += ":\(location.column)" }
    return "\(place): \(severity.rawValue): \(text)"
  }
}

/// A piece of text that is not what it should be.
public struct TextError: Error, Sendable, Equatable {
  /// What is wrong.
  public var message: String
  /// What to write instead.
  public var mend: String?

  /// An error with its mend.
  public init(_ message: String, mend: String? = nil) {
    self.message = message
    self.mend = mend
  }
}
