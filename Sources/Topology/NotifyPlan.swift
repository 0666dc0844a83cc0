/// Whom nodes tell when a server goes down or comes back: a command that is run.
public struct NotifyPlan: Sendable, Equatable {
  /// The program's absolute path and its arguments; no shell is asked.
  public var command: [String]
  /// Between two runs at least; what changes meanwhile is told by the next one.
  public var interval: Duration

  /// A command, run every 10 s at most.
  public init(command: [String], interval: Duration = .seconds(10)) {
    self.command = command
    self.interval = interval
  }

  func scaled(by factor: Double) -> NotifyPlan {
    NotifyPlan(command: command, interval: interval.scaled(by: factor))
  }
}
