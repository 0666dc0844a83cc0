import Simulation

/// A simulation's report for people: scenario by scenario, a table of all where there are several, and what came of it.
struct SimulationText {
  /// With more scenarios than these, those in which everything holds are in the table of all only.
  static let scenariosInFull = 8

  private let report: SimulationReport
  private let style: TerminalStyle
  private let isFull: Bool

  /// - Parameter isFull: every scenario is told, however many there are.
  init(_ report: SimulationReport, _ style: TerminalStyle = .plain, isFull: Bool = true) {
    self.report = report
    self.style = style
    self.isFull = isFull || report.scenarios.count <= Self.scenariosInFull
  }

  /// The text, without a newline at its end.
  var text: String {
    var lines: [String] = []
    for scenario in report.scenarios where isFull || !scenario.holds || scenario.trace != nil {
      lines += ScenarioReportText(scenario, style).lines + [""]
    }
    if report.scenarios.count > 1 { lines += table + [""] }
    lines.append(conclusion)
    return lines.joined(separator: "\n")
  }

  private var table: [String] {
    var table = NumberTable(
      "scenario", headings: ["requests", "errors", "lost", "moved", "needless", "back", "inter-site", "p99", ""])
    for scenario in report.scenarios {
      let counts = scenario.total.counts
      func cell(_ value: UInt64, best: UInt64) -> NumberTable.Cell {
        NumberTable.Cell(number: Quantities.count(value), tone: value > best ? .warning : .plain)
      }
      func wrong(_ value: UInt64) -> NumberTable.Cell {
        NumberTable.Cell(number: Quantities.count(value), tone: value > 0 ? .bad : .plain)
      }
      let latency = scenario.total.latency
      table.add(
        Self.cut(scenario.name),
        [
          NumberTable.Cell(number: Quantities.count(counts.requests)), cell(counts.errors, best: counts.errorsOracle),
          cell(counts.sessionsLost, best: counts.sessionsLostOracle),
          NumberTable.Cell(number: Quantities.count(counts.usersMoved)), wrong(counts.movedNeedlessly),
          wrong(counts.movedBack), cell(counts.interSite, best: counts.interSiteOracle),
          NumberTable.Cell(number: latency.count == 0 ? "-" : Quantities.latency(latency.p99Nanoseconds)),
          NumberTable.Cell(
            number: style.isUnicode ? (scenario.holds ? "✔" : "✘") : (scenario.holds ? "ok" : "FAILED"),
            tone: scenario.holds ? .good : .bad),
        ])
    }
    var lines = ["\(style.rule(2)) \(style.paint("all scenarios", .strong)) \(style.rule(TerminalStyle.columns - 17))"]
    lines += table.lines(indent: 2, style)
    if !isFull {
      lines.append("  Where everything holds no more is told: see one with --scenario NAME, all with --full.")
    }
    return lines
  }

  /// Long names would push the numbers off the page.
  private static func cut(_ name: String) -> String { name.count <= 26 ? name : name.prefix(25) + "~" }

  /// The last line: what was found in all, and what failed.
  var conclusion: String {
    let scenarios = report.scenarios.map { (name: $0.name, holds: $0.holds, failures: $0.failures) }
    return SimulationConclusion(network: report.network, scenarios: scenarios).line(style)
  }
}

extension ScenarioReport {
  /// The properties and expectations that do not hold, in their own words.
  var failures: [String] {
    verdicts.filter { !$0.holds }.map(\.property.rawValue)
      + expectations.filter { !$0.holds }.map { "expected \($0.expectation.words)" }
  }
}
