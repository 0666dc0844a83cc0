import Simulation
import Topology

/// What was counted in each part of a scenario, and below it the best that was possible.
struct PhaseTable {
  private let phases: [PhaseReport]

  init(_ report: ScenarioReport) { phases = report.phases + [report.total] }

  func lines(indent: Int, _ style: TerminalStyle) -> [String] {
    var table = NumberTable("", headings: phases.map(\.phase.heading))
    table.add("length", phases.map { Quantities.time($0.lengthNanoseconds) })
    table.add("requests", phases.map { Quantities.count($0.counts.requests) })
    add("errors", \.errors, best: \.errorsOracle, to: &table)
    if phases.contains(where: { $0.counts.applicationErrors > 0 }) {
      table.add("  the application's own", phases.map { Quantities.count($0.counts.applicationErrors) })
    }
    if phases.contains(where: { $0.counts.unanswered > 0 }) {
      table.add("unanswered at the end", phases.map { Quantities.count($0.counts.unanswered) })
    }
    add("sessions lost", \.sessionsLost, best: \.sessionsLostOracle, to: &table)
    table.add("users moved", phases.map { Quantities.count($0.counts.usersMoved) })
    table.add("  moves", phases.map { Quantities.count($0.counts.moves) })
    addWrong("    needlessly", \.movedNeedlessly, to: &table)
    addWrong("    back", \.movedBack, to: &table)
    add("inter-site requests", \.interSite, best: \.interSiteOracle, to: &table)
    table.add("bytes over links", phases.map { Quantities.bytes($0.counts.bytes) })
    if phases.contains(where: { $0.counts.cost > 0 }) { addCost(to: &table) }
    table.add("latency, half within", phases.map { latency($0, \.p50Nanoseconds) })
    table.add("latency, 99% within", phases.map { latency($0, \.p99Nanoseconds) })
    return table.lines(indent: indent, style)
  }

  private func latency(_ phase: PhaseReport, _ value: KeyPath<LatencyReport, Int64>) -> String {
    phase.latency.count == 0 ? "-" : Quantities.latency(phase.latency[keyPath: value])
  }

  /// What never has to be.
  private func addWrong(_ label: String, _ value: KeyPath<Counts, UInt64>, to table: inout NumberTable) {
    table.add(
      label,
      phases.map { phase in
        let number = phase.counts[keyPath: value]
        return NumberTable.Cell(number: Quantities.count(number), tone: number > 0 ? .bad : .plain)
      })
  }

  private func add(
    _ label: String, _ value: KeyPath<Counts, UInt64>, best: KeyPath<Counts, UInt64>, to table: inout NumberTable
  ) {
    table.add(
      label,
      phases.map { phase in
        let (number, least) = (phase.counts[keyPath: value], phase.counts[keyPath: best])
        return NumberTable.Cell(number: Quantities.count(number), tone: number > least ? .warning : .plain)
      })
    // Nothing cannot be bettered.
    guard phases.contains(where: { $0.counts[keyPath: value] > 0 }) else { return }
    addBest(phases.map { Quantities.count($0.counts[keyPath: best]) }, to: &table)
  }

  private func addCost(to table: inout NumberTable) {
    // Less than that is in the rounding of what is written.
    func isWorse(_ counts: Counts) -> Bool { counts.cost > counts.costOracle * 1.005 }
    table.add(
      "cost of links",
      phases.map { phase in
        NumberTable.Cell(
          number: Quantities.money(phase.counts.cost), tone: isWorse(phase.counts) ? .warning : .plain)
      })
    guard phases.contains(where: { isWorse($0.counts) }) else { return }
    addBest(phases.map { Quantities.money($0.counts.costOracle) }, to: &table)
  }

  private func addBest(_ numbers: [String], to table: inout NumberTable) {
    table.add("  best possible", numbers.map { NumberTable.Cell(number: $0) }, tone: .quiet)
  }
}
