/// Where a node writes its access log.
public enum AccessLogTarget: Sendable, Equatable {
  /// Standard output.
  case standardOutput
  /// Nowhere.
  case none
  /// Appended to a file.
  case file(path: String)
}

/// What a node is told when it starts, beside its plan.
public struct NodeOptions: Sendable {
  /// Workers, one thread each; at least 1.
  public var workers: Int
  /// Where the access log goes.
  public var accessLog: AccessLogTarget

  /// Options.
  public init(workers: Int, accessLog: AccessLogTarget) {
    self.workers = workers
    self.accessLog = accessLog
  }
}
