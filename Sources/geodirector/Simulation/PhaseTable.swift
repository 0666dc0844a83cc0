import Simulation
import Topology

/// What was counted in each part of a scenario, beside the best that was possible.
struct PhaseTable {
  /// Columns a line may take.
  static let widthMax = 100

  private let phases: [PhaseReport]
  private let style: TerminalStyle

  init(_ report: ScenarioReport, _ style: TerminalStyle) {
    phases = report.phases + [report.total]
    self.style = style
  }

  /// The table with the best behind each number, or, where the numbers are too long for that, on lines of its own.
  func lines(indent: Int) -> [String] {
    let inline = table(isInline: true)
    return (inline.width + indent <= Self.widthMax ? inline : table(isInline: false)).lines(indent: indent, style)
  }

  private func table(isInline: Bool) -> NumberTable {
    var table = NumberTable("", headings: phases.map(\.phase.heading))
    table.add("length", phases.map { Quantities.time($0.lengthNanoseconds) })
    table.add("requests", phases.map { Quantities.count($0.counts.requests) })
    add("errors", \.errors, best: \.errorsOracle, to: &table, isInline)
    if phases.contains(where: { $0.counts.applicationErrors > 0 }) {
      table.add("  the application's own", phases.map { Quantities.count($0.counts.applicationErrors) })
    }
    add("sessions lost", \.sessionsLost, best: \.sessionsLostOracle, to: &table, isInline)
    add("users moved", \.moves, to: &table)
    add("  needlessly", \.movedNeedlessly, isWrong: true, to: &table)
    add("  back", \.movedBack, isWrong: true, to: &table)
    add("inter-site requests", \.interSite, best: \.interSiteOracle, to: &table, isInline)
    table.add("bytes over links", phases.map { Quantities.bytes($0.counts.bytes) })
    if phases.contains(where: { $0.counts.cost > 0 || $0.counts.costOracle > 0 }) { addCost(to: &table, isInline) }
    table.add("latency, half within", phases.map { latency($0, \.p50Nanoseconds) })
    table.add("latency, 99% within", phases.map { latency($0, \.p99Nanoseconds) })
    return table
  }

  private func latency(_ phase: PhaseReport, _ value: KeyPath<LatencyReport, Int64>) -> String {
    phase.latency.count == 0 ? "-" : Quantities.latency(phase.latency[keyPath: value])
  }

  private func add(
    _ label: String, _ value: KeyPath<Counts, UInt64>, isWrong: Bool = false, to table: inout NumberTable
  ) {
    table.add(
      label,
      phases.map { phase in
        let number = phase.counts[keyPath: value]
        return NumberTable.Cell(number: Quantities.count(number), tone: isWrong && number > 0 ? .bad : .plain)
      })
  }

  private func add(
    _ label: String, _ value: KeyPath<Counts, UInt64>, best: KeyPath<Counts, UInt64>, to table: inout NumberTable,
    _ isInline: Bool
  ) {
    add(
      label, to: &table, isInline,
      phases.map { phase in
        let (number, least) = (phase.counts[keyPath: value], phase.counts[keyPath: best])
        return (Quantities.count(number), Quantities.count(least), number > least, number == 0 && least == 0)
      })
  }

  private func addCost(to table: inout NumberTable, _ isInline: Bool) {
    add(
      "cost of links", to: &table, isInline,
      phases.map { phase in
        let (number, least) = (Quantities.money(phase.counts.cost), Quantities.money(phase.counts.costOracle))
        // Below what is written no difference is worth a note.
        return (number, least, phase.counts.cost > phase.counts.costOracle * 1.005, number == least)
      })
  }

  /// A row of numbers and the least possible ones; a note that says nothing is left out.
  private func add(
    _ label: String, to table: inout NumberTable, _ isInline: Bool,
    _ values: [(number: String, best: String, isWorse: Bool, isPlain: Bool)]
  ) {
    table.add(
      label,
      values.map {
        NumberTable.Cell(
          number: $0.number, note: isInline && !$0.isPlain ? "(best \($0.best))" : "",
          tone: $0.isWorse ? .warning : .plain)
      })
    if !isInline, values.contains(where: { !$0.isPlain }) {
      table.add("  best possible", values.map { NumberTable.Cell(number: $0.best) }, tone: .quiet)
    }
  }
}
