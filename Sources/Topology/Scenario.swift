/// A story to simulate: what fails when, and what must hold.
public struct Scenario: Sendable, Equatable {
  /// Its name, unique among scenarios.
  public var name: String
  /// One line for people; may be empty.
  public var summary: String
  /// Virtual time from start to end.
  public var duration: Duration
  /// What happens, in the order of the file.
  public var steps: [ScenarioStep]
  /// Statements about the outcome.
  public var expectations: [Expectation]
  /// Settings of this scenario alone.
  public var traffic: TrafficSettings
  /// The random seed; nil: the command's.
  public var seed: UInt64?
  /// Where it is declared.
  public var location: SourceLocation

  /// A scenario without steps.
  public init(name: String, duration: Duration = .seconds(600), location: SourceLocation = .none) {
    self.name = name
    summary = ""
    self.duration = duration
    steps = []
    expectations = []
    traffic = TrafficSettings()
    self.location = location
  }
}

/// Something that happens at a moment of a scenario.
public struct ScenarioStep: Sendable, Equatable {
  /// Since the scenario's start.
  public var at: Duration
  /// How long it lasts; nil: to the end.
  public var lasts: Duration?
  /// What happens.
  public var fault: Fault
  /// Where it is declared.
  public var location: SourceLocation

  /// A step.
  public init(at: Duration, lasts: Duration? = nil, fault: Fault, location: SourceLocation = .none) {
    self.at = at
    self.lasts = lasts
    self.fault = fault
    self.location = location
  }
}

/// What may happen to a network. Elements are named: offices, directors, balancers, servers; a site's name stands for everything at it.
public enum Fault: Sendable, Equatable {
  /// The processes end: connections are reset, new ones refused. When it is over they start again with empty memory.
  case kill([Located<String>])
  /// The machines lose power: silence instead of refusal, sessions in memory are lost.
  case power([Located<String>])
  /// Killed and started again at once, after the pause.
  case restart([Located<String>], pause: Duration)
  /// Nothing passes a link, in silence. One way: only from the first end to the second.
  case cut(LinkEnds, oneWay: Bool)
  /// A link or machines are slow: this much is added to latency or service time, and bandwidth is divided.
  case slow(FaultTarget, added: Duration, divided: Double)
  /// A share of a link's packets is lost: each costs a retransmission time-out.
  case lossy(LinkEnds, share: Double)
  /// Servers answer this share of requests with this status.
  case applicationErrors([Located<String>], share: Double, status: Int)
  /// What their checks ask for by HTTP is missing, as when an operator removes a checked file: those checks fail, all else is served.
  case checkFails([Located<String>])
  /// The operator drains elements: new users go elsewhere; at the deadline (after the step's start) their own users too.
  case drain([Located<String>], deadline: Duration?)
  /// Soft stop and start of each in turn, with this pause between two.
  case rollingRestart([Located<String>], pause: Duration)
  /// The nodes read their topology again: process state that a reload keeps is kept.
  case reload([Located<String>])
  /// Another topology file is taken over by one node after the other, with this pause between two. The file is named as it
  /// stands there, relative to the file that names it.
  case rollout(file: Located<String>, order: [Located<String>], pause: Duration)
}

/// The two ends of a link, by the names of offices or sites.
public struct LinkEnds: Sendable, Equatable {
  /// The end that the one-way direction comes from.
  public var from: Located<String>
  /// The other.
  public var to: Located<String>

  /// A pair.
  public init(from: Located<String>, to: Located<String>) {
    self.from = from
    self.to = to
  }
}

extension Located<String> {
  /// The path of a file that is named in a topology file, which is relative to the file that names it.
  public var pathFromItsFile: String {
    guard !value.hasPrefix("/"), let slash = location.file.lastIndex(of: "/") else { return value }
    return location.file[...slash] + value
  }
}

/// What a slowness concerns.
public enum FaultTarget: Sendable, Equatable {
  /// A link.
  case link(LinkEnds)
  /// Elements by name.
  case elements([Located<String>])
}

/// A statement about a scenario's outcome.
public struct Expectation: Sendable, Equatable {
  /// What is counted or measured.
  public enum Measure: String, Sendable, CaseIterable {
    /// Error answers while a healthy server was reachable.
    case errors = "avoidable-errors"
    /// Error answers of every kind.
    case allErrors = "errors"
    /// Sessions lost although their server was reachable.
    case avoidableSessionLosses = "avoidable-sessions-lost"
    /// Sessions lost in all.
    case sessionLosses = "sessions-lost"
    /// Users moved while their session's server was reachable.
    case movedNeedlessly = "moved-needlessly"
    /// Users that were moved back.
    case movedBack = "moved-back"
    /// Requests that crossed between sites.
    case interSite = "inter-site-requests"
    /// Of them those that the oracle would not have made.
    case avoidableInterSite = "avoidable-inter-site-requests"
    /// What links cost, in the network's currency.
    case cost = "cost"
    /// Latency, median and 99th percentile, in milliseconds.
    case p50 = "p50"
    case p99 = "p99"

    /// Whether it is a time, in milliseconds; else it is a count or an amount of money.
    public var isLatency: Bool { self == .p50 || self == .p99 }
  }
  /// The part of the scenario it is about.
  public enum Phase: String, Sendable, CaseIterable {
    /// The whole scenario.
    case all
    /// Until the first fault.
    case before
    /// From a fault until every checker that can see it knows.
    case detection
    /// From there until the heal.
    case failedOver = "failed-over"
    /// After the last fault's end.
    case afterHeal = "after-heal"
  }
  /// What is counted.
  public var measure: Measure
  /// Over which part.
  public var phase: Phase
  /// No more than this (milliseconds for latencies).
  public var atMost: Double?
  /// No less than this.
  public var atLeast: Double?
  /// Where it is declared.
  public var location: SourceLocation

  /// A statement.
  public init(
    measure: Measure, phase: Phase = .all, atMost: Double? = nil, atLeast: Double? = nil,
    location: SourceLocation = .none
  ) {
    self.measure = measure
    self.phase = phase
    self.atMost = atMost
    self.atLeast = atLeast
    self.location = location
  }
}
