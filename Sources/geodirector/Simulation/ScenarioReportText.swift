import Simulation
import Topology

/// One scenario's report for people.
struct ScenarioReportText {
  private let report: ScenarioReport
  private let style: TerminalStyle
  private(set) var lines: [String] = []

  init(_ report: ScenarioReport, _ style: TerminalStyle) {
    self.report = report
    self.style = style
    heading()
    lines.append("")
    lines += PhaseTable(report).lines(indent: 2, style)
    lines.append("")
    lines += TimelineText(report, style).lines(indent: 2)
    lines.append("")
    verdicts()
    expectations()
    if let users = report.perUser { lines += ["", "  users to whom something happened:"] + Self.table(users, style) }
    if let trace = report.trace { tell(trace) }
  }

  /// A line for each user who met anything but ordinary answers.
  private static func table(_ users: [UserReport], _ style: TerminalStyle) -> [String] {
    let concerned = users.filter(\.isConcerned)
    guard !concerned.isEmpty else { return ["    nobody"] }
    var table = NumberTable("user", headings: ["entry", "requests", "errors", "lost", "inter-site", "moves"])
    for user in concerned {
      let moves = user.moves.prefix(3).map { "\($0.from)>\($0.to) \(Quantities.time($0.atNanoseconds))" }
      table.add(
        user.name ?? "\(user.user)",
        [
          user.country.map { "\(user.entry) (\($0))" } ?? user.entry, Quantities.count(user.requests),
          Quantities.count(user.errors),
          Quantities.count(UInt64(user.sessionsLostAtNanoseconds.count)), Quantities.count(user.interSite),
          (moves + (user.moves.count > 3 ? ["..."] : [])).joined(separator: ", "),
        ])
    }
    return table.lines(indent: 4, style)
  }

  private mutating func heading() {
    lines += ScenarioHeading(
      name: report.name, summary: report.summary, users: report.users, duration: report.durationNanoseconds,
      seed: report.seed, faults: report.faults, phases: report.phases.map { ($0.phase, $0.spans) }
    ).lines(style)
  }

  private mutating func verdicts() {
    for verdict in report.verdicts {
      let often = verdict.violations == 1 ? "once" : "\(Quantities.count(verdict.violations)) times"
      let tail = verdict.holds ? "" : ": violated \(often)"
      lines.append("  \(style.mark(verdict.holds)) \(verdict.property.statement)\(tail)")
      guard let first = verdict.first else { continue }
      let margin = 3 + style.markWidth
      let text = "first at \(Quantities.moment(first.atNanoseconds)): \(first.text)"
      let indent = String(repeating: " ", count: margin)
      lines += Self.wrapped(text, width: TerminalStyle.columns - margin).map { indent + $0 }
      guard let trace = first.trace else { continue }
      lines.append(indent + "user \(trace.user) at \(trace.entry):")
      lines += TraceText(trace, style, indent: margin + 2).lines
    }
  }

  private mutating func expectations() {
    for outcome in report.expectations {
      let expectation = outcome.expectation
      let value =
        expectation.measure.isLatency
        ? Quantities.latency(Int64(outcome.value * 1e6)) : Quantities.significant(outcome.value)
      lines.append("  \(style.mark(outcome.holds)) expected \(expectation.words), found \(value)")
    }
  }

  private mutating func tell(_ trace: UserTrace) {
    lines.append("")
    let count = Quantities.some(UInt64(trace.requests.count), "request")
    guard !trace.entry.isEmpty else {
      lines.append("  there is no user \(trace.user): they are numbered from 0 to \(report.users - 1)")
      return
    }
    lines.append("  user \(trace.user) at \(trace.entry), \(count):")
    lines += TraceText(trace, style, indent: 4).lines
  }

  /// Words in lines of at most a width.
  static func wrapped(_ text: String, width: Int) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      if !line.isEmpty, line.count + 1 + word.count > width {
        lines.append(line)
        line = ""
      }
      line += (line.isEmpty ? "" : " ") + word
    }
    return line.isEmpty ? lines : lines + [line]
  }
}

extension FaultMark {
  /// When it is: `2m to 7m`, `from 2m on`.
  var times: String {
    let begin = Quantities.time(atNanoseconds)
    guard let untilNanoseconds else { return "from \(begin) on" }
    return untilNanoseconds == atNanoseconds ? "at \(begin)" : "\(begin) to \(Quantities.time(untilNanoseconds))"
  }
}
