import Simulation

/// What happened over time as rows of characters: one row a curve, and a line for each fault above them.
struct TimelineText {
  /// Characters across; a scenario with fewer steps takes fewer.
  private static let cellsMax = 60
  private static let sitesMax = 8
  private static let faultsMax = 6
  private static let labelMax = 18

  /// A curve with a scale of its own.
  private struct Curve {
    var label: String
    var values: [UInt32]
    var tone: TerminalStyle.Tone
  }

  /// What is counted.
  private let title: String
  private let faults: [FaultMark]
  private let durationNanoseconds, stepNanoseconds: Int64
  private let stepCount: Int
  /// Curves that share a scale.
  private let places: [SiteSeries]
  private let curves: [Curve]
  private let style: TerminalStyle
  private let cells: Int

  init(_ report: ScenarioReport, _ style: TerminalStyle) {
    let series = report.series
    title = "requests"
    faults = report.faults
    durationNanoseconds = report.durationNanoseconds
    stepNanoseconds = series.stepNanoseconds
    stepCount = series.interSite.count
    places = SiteSeries.choose(series, linesMax: Self.sitesMax)
    curves = [
      Curve(label: "inter-site", values: series.interSite, tone: .plain),
      Curve(label: "errors", values: series.errors, tone: .bad),
      Curve(label: "sessions lost", values: series.sessionsLost, tone: .bad),
    ]
    self.style = style
    cells = min(Self.cellsMax, stepCount)
  }

  init(_ report: RelayScenarioReport, _ style: TerminalStyle) {
    let series = report.series
    title = "connections"
    faults = report.faults
    durationNanoseconds = report.durationNanoseconds
    stepNanoseconds = series.stepNanoseconds
    stepCount = series.failed.count
    places = SiteSeries.choose(
      zip(series.servers, series.openedByServer).map { SiteSeries(name: $0, values: $1) }, linesMax: Self.sitesMax)
    curves = [
      Curve(label: "failed", values: series.failed, tone: .bad), Curve(label: "cut", values: series.cut, tone: .bad),
    ]
    self.style = style
    cells = min(Self.cellsMax, stepCount)
  }

  func lines(indent: Int) -> [String] {
    guard cells > 0 else { return [] }
    let margin = String(repeating: " ", count: indent)
    let width = min(Self.labelMax, max(13, places.map(\.name.count).max() ?? 0))
    func row(_ label: String, _ picture: String, _ note: String, _ tone: TerminalStyle.Tone = .plain) -> String {
      let name = cut(label, to: width)
      let frame = style.paint(style.isUnicode ? "│" : "|", .quiet)
      let pad = String(repeating: " ", count: width - name.count)
      return margin + style.paint(name, .quiet) + pad + " " + frame + style.paint(picture, tone) + frame
        + (note.isEmpty
          ? "" : " " + style.paint(cut(note, to: TerminalStyle.columns - indent - width - cells - 4), .quiet))
    }
    var lines = [margin + style.paint(axis(width), .quiet)]
    for (index, fault) in faults.prefix(Self.faultsMax).enumerated() {
      lines.append(row(index == 0 ? "faults" : "", bar(fault), fault.text, .warning))
    }
    if faults.count > Self.faultsMax {
      lines.append(row("", String(repeating: " ", count: cells), "and \(faults.count - Self.faultsMax) more"))
    }
    // One scale for all of them, so that their curves can be compared.
    let rates = places.map { self.rates(of: $0.values) }
    let most = rates.joined().max() ?? 0
    for (site, rates) in zip(places, rates) {
      let peak = Quantities.significant(rates.max() ?? 0)
      lines.append(row(site.name, sparkline(rates, most: most), "up to \(peak)/s"))
    }
    for curve in curves {
      let rates = self.rates(of: curve.values)
      let sum = curve.values.reduce(UInt64(0)) { $0 + UInt64($1) }
      let note =
        sum == 0 ? "none" : "\(Quantities.count(sum)), up to \(Quantities.significant(rates.max() ?? 0))/s"
      lines.append(row(curve.label, sparkline(rates, most: rates.max() ?? 0), note, curve.tone))
    }
    return lines
  }

  private func cut(_ text: String, to length: Int) -> String {
    text.count <= length ? text : text.prefix(length - 1) + (style.isUnicode ? "…" : "~")
  }

  private func axis(_ width: Int) -> String {
    let end = Quantities.time(durationNanoseconds)
    let gap = String(repeating: " ", count: max(1, cells - 1 - end.count))
    return title.padded(to: width) + "  0" + gap + end
  }

  /// Steps of a character.
  private func steps(_ cell: Int) -> Range<Int> {
    cell * stepCount / cells..<(cell + 1) * stepCount / cells
  }

  /// Means per second of each character's steps; the last step may be cut short by the scenario's end.
  private func rates(of values: [UInt32]) -> [Double] {
    (0..<cells).map { cell in
      let range = steps(cell)
      let length = stepNanoseconds
      let end = min(Int64(range.upperBound) * length, durationNanoseconds)
      let seconds = Double(max(1, end - Int64(range.lowerBound) * length)) / 1e9
      return Double(values[range].reduce(UInt64(0)) { $0 + UInt64($1) }) / seconds
    }
  }

  /// The lowest character is for anything above nothing; nothing is a space.
  private func sparkline(_ values: [Double], most: Double) -> String {
    let levels = style.isUnicode ? Array("▁▂▃▄▅▆▇█") : Array("_.-:=+*#")
    return String(
      values.map { value in
        value > 0 && most > 0 ? levels[min(levels.count - 1, Int(value / most * Double(levels.count)))] : " "
      })
  }

  private func bar(_ fault: FaultMark) -> String {
    func cell(_ nanoseconds: Int64) -> Int {
      min(cells - 1, Int(nanoseconds / stepNanoseconds) * cells / stepCount)
    }
    let first = cell(fault.atNanoseconds)
    let last = fault.untilNanoseconds.map { max(first, cell($0 - 1)) } ?? cells - 1
    let (body, single) = style.isUnicode ? ("━", "╸") : ("=", "=")
    let isMoment = fault.untilNanoseconds == fault.atNanoseconds
    return String(repeating: " ", count: first)
      + (isMoment ? single : String(repeating: body, count: last - first + 1))
      + String(repeating: " ", count: cells - 1 - (isMoment ? first : last))
  }
}

extension String {
  /// With spaces behind it, up to a length.
  func padded(to length: Int) -> String { self + String(repeating: " ", count: Swift.max(0, length - count)) }
}
