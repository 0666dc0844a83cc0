public import Topology

/// Where the access log goes.
public enum AccessLogTarget: Sendable, Equatable {
  /// Standard output.
  case standardOutput
  /// Nowhere.
  case none
  /// Appended to a file.
  case file(String)
}

/// Gives the plan of a node as the topology says now: for a reload.
///
/// Throws `NodeError` of kind `configuration`: the place, what is wrong, and the mend, in one line.
public typealias PlanSource = @Sendable () throws(NodeError) -> NodePlan

/// How a node runs, beside its plan.
public struct NodeOptions: Sendable {
  /// Worker threads, 1 to 64; 0: one per core.
  public var workers: Int
  /// Where the access log goes.
  public var accessLog: AccessLogTarget
  /// Where a reload has the plan from. Nil: SIGHUP reads certificates and databases only.
  public var source: PlanSource?
  /// The program's path and its words, by which another process of it is started. Empty: none can be.
  public var command: [String] = []
  /// The line to the process that starts another of the program where this one cannot any more (chroot); -1: this one can.
  var keeper: Int32 = -1

  /// Options with their defaults.
  public init(workers: Int = 0, accessLog: AccessLogTarget = .standardOutput, source: PlanSource? = nil) {
    self.workers = workers
    self.accessLog = accessLog
    self.source = source
  }
}

/// Why a node could not run.
public struct NodeError: Error, CustomStringConvertible, Sendable {
  /// The sort of failure, for exit codes.
  public enum Kind: Sendable {
    /// Another process listens there.
    case portInUse
    /// The address or port needs a right that the process lacks.
    case missingPrivilege
    /// The address is none of this machine's.
    case addressNotHere
    /// A node of the same name and address runs already.
    case alreadyRunning
    /// A file that the topology names cannot be used.
    case configuration
    /// The operating system refused something else.
    case system
  }
  /// The sort of failure.
  public var kind: Kind
  /// What failed and what to do about it, in a sentence.
  public var description: String

  /// A failure.
  public init(kind: Kind, description: String) {
    self.kind = kind
    self.description = description
  }
}
