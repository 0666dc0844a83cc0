import Simulation
import Topology

/// A simulation's report for people.
struct SimulationText {
  private(set) var text = ""

  init(_ report: SimulationReport) {
    for scenario in report.scenarios { add(scenario) }
    let failed = report.scenarios.count { !$0.holds }
    text += "\(report.network): \(report.scenarios.count) scenarios, "
    text += failed == 0 ? "everything holds" : "\(failed) in which something does not hold"
  }

  private mutating func add(_ scenario: ScenarioReport) {
    text += "\(scenario.name)\(scenario.summary.isEmpty ? "" : ": \(scenario.summary)")"
    text += " (\(scenario.users) users, \(scenario.durationNanoseconds / 1_000_000_000) s, seed \(scenario.seed))\n"
    for fault in scenario.faults {
      let until = fault.untilNanoseconds.map { " until \(Self.seconds($0)) s" } ?? ""
      text += "  at \(Self.seconds(fault.atNanoseconds)) s\(until): \(fault.text)\n"
    }
    var rows = [
      ["phase", "s", "requests", "errors", "lost", "needless", "back", "inter-site", "MB", "cost", "p50 ms", "p99 ms"]
    ]
    for phase in scenario.phases + [scenario.total] { rows.append(Self.row(phase)) }
    text += Self.table(rows)
    for verdict in scenario.verdicts {
      text += "  \(verdict.holds ? "holds   " : "VIOLATED") \(verdict.property.statement)\n"
      guard let first = verdict.first else { continue }
      text += "    \(verdict.violations) times; first at \(Self.seconds(first.atNanoseconds)) s: \(first.text)\n"
      if let trace = first.trace { add(trace) }
    }
    for outcome in scenario.expectations {
      let expectation = outcome.expectation
      text +=
        "  \(outcome.holds ? "holds   " : "FAILED  ") \(expectation.measure.rawValue) (\(expectation.phase.rawValue))"
      text += " is \(Self.number(outcome.value))\n"
    }
    if let trace = scenario.trace { add(trace) }
    text += "\n"
  }

  /// What was counted, and behind a slash the optimum where it is another.
  private static func row(_ phase: PhaseReport) -> [String] {
    let counts = phase.counts
    func pair(_ value: UInt64, _ optimum: UInt64) -> String { value == optimum ? "\(value)" : "\(value)/\(optimum)" }
    return [
      phase.phase.rawValue, seconds(phase.lengthNanoseconds), "\(counts.requests)",
      pair(counts.errors, counts.errorsOracle), pair(counts.sessionsLost, counts.sessionsLostOracle),
      "\(counts.movedNeedlessly)", "\(counts.movedBack)", pair(counts.interSite, counts.interSiteOracle),
      number(Double(counts.bytes) / 1e6), number(counts.cost),
      number(Double(phase.latency.p50Nanoseconds) / 1e6), number(Double(phase.latency.p99Nanoseconds) / 1e6),
    ]
  }

  private mutating func add(_ trace: UserTrace) {
    text += "    user \(trace.user) at \(trace.entry):\n"
    for request in trace.requests {
      text += "      \(Self.seconds(request.beganNanoseconds)) s \(request.method) \(request.cookiesBefore)\n"
      for attempt in request.attempts {
        let indent = String(repeating: "  ", count: 4 + attempt.depth)
        let chosen = attempt.chosen.map { " -> \($0)" } ?? ""
        let why = attempt.reason == attempt.outcome ? "" : " (\(attempt.reason))"
        text += "\(indent)\(attempt.node)\(chosen)\(why): \(attempt.outcome)\n"
        let others = attempt.candidates.map { "\($0.name)\($0.isNamed ? "*" : "") \($0.belief)" }
        if !others.isEmpty { text += "\(indent)    \(others.joined(separator: ", "))\n" }
      }
      let status = request.status.map { "\($0)" } ?? "no answer"
      text +=
        "        \(status)\(request.server.map { " from \($0)" } ?? "")\(request.lostSession ? ", session lost" : "")"
      text += "; cookies now: \(request.cookiesAfter)\n"
    }
  }

  private static func table(_ rows: [[String]]) -> String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      "  "
        + row.indices.map { column in
          let padding = String(repeating: " ", count: widths[column] - row[column].count)
          return column == 0 ? row[column] + padding : padding + row[column]
        }.joined(separator: "  ") + "\n"
    }.joined()
  }

  private static func seconds(_ nanoseconds: Int64) -> String { number(Double(nanoseconds) / 1e9) }

  /// At most three digits behind the point, none where they are zero.
  private static func number(_ value: Double) -> String {
    let thousandths = Int64((value * 1000).rounded())
    let fraction = abs(thousandths % 1000)
    let whole = "\(thousandths < 0 ? "-" : "")\(abs(thousandths) / 1000)"
    if fraction == 0 { return whole }
    var digits = "\(1000 + fraction)".dropFirst()
    while digits.last == "0" { digits = digits.dropLast() }
    return "\(whole).\(digits)"
  }
}
