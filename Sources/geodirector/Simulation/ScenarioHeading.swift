import Simulation
import Topology

/// What is simulated, what fails when, and the scenario's parts in order of time.
struct ScenarioHeading {
  /// Ends of parts that are told one by one.
  private static let partsMax = 16

  var name, summary: String
  var users: Int
  /// Nanoseconds.
  var duration: Int64
  var seed: UInt64
  var faults: [FaultMark]
  var phases: [(phase: Expectation.Phase, spans: [PhaseSpan])]

  func lines(_ style: TerminalStyle) -> [String] {
    let width = TerminalStyle.columns - 2
    var lines = [
      "\(style.rule(2)) \(style.paint(name, .strong)) \(style.rule(TerminalStyle.columns - name.count - 4))"
    ]
    for line in ScenarioReportText.wrapped(summary, width: width) { lines.append("  " + line) }
    lines.append("  \(Quantities.some(UInt64(users), "user")), \(Quantities.time(duration)), seed \(seed)")
    if faults.isEmpty { lines.append("  nothing fails") }
    for fault in faults { lines.append("  \(fault.times): \(fault.text)") }
    return lines + ScenarioReportText.wrapped(parts, width: width).map { "  " + $0 }
  }

  /// The scenario's parts in order of time, each with its end; empty: there is one alone.
  private var parts: String {
    var spans = phases.flatMap { phase in phase.spans.map { (phase.phase.heading, $0) } }
    guard spans.count > 1 else { return "" }
    spans.sort { $0.1.beginNanoseconds < $1.1.beginNanoseconds }
    var words = spans.prefix(Self.partsMax).map { "\($0.0) to \(Quantities.time($0.1.endNanoseconds))" }
    if spans.count > Self.partsMax { words.append("and \(spans.count - Self.partsMax) more") }
    return words.joined(separator: ", ")
  }
}
