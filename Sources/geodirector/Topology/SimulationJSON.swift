import Foundation
import Simulation
import Topology

/// A simulation's report for programs: one JSON object, keys sorted.
enum SimulationJSON {
  private struct Report: Encodable {
    var network: String
    var digest: String
    var holds: Bool
    var scenarios: [Scenario]
  }
  private struct Scenario: Encodable {
    var name: String
    var summary: String
    var seconds: Double
    var seed: UInt64
    var users: Int
    var holds: Bool
    var phases: [Phase]
    var properties: [Verdict]
    var expectations: [Outcome]
  }
  private struct Phase: Encodable {
    var phase: String
    var seconds: Double
    var requests, errors, errorsOracle, sessionsLost, sessionsLostOracle, movedNeedlessly, movedBack: UInt64
    var interSite, interSiteOracle, bytes: UInt64
    var cost, costOracle, p50Milliseconds, p99Milliseconds: Double
  }
  private struct Verdict: Encodable {
    var property: String
    var violations: UInt64
    var firstAtSeconds: Double?
    var first: String?
  }
  private struct Outcome: Encodable {
    var measure: String
    var phase: String
    var value: Double
    var holds: Bool
  }

  static func text(of report: SimulationReport) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let value = Report(
      network: report.network, digest: report.digest, holds: report.holds, scenarios: report.scenarios.map(scenario))
    guard let data = try? encoder.encode(value) else { return "{}" }
    return String(decoding: data, as: UTF8.self)
  }

  private static func scenario(_ report: ScenarioReport) -> Scenario {
    Scenario(
      name: report.name, summary: report.summary, seconds: Double(report.durationNanoseconds) / 1e9, seed: report.seed,
      users: report.users, holds: report.holds, phases: (report.phases + [report.total]).map(phase),
      properties: report.verdicts.map { verdict in
        Verdict(
          property: verdict.property.rawValue, violations: verdict.violations,
          firstAtSeconds: verdict.first.map { Double($0.atNanoseconds) / 1e9 }, first: verdict.first?.text)
      },
      expectations: report.expectations.map { outcome in
        Outcome(
          measure: outcome.expectation.measure.rawValue, phase: outcome.expectation.phase.rawValue,
          value: outcome.value, holds: outcome.holds)
      })
  }

  private static func phase(_ report: PhaseReport) -> Phase {
    let counts = report.counts
    return Phase(
      phase: report.phase.rawValue, seconds: Double(report.lengthNanoseconds) / 1e9, requests: counts.requests,
      errors: counts.errors, errorsOracle: counts.errorsOracle, sessionsLost: counts.sessionsLost,
      sessionsLostOracle: counts.sessionsLostOracle, movedNeedlessly: counts.movedNeedlessly,
      movedBack: counts.movedBack, interSite: counts.interSite, interSiteOracle: counts.interSiteOracle,
      bytes: counts.bytes, cost: counts.cost, costOracle: counts.costOracle,
      p50Milliseconds: Double(report.latency.p50Nanoseconds) / 1e6,
      p99Milliseconds: Double(report.latency.p99Nanoseconds) / 1e6)
  }
}
