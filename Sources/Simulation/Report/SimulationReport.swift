public import Topology

/// What a simulation found: one part for each scenario, in the order of the file (or of the built-in ones).
///
/// Plain values, the same for the same file, seed and version on every machine and any number of threads.
public struct SimulationReport: Sendable, Equatable {
  /// The network's name.
  public var network: String
  /// Digest of the topology's files, 16 hexadecimal digits.
  public var digest: String
  /// The scenarios, in order.
  public var scenarios: [ScenarioReport]

  /// A report.
  public init(network: String, digest: String, scenarios: [ScenarioReport]) {
    self.network = network
    self.digest = digest
    self.scenarios = scenarios
  }

  /// Every property and every expectation of every scenario holds.
  public var holds: Bool { scenarios.allSatisfy(\.holds) }
}

/// What came of one scenario.
public struct ScenarioReport: Sendable, Equatable {
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
  /// The phases that occurred, in the order of `Expectation.Phase`; each with what was counted of the requests that began in it.
  public var phases: [PhaseReport]
  /// The whole scenario.
  public var total: PhaseReport
  /// What happened over time.
  public var series: TimeSeries
  /// What went over each link that carried anything, in the order of the file, links that the file does not declare last.
  public var links: [LinkReport]
  /// One verdict per property, in the order of `Property`.
  public var verdicts: [PropertyVerdict]
  /// What came of the scenario's own statements, in the order of the file.
  public var expectations: [ExpectationOutcome]
  /// Every request of the user that was asked for; nil: nobody was.
  public var trace: UserTrace?
  /// What each user met, by number, if that was asked for.
  public var perUser: [UserReport]?
  /// Events the engine handled: a measure of the work, not of the network.
  public var events: UInt64

  /// Every property and every expectation holds.
  public var holds: Bool { verdicts.allSatisfy(\.holds) && expectations.allSatisfy(\.holds) }
}

/// Something that happened to the network.
public struct FaultMark: Sendable, Equatable {
  /// When, in virtual nanoseconds since the start.
  public var atNanoseconds: Int64
  /// When it was over; nil: it lasted to the end.
  public var untilNanoseconds: Int64?
  /// What, in the words of the topology language: `kill W11`, `cut OP1:SITE1`.
  public var text: String
}

/// What was counted of the requests that began in one part of a scenario.
public struct PhaseReport: Sendable, Equatable {
  /// The part.
  public var phase: Expectation.Phase
  /// How long it lasted in all, in virtual nanoseconds; a phase may come several times.
  public var lengthNanoseconds: Int64
  /// What was counted, beside the optimum.
  public var counts: Counts
  /// Latency of the requests that were answered without error: from the click to the whole answer.
  public var latency: LatencyReport
  /// When it was, in order of time, without gaps and overlaps; together as long as `lengthNanoseconds`.
  public var spans: [PhaseSpan] = []
}

/// A part of a scenario from one moment to another.
public struct PhaseSpan: Sendable, Equatable {
  /// Virtual nanoseconds since the start.
  public var beginNanoseconds: Int64
  /// Virtual nanoseconds since the start.
  public var endNanoseconds: Int64
}

/// Counts of requests, sessions, users, bytes and money. Where an oracle that knows everything could have done no better,
/// the `...Oracle` beside a count is equal to it.
public struct Counts: Sendable, Equatable {
  /// Requests that users made.
  public var requests: UInt64 = 0
  /// Requests whose answer was an error (status 500 and above), or none.
  public var errors: UInt64 = 0
  /// Errors that nobody could have prevented: no healthy server could be reached, the application itself answered with an
  /// error, or a POST may have been processed by what failed.
  public var errorsOracle: UInt64 = 0
  /// Errors of the application's own making, in `errors` and in `errorsOracle`.
  public var applicationErrors: UInt64 = 0
  /// Requests that had waited for an answer for five seconds or more when the scenario ended; they are in no other count.
  public var unanswered: UInt64 = 0
  /// Sessions lost, each once: by the first answer of a server that did not know the session the request came with.
  public var sessionsLost: UInt64 = 0
  /// Of them those that were unavoidable: the server of the session had lost its memory, or could not be reached.
  public var sessionsLostOracle: UInt64 = 0
  /// Users with a move. Who moved in several parts of a scenario counts in each of them, and once in the whole.
  public var usersMoved: UInt64 = 0
  /// Moves: a page was answered by another server than the user's page before, within a visit. A page is one move, however many
  /// of its parts come from elsewhere.
  public var moves: UInt64 = 0
  /// Of them those made although the session's server could be reached all the while.
  public var movedNeedlessly: UInt64 = 0
  /// Of them those back to a server the user had left, although the one the user had gone to could be reached.
  public var movedBack: UInt64 = 0
  /// Requests that went from a node of one site to a node of another.
  public var interSite: UInt64 = 0
  /// Of them those that nobody could have avoided: no way to the session, or to any server, without it.
  public var interSiteOracle: UInt64 = 0
  /// Bytes sent over links, requests, answers and repeats; checks are not in it.
  public var bytes: UInt64 = 0
  /// What those bytes cost, in the network's currency.
  public var cost: Double = 0
  /// What the oracle's ways would have cost, never more than `cost`.
  public var costOracle: Double = 0

  /// Nothing counted.
  public init() {}

  /// Errors that a healthy, reachable server could have prevented.
  public var avoidableErrors: UInt64 { errors - min(errors, errorsOracle) }
  /// Sessions lost although their server could be reached.
  public var avoidableSessionsLost: UInt64 { sessionsLost - min(sessionsLost, sessionsLostOracle) }
  /// Requests between sites that the oracle would not have made.
  public var avoidableInterSite: UInt64 { interSite - min(interSite, interSiteOracle) }

  static func += (sum: inout Counts, other: Counts) {
    sum.requests += other.requests
    sum.errors += other.errors
    sum.errorsOracle += other.errorsOracle
    sum.applicationErrors += other.applicationErrors
    sum.unanswered += other.unanswered
    sum.sessionsLost += other.sessionsLost
    sum.sessionsLostOracle += other.sessionsLostOracle
    sum.usersMoved += other.usersMoved
    sum.moves += other.moves
    sum.movedNeedlessly += other.movedNeedlessly
    sum.movedBack += other.movedBack
    sum.interSite += other.interSite
    sum.interSiteOracle += other.interSiteOracle
    sum.bytes += other.bytes
    sum.cost += other.cost
    sum.costOracle += other.costOracle
  }
}

/// Latency of requests, in nanoseconds, to within 3 %.
public struct LatencyReport: Sendable, Equatable {
  /// Requests measured; without any the values are 0.
  public var count: UInt64
  /// Half of the requests took no longer.
  public var p50Nanoseconds: Int64
  /// 99 of a hundred took no longer.
  public var p99Nanoseconds: Int64
  /// The longest.
  public var maxNanoseconds: Int64
}

/// Counts by time: equal steps from the scenario's start; all arrays are equally long.
public struct TimeSeries: Sendable, Equatable {
  /// Length of a step in virtual nanoseconds.
  public var stepNanoseconds: Int64
  /// The sites, in the order of the file: what `requestsBySite` is by.
  public var sites: [String]
  /// Requests by the site that answered, then by the step in which they began.
  public var requestsBySite: [[UInt32]]
  /// Requests that went from site to site, by step.
  public var interSite: [UInt32]
  /// Error answers, by step.
  public var errors: [UInt32]
  /// Sessions lost, by step.
  public var sessionsLost: [UInt32]
  /// Moves, by step.
  public var moves: [UInt32]
}

/// What one link carried for users.
public struct LinkReport: Sendable, Equatable {
  /// The link's ends, by name.
  public var from: String
  /// The other end.
  public var to: String
  /// The two ends are sites.
  public var isInterSite: Bool
  /// The file declares it.
  public var isDeclared: Bool
  /// Bytes both ways.
  public var bytes: UInt64
  /// What they cost.
  public var cost: Double
}

/// The properties that every scenario is checked for; each is defined in its checker's file.
public enum Property: String, Sendable, CaseIterable {
  /// No user is moved while the session's server can be reached.
  case noNeedlessMove = "no-needless-move"
  /// No user is moved back.
  case noMoveBack = "no-move-back"
  /// New users go to the first site that can serve them, without crossing between sites.
  case newUsersStay = "new-users-stay"
  /// No error while a healthy server can be reached.
  case noAvoidableError = "no-avoidable-error"
  /// Failures are seen within the bound that the checks give.
  case detectionInTime = "detection-in-time"
  /// Avoidable requests between sites are no more than rule E4 allows.
  case interSiteBounded = "inter-site-bounded"

  /// The property as a sentence.
  public var statement: String {
    switch self {
    case .noNeedlessMove: "no user moved while the session's server could be reached"
    case .noMoveBack: "no user moved back"
    case .newUsersStay: "new users went to the first site that could serve them"
    case .noAvoidableError: "no error while a healthy server could be reached"
    case .detectionInTime: "failures were seen within the bound of the checks"
    case .interSiteBounded: "requests crossed between sites needlessly only until nodes had learned better"
    }
  }
}

/// Whether a property holds in a scenario.
public struct PropertyVerdict: Sendable, Equatable {
  /// The property.
  public var property: Property
  /// How often it was violated.
  public var violations: UInt64
  /// The first violation; nil: there is none.
  public var first: Violation?
  /// It was never violated.
  public var holds: Bool { violations == 0 }
}

/// One violation of a property.
public struct Violation: Sendable, Equatable {
  /// When the request began, or the bound was over.
  public var atNanoseconds: Int64
  /// The user, from 0; nil: it does not concern a user.
  public var user: Int?
  /// What happened, a sentence.
  public var text: String
  /// The user's last requests up to the violation: the shortest story that shows it.
  public var trace: UserTrace?
}

/// What came of one `expect`.
public struct ExpectationOutcome: Sendable, Equatable {
  /// The statement.
  public var expectation: Expectation
  /// What was counted or measured; milliseconds for latencies.
  public var value: Double
  /// The statement holds.
  public var holds: Bool
}
