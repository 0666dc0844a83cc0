public import Topology

/// What exploring a network found.
///
/// Plain values, the same for the same file, seed, numbers and version on any number of threads.
public struct ExploreReport: Sendable, Equatable {
  /// What is known of one property after all schedules.
  public struct Tally: Sendable, Equatable {
    /// The property.
    public var property: Property
    /// Schedules in which it was violated.
    public var schedules: Int
    /// Violations in all of them.
    public var violations: UInt64
    /// The number of the first such schedule; nil: there is none.
    public var first: Int?
  }

  /// A schedule that violates a property, and the least of it that still does.
  public struct Find: Sendable, Equatable {
    /// The schedule's number.
    public var number: Int
    /// The first property, in the order of `Property`, that it violates.
    public var property: Property
    /// As it was drawn.
    public var drawn: Scenario
    /// Shrunk.
    public var scenario: Scenario
    /// Runs that shrinking took.
    public var runs: Int
    /// What came of the shrunk schedule, with the story of the violation.
    public var report: ScenarioReport
  }

  /// The network's name.
  public var network: String
  /// Digest of the topology's files, 16 hexadecimal digits.
  public var digest: String
  /// The seed: schedule i depends on it and on i alone.
  public var seed: UInt64
  /// Schedules run.
  public var schedules: Int
  /// Users at the same time in each.
  public var users: Int
  /// Requests in all of them.
  public var requests: UInt64
  /// One for each property, in the order of `Property`.
  public var tallies: [Tally]
  /// The violation of the lowest number; nil: every property holds in every schedule.
  public var find: Find?

  /// Every property holds in every schedule.
  public var holds: Bool { find == nil }
}
