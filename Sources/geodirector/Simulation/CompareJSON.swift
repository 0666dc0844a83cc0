import Simulation
import Topology

/// A comparison for programs. The schema is that of docs/simulation.md; within a number of `schema` keys are added, never
/// taken away or given another meaning.
struct CompareJSON: Encodable {
  private let schema = 1
  private let network, digest: String
  private let holds, adoptsSessions: Bool
  private let dnsTTLMilliseconds: Double
  private let ways: [Description]
  private let scenarios: [Scenario]
  private let totals: [Sum]

  struct Description: Encodable {
    var way, title, sentence: String
  }
  struct Scenario: Encodable {
    var name, summary: String
    var holds: Bool
    var durationMilliseconds: Double
    var seed: UInt64
    var users: Int
    var faults: [Fault]
    var ways: [Sum]
  }
  struct Fault: Encodable {
    var text: String
    var atMilliseconds: Double
    var untilMilliseconds: Double?
  }
  struct Sum: Encodable {
    var way: String
    var requests, errors, errorsAvoidable, sessionsLost, sessionsLostAvoidable: UInt64
    var moves, movedNeedlessly, movedBack, interSiteRequests, bytes: UInt64
    var cost: Double
    /// Of requests without error; nil: of several scenarios, or of none.
    var p50Milliseconds, p99Milliseconds: Double?
  }

  init(_ report: ComparisonReport) {
    network = report.network
    digest = report.digest
    holds = report.holds
    adoptsSessions = report.adoptsSessions
    dnsTTLMilliseconds = Double(report.namesLastNanoseconds) / 1e6
    ways = Way.allCases.map {
      Description(
        way: $0.rawValue, title: $0.title, sentence: $0.sentence(namesLast: report.namesLastNanoseconds))
    }
    scenarios = report.scenarios.map(Scenario.init)
    totals = Way.allCases.map { Sum($0, report.total($0), latency: nil) }
  }
}

extension CompareJSON.Scenario {
  init(_ scenario: ComparedScenario) {
    let ours = scenario.ours
    self.init(
      name: ours.name, summary: ours.summary, holds: ours.holds,
      durationMilliseconds: Double(ours.durationNanoseconds) / 1e6, seed: ours.seed, users: ours.users,
      faults: ours.faults.map {
        CompareJSON.Fault(
          text: $0.text, atMilliseconds: Double($0.atNanoseconds) / 1e6,
          untilMilliseconds: $0.untilNanoseconds.map { Double($0) / 1e6 })
      },
      ways: Way.allCases.map {
        CompareJSON.Sum($0, scenario[$0].total.counts, latency: scenario[$0].total.latency)
      })
  }
}

extension CompareJSON.Sum {
  init(_ way: Way, _ counts: Counts, latency: LatencyReport?) {
    let measured = latency.flatMap { $0.count > 0 ? $0 : nil }
    self.init(
      way: way.rawValue, requests: counts.requests, errors: counts.errors, errorsAvoidable: counts.avoidableErrors,
      sessionsLost: counts.sessionsLost, sessionsLostAvoidable: counts.avoidableSessionsLost, moves: counts.moves,
      movedNeedlessly: counts.movedNeedlessly, movedBack: counts.movedBack, interSiteRequests: counts.interSite,
      bytes: counts.bytes, cost: counts.cost, p50Milliseconds: measured.map { Double($0.p50Nanoseconds) / 1e6 },
      p99Milliseconds: measured.map { Double($0.p99Nanoseconds) / 1e6 })
  }
}
