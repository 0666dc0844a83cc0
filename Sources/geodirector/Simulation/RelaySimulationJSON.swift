import Simulation
import Topology

/// The report of a network of relays for programs. The schema is that of docs/simulation.md; within a number of `schema` keys are added,
/// never taken away or given another meaning.
struct RelaySimulationJSON: Encodable {
  private let schema = 1
  private let network, digest: String
  private let holds: Bool
  private let scenarios: [Scenario]

  init(_ report: RelaySimulationReport) {
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
    var faults: [SimulationJSON.Fault]
    var phases: [Part]
    var total: Part
    var listeners: [Listener]
    var series: Series
    var properties: [SimulationJSON.Verdict]
    var expectations: [SimulationJSON.Outcome]
  }
  struct Counts: Encodable {
    var tried, opened, openedAtBackups, failed, failedBest, refused, closed, timedOut, cut: UInt64

    init(_ counts: RelayCounts) {
      tried = counts.tried
      opened = counts.opened
      openedAtBackups = counts.openedAtBackups
      failed = counts.failed
      failedBest = counts.failedOracle
      refused = counts.refused
      closed = counts.closed
      timedOut = counts.timedOut
      cut = counts.cut
    }
  }
  struct Part: Encodable {
    var phase: String
    var lengthMilliseconds: Double
    var connections: Counts
    var opening: SimulationJSON.Latency
    var spans: [SimulationJSON.Span]

    init(_ report: RelayPhaseReport) {
      phase = report.phase.rawValue
      lengthMilliseconds = milliseconds(report.lengthNanoseconds)
      connections = Counts(report.counts)
      opening = SimulationJSON.Latency(
        count: report.opening.count, p50Milliseconds: milliseconds(report.opening.p50Nanoseconds),
        p99Milliseconds: milliseconds(report.opening.p99Nanoseconds),
        maxMilliseconds: milliseconds(report.opening.maxNanoseconds))
      spans = report.spans.map(RelaySimulationJSON.span)
    }
  }
  struct Listener: Encodable {
    var relay, address: String
    var pool: String?
    var users: Int
    var connections: Counts
    var notServed: [SimulationJSON.Span]
  }
  struct Series: Encodable {
    var stepMilliseconds: Double
    var servers: [String]
    var openedByServer: [[UInt32]]
    var failed, cut: [UInt32]
  }

  fileprivate static func span(_ span: PhaseSpan) -> SimulationJSON.Span {
    SimulationJSON.Span(
      beginMilliseconds: milliseconds(span.beginNanoseconds), endMilliseconds: milliseconds(span.endNanoseconds))
  }
}

/// Nanoseconds in milliseconds.
private func milliseconds(_ nanoseconds: Int64) -> Double { Double(nanoseconds) / 1e6 }

extension RelaySimulationJSON.Scenario {
  init(_ report: RelayScenarioReport) {
    let series = report.series
    self.init(
      name: report.name, summary: report.summary, holds: report.holds,
      durationMilliseconds: milliseconds(report.durationNanoseconds), seed: report.seed, users: report.users,
      events: report.events,
      faults: report.faults.map {
        SimulationJSON.Fault(
          text: $0.text, atMilliseconds: milliseconds($0.atNanoseconds),
          untilMilliseconds: $0.untilNanoseconds.map(milliseconds))
      },
      phases: report.phases.map(RelaySimulationJSON.Part.init), total: RelaySimulationJSON.Part(report.total),
      listeners: report.listeners.map { listener in
        RelaySimulationJSON.Listener(
          relay: listener.relay, address: listener.address, pool: listener.pool, users: listener.users,
          connections: RelaySimulationJSON.Counts(listener.counts),
          notServed: listener.outages.map(RelaySimulationJSON.span))
      },
      series: RelaySimulationJSON.Series(
        stepMilliseconds: milliseconds(series.stepNanoseconds), servers: series.servers,
        openedByServer: series.openedByServer, failed: series.failed, cut: series.cut),
      properties: report.verdicts.map { verdict in
        SimulationJSON.Verdict(
          property: verdict.property.rawValue, statement: verdict.property.statement, holds: verdict.holds,
          violations: verdict.violations,
          first: verdict.first.map {
            SimulationJSON.First(
              atMilliseconds: milliseconds($0.atNanoseconds), user: $0.user, text: $0.text, trace: nil)
          })
      },
      expectations: report.expectations.map { outcome in
        SimulationJSON.Outcome(
          measure: outcome.expectation.measure.rawValue, phase: outcome.expectation.phase.rawValue,
          atMost: outcome.expectation.atMost, atLeast: outcome.expectation.atLeast, value: outcome.value,
          holds: outcome.holds)
      })
  }
}
