import Simulation
import Topology

/// What exploring found, for people: a line for each property, and the first violation as a scenario that can be pasted.
struct ExploreText {
  private let report: ExploreReport
  private let style: TerminalStyle

  init(_ report: ExploreReport, _ style: TerminalStyle = .plain) {
    self.report = report
    self.style = style
  }

  /// The text, without a newline at its end.
  var text: String {
    let users = Quantities.some(UInt64(report.users), "user")
    var lines = [
      "\(Quantities.some(UInt64(report.schedules), "schedule")) of \(report.network), seed \(report.seed), \(users): "
        + "\(Quantities.some(report.requests, "request"))",
      "",
    ]
    for tally in report.tallies {
      lines.append("  \(style.mark(tally.schedules == 0)) \(tally.property.statement)\(words(of: tally))")
    }
    if let find = report.find { lines += [""] + self.lines(of: find) }
    lines += ["", conclusion]
    return lines.joined(separator: "\n")
  }

  private func words(of tally: ExploreReport.Tally) -> String {
    guard let first = tally.first else { return "" }
    let often = Quantities.some(tally.violations, "violation")
    return ": \(often) in \(Quantities.some(UInt64(tally.schedules), "schedule")), the first in schedule \(first)"
  }

  private func lines(of find: ExploreReport.Find) -> [String] {
    let faults = Quantities.some(UInt64(find.drawn.steps.count), "fault")
    let left = Quantities.some(UInt64(find.scenario.steps.count), "fault")
    var lines = [
      "Schedule \(find.number) violates \(find.property.rawValue). Shrunk from \(faults) to \(left) "
        + "in \(Quantities.some(UInt64(find.runs), "run")), for `scenarios:` of the file:",
      "",
    ]
    lines += find.scenario.text().split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    guard let violation = find.report.verdicts.first(where: { $0.property == find.property })?.first else {
      return lines
    }
    lines += ["", "At \(Quantities.moment(violation.atNanoseconds)): \(violation.text)"]
    guard let trace = violation.trace else { return lines }
    lines.append("  user \(trace.user) at \(trace.entry):")
    return lines + TraceText(trace, style, indent: 4).lines
  }

  /// The last line: what was found in all.
  var conclusion: String {
    let all = Quantities.some(UInt64(report.schedules), "schedule")
    guard let find = report.find else {
      return style.paint("ok: \(report.network): every property holds in \(all)", .good)
    }
    let failed = report.tallies.filter { $0.schedules > 0 }.map { "\($0.property.rawValue) in \($0.schedules)" }
    return style.paint(
      "FAILED: \(report.network): \(failed.joined(separator: ", ")) of \(all), the first in schedule \(find.number)",
      .bad)
  }
}
