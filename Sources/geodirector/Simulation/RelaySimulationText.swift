import Simulation
import Topology

/// The report of a network of relays for people: scenario by scenario, a table of all where there are several, and what came of it.
struct RelaySimulationText {
  private let report: RelaySimulationReport
  private let style: TerminalStyle
  private let isFull: Bool

  /// - Parameter isFull: every scenario is told, however many there are.
  init(_ report: RelaySimulationReport, _ style: TerminalStyle = .plain, isFull: Bool = true) {
    self.report = report
    self.style = style
    self.isFull = isFull || report.scenarios.count <= SimulationText.scenariosInFull
  }

  /// The text, without a newline at its end.
  var text: String {
    var lines: [String] = []
    for scenario in report.scenarios where isFull || !scenario.holds {
      lines += RelayScenarioText(scenario, style).lines + [""]
    }
    if report.scenarios.count > 1 { lines += table + [""] }
    lines.append(conclusion)
    return lines.joined(separator: "\n")
  }

  private var table: [String] {
    var table = NumberTable(
      "scenario", headings: ["tried", "opened", "backup", "failed", "cut", "not served", "p99", ""])
    for scenario in report.scenarios {
      let counts = scenario.total.counts
      let opening = scenario.total.opening
      let longest = scenario.listeners.flatMap(\.outages).map { $0.endNanoseconds - $0.beginNanoseconds }.max()
      table.add(
        scenario.name.count <= 26 ? scenario.name : scenario.name.prefix(25) + "~",
        [
          NumberTable.Cell(number: Quantities.count(counts.tried)),
          NumberTable.Cell(number: Quantities.count(counts.opened)),
          NumberTable.Cell(number: Quantities.count(counts.openedAtBackups)),
          NumberTable.Cell(
            number: Quantities.count(counts.failed), tone: counts.failed > counts.failedOracle ? .warning : .plain),
          NumberTable.Cell(number: Quantities.count(counts.cut)),
          NumberTable.Cell(number: longest.map { Quantities.time($0) } ?? "-"),
          NumberTable.Cell(number: opening.count == 0 ? "-" : Quantities.latency(opening.p99Nanoseconds)),
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

  /// The last line: what was found in all, and what failed.
  var conclusion: String {
    let scenarios = report.scenarios.map { (name: $0.name, holds: $0.holds, failures: $0.failures) }
    return SimulationConclusion(network: report.network, scenarios: scenarios).line(style)
  }
}

extension RelayScenarioReport {
  /// The properties and expectations that do not hold, in their own words.
  var failures: [String] {
    verdicts.filter { !$0.holds }.map(\.property.rawValue)
      + expectations.filter { !$0.holds }.map { "expected \($0.expectation.words)" }
  }
}

/// One scenario of a network of relays for people.
struct RelayScenarioText {
  /// Times without service that are told of a listener.
  private static let outagesMax = 3

  private let report: RelayScenarioReport
  private let style: TerminalStyle

  init(_ report: RelayScenarioReport, _ style: TerminalStyle) {
    self.report = report
    self.style = style
  }

  var lines: [String] {
    let heading = ScenarioHeading(
      name: report.name, summary: report.summary, users: report.users, duration: report.durationNanoseconds,
      seed: report.seed, faults: report.faults, phases: report.phases.map { ($0.phase, $0.spans) })
    return heading.lines(style) + [""] + phases + [""] + listeners + [""] + TimelineText(report, style).lines(indent: 2)
      + [""] + verdicts
  }

  private var phases: [String] {
    let parts = report.phases + [report.total]
    var table = NumberTable("", headings: parts.map(\.phase.heading))
    func add(_ label: String, _ value: KeyPath<RelayCounts, UInt64>) {
      table.add(label, parts.map { Quantities.count($0.counts[keyPath: value]) })
    }
    func addOpening(_ label: String, _ value: KeyPath<LatencyReport, Int64>) {
      table.add(label, parts.map { $0.opening.count == 0 ? "-" : Quantities.latency($0.opening[keyPath: value]) })
    }
    table.add("length", parts.map { Quantities.time($0.lengthNanoseconds) })
    add("connections tried", \.tried)
    add("  opened", \.opened)
    if report.total.counts.openedAtBackups > 0 { add("    at a backup", \.openedAtBackups) }
    table.add(
      "  failed",
      parts.map { part in
        NumberTable.Cell(
          number: Quantities.count(part.counts.failed), tone: part.counts.avoidableFailures > 0 ? .warning : .plain)
      })
    if report.total.counts.failed > 0 {
      add("    refused", \.refused)
      add("    closed", \.closed)
      add("    no answer", \.timedOut)
      table.add(
        "    best possible", parts.map { NumberTable.Cell(number: Quantities.count($0.counts.failedOracle)) },
        tone: .quiet)
    }
    add("connections cut", \.cut)
    addOpening("opened, half within", \.p50Nanoseconds)
    addOpening("opened, 99% within", \.p99Nanoseconds)
    addOpening("opened, all within", \.maxNanoseconds)
    return table.lines(indent: 2, style)
  }

  private var listeners: [String] {
    var table = NumberTable("users of", headings: ["users", "tried", "failed", "cut", "not served"])
    for listener in report.listeners {
      let outages = listener.outages.prefix(Self.outagesMax).map { span in
        "\(Quantities.time(span.endNanoseconds - span.beginNanoseconds)) from \(Quantities.time(span.beginNanoseconds))"
      }
      let more = listener.outages.count > Self.outagesMax ? ["\(listener.outages.count - Self.outagesMax) more"] : []
      table.add(
        "\(listener.relay) \(listener.address)" + (listener.pool.map { " (\($0))" } ?? ""),
        [
          Quantities.count(UInt64(listener.users)), Quantities.count(listener.counts.tried),
          Quantities.count(listener.counts.failed), Quantities.count(listener.counts.cut),
          outages.isEmpty ? "never" : (outages + more).joined(separator: ", "),
        ])
    }
    return table.lines(indent: 2, style)
  }

  private var verdicts: [String] {
    var lines: [String] = []
    let margin = 3 + style.markWidth
    for verdict in report.verdicts {
      let often = verdict.violations == 1 ? "once" : "\(Quantities.count(verdict.violations)) times"
      let tail = verdict.holds ? "" : ": violated \(often)"
      lines.append("  \(style.mark(verdict.holds)) \(verdict.property.statement)\(tail)")
      guard let first = verdict.first else { continue }
      let text = "first at \(Quantities.moment(first.atNanoseconds)): \(first.text)"
      lines += ScenarioReportText.wrapped(text, width: TerminalStyle.columns - margin).map {
        String(repeating: " ", count: margin) + $0
      }
    }
    for outcome in report.expectations {
      let value =
        outcome.expectation.measure.isLatency
        ? Quantities.latency(Int64(outcome.value * 1e6)) : Quantities.significant(outcome.value)
      lines.append("  \(style.mark(outcome.holds)) expected \(outcome.expectation.words), found \(value)")
    }
    return lines
  }
}
