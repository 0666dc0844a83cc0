import Foundation
import Simulation
import Topology

/// A simulation's report for programs. The schema is that of docs/simulation.md; within a number of `schema` keys are added,
/// never taken away or given another meaning.
struct SimulationJSON: Encodable {
  /// The schema's number.
  static let schema = 1

  private let schema = Self.schema
  private let network, digest: String
  private let holds: Bool
  private let scenarios: [Scenario]

  init(_ report: SimulationReport) {
    network = report.network
    digest = report.digest
    holds = report.holds
    scenarios = report.scenarios.map(Scenario.init)
  }

  struct Scenario: Encodable {
    var name, summary: String
    var holds: Bool
    var durationMilliseconds: Double
    var seed: UInt64
    var users: Int
    var events: UInt64
    var faults: [Fault]
    var phases: [Part]
    var total: Part
    var series: Series
    var links: [Link]
    var properties: [Verdict]
    var expectations: [Outcome]
    var trace: Trace?
    var perUser: [User]?
  }
  struct User: Encodable {
    var user: Int
    var name: String?
    var entry: String
    var country: String?
    var requests, errors, interSiteRequests: UInt64
    var sessionsLostAtMilliseconds: [Double]
    var moves: [Move]
  }
  struct Move: Encodable {
    var atMilliseconds: Double
    var from, to: String
  }
  struct Fault: Encodable {
    var text: String
    var atMilliseconds: Double
    var untilMilliseconds: Double?
  }
  struct Part: Encodable {
    var phase: String
    var lengthMilliseconds: Double
    var requests, errors, errorsBest, applicationErrors, unanswered, sessionsLost, sessionsLostBest: UInt64
    var usersMoved, moves, movedNeedlessly, movedBack, interSiteRequests, interSiteRequestsBest, bytes: UInt64
    var cost, costBest: Double
    var latency: Latency
    var spans: [Span]
  }
  struct Span: Encodable {
    var beginMilliseconds, endMilliseconds: Double
  }
  struct Latency: Encodable {
    var count: UInt64
    var p50Milliseconds, p99Milliseconds, maxMilliseconds: Double
  }
  struct Series: Encodable {
    var stepMilliseconds: Double
    var sites: [String]
    var requestsBySite: [[UInt32]]
    var interSiteRequests, errors, sessionsLost, moves: [UInt32]
  }
  struct Link: Encodable {
    var ends: [String]
    var isInterSite, isDeclared: Bool
    var bytes: UInt64
    var cost: Double
  }
  struct Verdict: Encodable {
    var property, statement: String
    var holds: Bool
    var violations: UInt64
    var first: First?
  }
  struct First: Encodable {
    var atMilliseconds: Double
    var user: Int?
    var text: String
    var trace: Trace?
  }
  struct Outcome: Encodable {
    var measure, phase: String
    var atMost, atLeast: Double?
    var value: Double
    var holds: Bool
  }
  struct Trace: Encodable {
    var user: Int
    var entry: String
    var requests: [Request]
  }
  struct Request: Encodable {
    var beganMilliseconds: Double
    var endedMilliseconds: Double?
    var method, cookiesBefore, cookiesAfter: String
    var status: Int?
    var server: String?
    var isNewSession, lostSession: Bool
    var attempts: [Attempt]
  }
  struct Attempt: Encodable {
    var atMilliseconds: Double
    var node: String
    var depth: Int
    var chosen: String?
    var reason, outcome: String
    var candidates: [Candidate]
  }
  struct Candidate: Encodable {
    var name: String
    var tier: Int
    var isNamed: Bool
    var belief: String
    var isReachable: Bool
  }
}

/// Nanoseconds in milliseconds.
private func milliseconds(_ nanoseconds: Int64) -> Double { Double(nanoseconds) / 1e6 }

extension SimulationJSON.Scenario {
  init(_ report: ScenarioReport) {
    self.init(
      name: report.name, summary: report.summary, holds: report.holds,
      durationMilliseconds: milliseconds(report.durationNanoseconds), seed: report.seed, users: report.users,
      events: report.events,
      faults: report.faults.map {
        SimulationJSON.Fault(
          text: $0.text, atMilliseconds: milliseconds($0.atNanoseconds),
          untilMilliseconds: $0.untilNanoseconds.map(milliseconds))
      },
      phases: report.phases.map(SimulationJSON.Part.init), total: SimulationJSON.Part(report.total),
      series: SimulationJSON.Series(report.series),
      links: report.links.map {
        SimulationJSON.Link(
          ends: [$0.from, $0.to], isInterSite: $0.isInterSite, isDeclared: $0.isDeclared, bytes: $0.bytes, cost: $0.cost
        )
      },
      properties: report.verdicts.map(SimulationJSON.Verdict.init),
      expectations: report.expectations.map { outcome in
        SimulationJSON.Outcome(
          measure: outcome.expectation.measure.rawValue, phase: outcome.expectation.phase.rawValue,
          atMost: outcome.expectation.atMost, atLeast: outcome.expectation.atLeast, value: outcome.value,
          holds: outcome.holds)
      },
      trace: report.trace.map(SimulationJSON.Trace.init), perUser: report.perUser?.map(SimulationJSON.User.init))
  }
}

extension SimulationJSON.User {
  init(_ report: UserReport) {
    self.init(
      user: report.user, name: report.name, entry: report.entry, country: report.country, requests: report.requests,
      errors: report.errors,
      interSiteRequests: report.interSite,
      sessionsLostAtMilliseconds: report.sessionsLostAtNanoseconds.map(milliseconds),
      moves: report.moves.map {
        SimulationJSON.Move(atMilliseconds: milliseconds($0.atNanoseconds), from: $0.from, to: $0.to)
      })
  }
}

extension SimulationJSON.Part {
  init(_ report: PhaseReport) {
    let counts = report.counts
    self.init(
      phase: report.phase.rawValue, lengthMilliseconds: milliseconds(report.lengthNanoseconds),
      requests: counts.requests, errors: counts.errors, errorsBest: counts.errorsOracle,
      applicationErrors: counts.applicationErrors, unanswered: counts.unanswered, sessionsLost: counts.sessionsLost,
      sessionsLostBest: counts.sessionsLostOracle, usersMoved: counts.usersMoved, moves: counts.moves,
      movedNeedlessly: counts.movedNeedlessly,
      movedBack: counts.movedBack, interSiteRequests: counts.interSite, interSiteRequestsBest: counts.interSiteOracle,
      bytes: counts.bytes, cost: counts.cost, costBest: counts.costOracle,
      latency: SimulationJSON.Latency(
        count: report.latency.count, p50Milliseconds: milliseconds(report.latency.p50Nanoseconds),
        p99Milliseconds: milliseconds(report.latency.p99Nanoseconds),
        maxMilliseconds: milliseconds(report.latency.maxNanoseconds)),
      spans: report.spans.map {
        SimulationJSON.Span(
          beginMilliseconds: milliseconds($0.beginNanoseconds), endMilliseconds: milliseconds($0.endNanoseconds))
      })
  }
}

extension SimulationJSON.Series {
  init(_ series: TimeSeries) {
    self.init(
      stepMilliseconds: milliseconds(series.stepNanoseconds), sites: series.sites,
      requestsBySite: series.requestsBySite, interSiteRequests: series.interSite, errors: series.errors,
      sessionsLost: series.sessionsLost, moves: series.moves)
  }
}

extension SimulationJSON.Verdict {
  init(_ verdict: PropertyVerdict) {
    self.init(
      property: verdict.property.rawValue, statement: verdict.property.statement, holds: verdict.holds,
      violations: verdict.violations,
      first: verdict.first.map {
        SimulationJSON.First(
          atMilliseconds: milliseconds($0.atNanoseconds), user: $0.user, text: $0.text,
          trace: $0.trace.map(SimulationJSON.Trace.init))
      })
  }
}

extension SimulationJSON.Trace {
  init(_ trace: UserTrace) {
    self.init(user: trace.user, entry: trace.entry, requests: trace.requests.map(SimulationJSON.Request.init))
  }
}

extension SimulationJSON.Request {
  init(_ request: RequestTrace) {
    self.init(
      beganMilliseconds: milliseconds(request.beganNanoseconds),
      endedMilliseconds: request.endedNanoseconds.map(milliseconds), method: request.method,
      cookiesBefore: request.cookiesBefore, cookiesAfter: request.cookiesAfter, status: request.status,
      server: request.server, isNewSession: request.isNewSession, lostSession: request.lostSession,
      attempts: request.attempts.map { attempt in
        SimulationJSON.Attempt(
          atMilliseconds: milliseconds(attempt.atNanoseconds), node: attempt.node, depth: attempt.depth,
          chosen: attempt.chosen, reason: attempt.reason, outcome: attempt.outcome,
          candidates: attempt.candidates.map {
            SimulationJSON.Candidate(
              name: $0.name, tier: $0.tier, isNamed: $0.isNamed, belief: $0.belief, isReachable: $0.isReachable)
          })
      })
  }
}
