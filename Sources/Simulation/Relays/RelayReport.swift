public import Topology

/// What a simulation of a network of relays found: one part for each scenario, in the order of the file (or of the built-in ones).
///
/// Plain values, the same for the same file, seed and version on every machine and any number of threads.
public struct RelaySimulationReport: Sendable, Equatable {
  /// The network's name.
  public var network: String
  /// Digest of the topology's files, 16 hexadecimal digits.
  public var digest: String
  /// The scenarios, in order.
  public var scenarios: [RelayScenarioReport]

  /// A report.
  public init(network: String, digest: String, scenarios: [RelayScenarioReport]) {
    self.network = network
    self.digest = digest
    self.scenarios = scenarios
  }

  /// Every property and every expectation of every scenario holds.
  public var holds: Bool { scenarios.allSatisfy(\.holds) }
}

/// What came of one scenario of a network of relays.
public struct RelayScenarioReport: Sendable, Equatable {
  /// The scenario's name.
  public var name: String
  /// One line for people; may be empty.
  public var summary: String
  /// Virtual nanoseconds from start to end.
  public var durationNanoseconds: Int64
  /// The seed that repeats it.
  public var seed: UInt64
  /// Users at the same time.
  public var users: Int
  /// What happened when, in order of time.
  public var faults: [FaultMark]
  /// The phases that occurred, in the order of `Expectation.Phase`.
  public var phases: [RelayPhaseReport]
  /// The whole scenario.
  public var total: RelayPhaseReport
  /// What happened over time.
  public var series: RelaySeries
  /// What users met, by where they come in, in the order of the file.
  public var listeners: [RelayListenerReport]
  /// One verdict per property, in the order of `RelayProperty`.
  public var verdicts: [RelayVerdict]
  /// What came of the scenario's own statements, in the order of the file.
  public var expectations: [ExpectationOutcome]
  /// Events the engine handled: a measure of the work, not of the network.
  public var events: UInt64

  /// Every property and every expectation holds.
  public var holds: Bool { verdicts.allSatisfy(\.holds) && expectations.allSatisfy(\.holds) }
}

/// Connections that users began in one part of a scenario, and those that were cut in it.
public struct RelayPhaseReport: Sendable, Equatable {
  /// The part.
  public var phase: Expectation.Phase
  /// How long it lasted in all, in virtual nanoseconds; a phase may come several times.
  public var lengthNanoseconds: Int64
  /// When it was, in order of time.
  public var spans: [PhaseSpan]
  /// What was counted.
  public var counts: RelayCounts
  /// From the user's attempt to the server's first word, of the connections that came about.
  public var opening: LatencyReport
}

/// Counts of connections.
public struct RelayCounts: Sendable, Equatable {
  /// Connections that users tried to open and that came about or failed. An attempt counts to the part in which it began.
  public var tried: UInt64 = 0
  /// A server was reached, and said something.
  public var opened: UInt64 = 0
  /// Of them those at a backup.
  public var openedAtBackups: UInt64 = 0
  /// The relay does not run: refused.
  public var refused: UInt64 = 0
  /// The relay took the connection, and closed it: it reached no server, or the server died before it said anything.
  public var closed: UInt64 = 0
  /// Silence, for longer than users wait.
  public var timedOut: UInt64 = 0
  /// Failures that nobody could have prevented: the relay did not run, none of its servers took connections all the time, or a bound on
  /// connections was met.
  public var failedOracle: UInt64 = 0
  /// Established connections that broke, each once, in the part in which the user noticed. Their relay or server has ended or fallen silent.
  public var cut: UInt64 = 0

  /// Nothing counted.
  public init() {}

  /// Connections that did not come about.
  public var failed: UInt64 { refused + closed + timedOut }
  /// Failures although a server took connections all the time.
  public var avoidableFailures: UInt64 { failed - min(failed, failedOracle) }

  static func += (sum: inout RelayCounts, other: RelayCounts) {
    sum.tried += other.tried
    sum.opened += other.opened
    sum.openedAtBackups += other.openedAtBackups
    sum.refused += other.refused
    sum.closed += other.closed
    sum.timedOut += other.timedOut
    sum.failedOracle += other.failedOracle
    sum.cut += other.cut
  }
}

/// Counts of connections by time: equal steps from the scenario's start; all arrays are equally long.
public struct RelaySeries: Sendable, Equatable {
  /// Length of a step in virtual nanoseconds.
  public var stepNanoseconds: Int64
  /// The servers, in the order of the file: what `openedByServer` is by.
  public var servers: [String]
  /// Connections by the server they came to, then by the step in which they were tried.
  public var openedByServer: [[UInt32]]
  /// Attempts that failed, by the step in which they began.
  public var failed: [UInt32]
  /// Connections cut, by step.
  public var cut: [UInt32]
}

/// What the users of a listener met.
public struct RelayListenerReport: Sendable, Equatable {
  /// The relay.
  public var relay: String
  /// Where it listens.
  public var address: String
  /// Which of its pools; nil: it has one.
  public var pool: String?
  /// Users at the same time.
  public var users: Int
  /// The whole scenario.
  public var counts: RelayCounts
  /// When users were not served: from the first attempt that failed to the first one after it that came about, or to the scenario's end.
  public var outages: [PhaseSpan]
}

/// The properties that every scenario of a network of relays is checked for.
public enum RelayProperty: String, Sendable, CaseIterable {
  /// No connection fails while its relay runs and a server of it takes connections.
  case noAvoidableFailure = "no-avoidable-failure"
  /// Failures are seen within the bound that the checks give.
  case detectionInTime = "detection-in-time"
  /// Backups are left within the bound that the checks give.
  case backInTime = "back-in-time"

  /// The property as a sentence.
  public var statement: String {
    switch self {
    case .noAvoidableFailure: "no connection failed while its relay ran and a server of it took connections"
    case .detectionInTime: "failures were seen within the bound of the checks"
    case .backInTime: "new connections left the backups within the bound of the checks"
    }
  }
}

/// Whether a property holds in a scenario of a network of relays.
public struct RelayVerdict: Sendable, Equatable {
  /// The property.
  public var property: RelayProperty
  /// How often it was violated.
  public var violations: UInt64
  /// The first violation, without a story; nil: there is none.
  public var first: Violation?
  /// It was never violated.
  public var holds: Bool { violations == 0 }
}
