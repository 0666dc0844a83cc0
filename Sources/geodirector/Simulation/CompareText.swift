import Simulation
import Topology

/// A comparison for people: what each way is, a table of the ways for each scenario and for all, and what came of it.
struct CompareText {
  private let report: ComparisonReport
  private let style: TerminalStyle

  init(_ report: ComparisonReport, _ style: TerminalStyle = .plain) {
    self.report = report
    self.style = style
  }

  /// The text, without a newline at its end.
  var text: String {
    var lines = ["The same users and faults in \(Way.allCases.count) ways:"]
    for way in Way.allCases { lines += self.lines(of: way) }
    if report.adoptsSessions {
      lines += Self.wrapped("Applications go on with sessions they do not know, and set no cookie then.", indent: 2)
    }
    for scenario in report.scenarios { lines += [""] + self.lines(of: scenario) }
    if report.scenarios.count > 1 { lines += [""] + all }
    return (lines + ["", conclusion]).joined(separator: "\n")
  }

  private func lines(of way: Way) -> [String] {
    let title = "  " + way.title
    let column = (Way.allCases.map(\.title.count).max() ?? 0) + 4
    let words = way.sentence(namesLast: report.namesLastNanoseconds)
    let indent = String(repeating: " ", count: column)
    return ScenarioReportText.wrapped(words, width: TerminalStyle.columns - column).enumerated().map { index, line in
      (index == 0 ? title + String(repeating: " ", count: column - title.count) : indent) + line
    }
  }

  private static func wrapped(_ text: String, indent: Int) -> [String] {
    ScenarioReportText.wrapped(text, width: TerminalStyle.columns - indent).map {
      String(repeating: " ", count: indent) + $0
    }
  }

  private func heading(_ title: String) -> String {
    let rest = TerminalStyle.columns - title.count - 4
    return "\(style.rule(2)) \(style.paint(title, .strong)) \(style.rule(rest))"
  }

  // MARK: Tables

  private func lines(of scenario: ComparedScenario) -> [String] {
    let ours = scenario.ours
    var lines = [heading(ours.name)] + Self.wrapped(ours.summary, indent: 2)
    let users = Quantities.some(UInt64(ours.users), "user")
    lines.append("  \(users), \(Quantities.time(ours.durationNanoseconds)), seed \(ours.seed)")
    if ours.faults.isEmpty { lines.append("  nothing fails") }
    for fault in ours.faults { lines.append("  \(fault.times): \(fault.text)") }
    lines.append("")
    let latencies = Way.allCases.map { scenario[$0].total.latency }
    return lines + table(Way.allCases.map { scenario[$0].total.counts }, latencies)
  }

  private var all: [String] {
    var lines = [heading("all scenarios")]
    var table = NumberTable("avoidable errors and lost sessions", headings: Way.allCases.map(\.title))
    for scenario in report.scenarios {
      table.add(Self.cut(scenario.ours.name), Way.allCases.map { Self.harm(scenario[$0].total.counts) })
    }
    lines += table.lines(indent: 2, style) + [""]
    return lines + self.table(Way.allCases.map { report.total($0) }, [])
  }

  /// Long names would push the numbers off the page.
  private static func cut(_ name: String) -> String { name.count <= 34 ? name : name.prefix(33) + "~" }

  private static func harm(_ counts: Counts) -> NumberTable.Cell {
    bad(counts.avoidableErrors + counts.avoidableSessionsLost)
  }

  private static func bad(_ number: UInt64) -> NumberTable.Cell {
    NumberTable.Cell(number: Quantities.count(number), tone: number > 0 ? .bad : .plain)
  }

  private func table(_ counts: [Counts], _ latencies: [LatencyReport]) -> [String] {
    var table = NumberTable("", headings: Way.allCases.map(\.title))
    func row(_ label: String, _ value: (Counts) -> UInt64) {
      table.add(label, counts.map { Quantities.count(value($0)) })
    }
    func wrong(_ label: String, _ value: (Counts) -> UInt64) { table.add(label, counts.map { Self.bad(value($0)) }) }
    row("requests") { $0.requests }
    row("errors") { $0.errors }
    wrong("  avoidable") { $0.avoidableErrors }
    row("sessions lost") { $0.sessionsLost }
    wrong("  avoidable") { $0.avoidableSessionsLost }
    row("users moved") { $0.moves }
    wrong("  needlessly") { $0.movedNeedlessly }
    wrong("  back") { $0.movedBack }
    row("inter-site requests") { $0.interSite }
    table.add("bytes over links", counts.map { Quantities.bytes($0.bytes) })
    if counts.contains(where: { $0.cost > 0 }) {
      table.add("cost of links", counts.map { Quantities.money($0.cost) })
    }
    if !latencies.isEmpty {
      table.add("latency, half within", latencies.map { Self.latency($0, $0.p50Nanoseconds) })
      table.add("latency, 99% within", latencies.map { Self.latency($0, $0.p99Nanoseconds) })
    }
    return table.lines(indent: 2, style)
  }

  private static func latency(_ report: LatencyReport, _ nanoseconds: Int64) -> String {
    report.count == 0 ? "-" : Quantities.latency(nanoseconds)
  }

  // MARK: What came of it

  /// The last line: whether our own way holds, and what the others would have cost.
  var conclusion: String {
    let words = Way.allCases.map { way in
      let counts = report.total(way)
      return "\(way.title) \(Quantities.count(counts.avoidableErrors + counts.avoidableSessionsLost))"
    }
    return SimulationText(report.ours, style).conclusion
      + "; avoidable errors and lost sessions: " + words.joined(separator: ", ")
  }
}

extension Way {
  /// What it is, in a sentence.
  func sentence(namesLast nanoseconds: Int64) -> String {
    switch self {
    case .ours: "as the file says, with all rules"
    case .guide:
      "HAProxy's architecture guide, chapter 5: nodes believe their checks alone, the first match of a cookie takes all, a "
        + "backup is used when the checks have spoken, old prefixes stay"
    case .noSiteCookie: "directors set no site cookie, so that offices always ask their first site that takes new users"
    case .dnsFailover:
      "no office proxies, but a name that leads to the first site whose director answers a checker, kept for "
        + "\(Quantities.time(nanoseconds)); sites pass nothing on to each other"
    case .returnAtOnce: "failback: immediate, so that users go home as soon as home takes new users again"
    }
  }
}
