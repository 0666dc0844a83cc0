import Simulation

/// What geography is worth, for people.
struct GeographyText {
  private let report: GeographyReport
  private let style: TerminalStyle

  init(_ report: GeographyReport, _ style: TerminalStyle = .plain) {
    self.report = report
    self.style = style
  }

  /// The text, without a newline at its end.
  var text: String {
    let clients = Quantities.count(UInt64(report.clients))
    let rules = report.entry.map { "the preference of \($0)" } ?? "all sites in the file's order"
    var lines = ["\(clients) clients drawn over the world's people, seed \(report.seed), by \(rules)", ""]
    lines += ways.lines(indent: 2, style) + [""]
    lines += shares.lines(indent: 2, style) + [""]
    lines += countries.lines(indent: 2, style) + [""]
    return (lines + [conclusion]).joined(separator: "\n")
  }

  private var ways: NumberTable {
    var table = NumberTable(
      "there and back", headings: ["p50", "p90", "p99", "mean", "km p50", "km p90", "km p99", "km mean"])
    for outcome in report.outcomes {
      let (time, far) = (outcome.roundTripMilliseconds, outcome.kilometres)
      table.add(
        outcome.way.title,
        [time.p50, time.p90, time.p99, time.mean].map { "\(Quantities.significant($0)) ms" }
          + [far.p50, far.p90, far.p99, far.mean].map { Quantities.count(UInt64($0.rounded())) })
    }
    return table
  }

  private var shares: NumberTable {
    let brought = report.outcomes[0].shares
    var table = NumberTable("clients by site", headings: ["clients", "share"])
    for share in brought {
      table.add(share.site, [Quantities.count(UInt64(share.clients)), Self.percent(share.clients, report.clients)])
    }
    return table
  }

  /// The countries with most clients.
  private var countries: NumberTable {
    var table = NumberTable("countries with most clients", headings: ["clients", "there and back", "site"])
    for row in report.countries.prefix(10) {
      table.add(
        row.name,
        [
          Quantities.count(UInt64(row.clients)), "\(Quantities.significant(row.roundTripMilliseconds)) ms", row.site,
        ])
    }
    return table
  }

  /// What is saved, in one sentence.
  var conclusion: String {
    let ours = report.outcomes[0].roundTripMilliseconds.mean
    let turns = report.outcomes[1].roundTripMilliseconds.mean
    var text = "Geography saves \(Self.saved(ours, turns)) against taking sites in turn"
    let alone = report.outcomes[2...].min { $0.roundTripMilliseconds.mean < $1.roundTripMilliseconds.mean }
    if let alone, case .oneSite(let name) = alone.way, report.outcomes.count > 3 {
      text += ", and \(Self.saved(ours, alone.roundTripMilliseconds.mean)) against \(name) alone, the best single site"
    }
    return text + "."
  }

  private static func saved(_ ours: Double, _ other: Double) -> String {
    let gain = other - ours
    return
      "\(Quantities.significant((gain * 10).rounded() / 10)) ms (\(Int((gain / other * 100).rounded())) %) on average"
  }

  static func percent(_ part: Int, _ whole: Int) -> String {
    let tenths = Int((Double(part) / Double(whole) * 1000).rounded())
    return "\(tenths / 10).\(tenths % 10) %"
  }
}

extension GeographyReport.Way {
  /// Its name in tables.
  var title: String {
    switch self {
    case .preference: "by geography"
    case .roundRobin: "sites in turn"
    case .oneSite(let name): "\(name) alone"
    }
  }
}
