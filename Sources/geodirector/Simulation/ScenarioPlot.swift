import Simulation

/// Draws one scenario: requests by site, inter-site requests, errors and sessions lost, one below the other over the same time.
struct ScenarioPlot {
  private static let sitesMax = 8
  private static let failuresMax = 3

  private let report: ScenarioReport
  private let layout: PlotLayout
  private let time: PlotAxis

  init(_ report: ScenarioReport, _ layout: PlotLayout) {
    self.report = report
    self.layout = layout
    time = PlotAxis(time: layout.duration, count: 12)
  }

  func draw(in svg: inout SVGText) {
    svg.begin("g", [("id", "scenario-\(report.name)")])
    svg.rectangle(
      "card", x: PlotLayout.margin - 8, y: layout.top, width: PlotLayout.width - 2 * PlotLayout.margin + 16,
      height: layout.bottom - layout.top, radius: 10)
    drawHeading(in: &svg)
    for panel in layout.panels { drawGrid(panel, in: &svg) }
    for fault in layout.faults { draw(fault, in: &svg) }
    if layout.unnamed > 0, let first = layout.panels.first {
      svg.text("fault", x: PlotLayout.left, y: first.top - 10, "and \(layout.unnamed) more")
    }
    drawSites(layout.panels[0], in: &svg)
    drawCrossings(layout.panels[1], in: &svg)
    let total = report.total.counts
    drawBars(
      layout.panels[2], report.series.errors, "errors", total.errors, best: total.errorsOracle, in: &svg)
    drawBars(
      layout.panels[3], report.series.sessionsLost, "sessions lost", total.sessionsLost,
      best: total.sessionsLostOracle, in: &svg)
    drawTime(in: &svg)
    svg.end()
  }

  private func drawHeading(in svg: inout SVGText) {
    let x = PlotLayout.margin + 8
    svg.text("name large", x: x, y: layout.top + 26, report.name)
    let users = Quantities.some(UInt64(report.users), "user")
    svg.text(
      "note", x: PlotLayout.width - x, y: layout.top + 26,
      "\(users), \(Quantities.time(report.durationNanoseconds)), seed \(report.seed)", anchor: .end)
    for (index, line) in layout.summary.enumerated() {
      svg.text("note", x: x, y: layout.top + 45 + Double(index) * 17, line)
    }
    guard !report.holds else { return }
    let failures = report.failures
    var words = failures.prefix(Self.failuresMax).joined(separator: ", ")
    if failures.count > Self.failuresMax { words += " and \(failures.count - Self.failuresMax) more" }
    svg.text("note failed", x: x, y: layout.top + 45 + Double(layout.summary.count) * 17, "does not hold: \(words)")
  }

  private func draw(_ fault: PlotLayout.Fault, in svg: inout SVGText) {
    guard let first = layout.panels.first, let last = layout.panels.last else { return }
    svg.begin("g")
    svg.add("title", text: PlotLayout.words(fault.mark))
    svg.rectangle("band", x: fault.from, y: first.top, width: fault.to - fault.from, height: last.bottom - first.top)
    let n = SVGText.number
    let top = fault.baseline.map { $0 - 10 } ?? first.top
    svg.path("edge", "M\(n(fault.from)) \(n(top))V\(n(last.bottom))")
    if fault.mark.untilNanoseconds != nil { svg.path("edge", "M\(n(fault.to)) \(n(first.top))V\(n(last.bottom))") }
    if let baseline = fault.baseline {
      svg.text(
        "fault", x: fault.anchor == .start ? fault.from + 5 : fault.to, y: baseline, PlotLayout.words(fault.mark),
        anchor: fault.anchor)
    }
    svg.end()
  }

  private func drawGrid(_ panel: PlotLayout.Panel, in svg: inout SVGText) {
    let n = SVGText.number
    for tick in time.ticks {
      svg.path("grid", "M\(n(layout.x(Int64(tick * 1e9)))) \(n(panel.top))V\(n(panel.bottom))")
    }
    svg.path("axis", "M\(n(PlotLayout.left)) \(n(panel.bottom))H\(n(PlotLayout.right))")
  }

  private func drawTime(in svg: inout SVGText) {
    guard let last = layout.panels.last else { return }
    for tick in time.ticks {
      svg.text(
        "note", x: layout.x(Int64(tick * 1e9)), y: last.bottom + 17, Quantities.time(Int64(tick * 1e9)), anchor: .middle
      )
    }
    svg.text(
      "note", x: (PlotLayout.left + PlotLayout.right) / 2, y: last.bottom + 36, "time since the start", anchor: .middle)
  }

  /// Marks of a panel's amounts with their lines, and its name to the left.
  private func drawAmounts(
    _ panel: PlotLayout.Panel, _ axis: PlotAxis, _ name: [String], in svg: inout SVGText
  ) {
    let n = SVGText.number
    for tick in axis.ticks {
      let y = panel.bottom - panel.height * tick / axis.most
      if tick > 0 { svg.path("grid", "M\(n(PlotLayout.left)) \(n(y))H\(n(PlotLayout.right))") }
      svg.text("note", x: PlotLayout.left - 6, y: y + 4, Quantities.significant(tick), anchor: .end)
    }
    drawName(panel, name, in: &svg)
  }

  private func drawName(_ panel: PlotLayout.Panel, _ name: [String], in svg: inout SVGText) {
    let x = PlotLayout.margin + 8
    for (index, line) in name.enumerated() {
      svg.text(index == 0 ? "note unit" : "note", x: x, y: panel.top - 11 + Double(index) * 14, line)
    }
  }

  // MARK: Curves

  /// Means per second by step; the last step may be cut short by the scenario's end.
  private func rates(_ values: [UInt32]) -> [Double] {
    values.enumerated().map { index, value in
      let begin = Int64(index) * report.series.stepNanoseconds
      let length = min(report.series.stepNanoseconds, layout.duration - begin)
      return Double(value) / (Double(max(1, length)) / 1e9)
    }
  }

  /// A curve through the middles of the steps, from edge to edge.
  private func curve(_ rates: [Double], _ panel: PlotLayout.Panel, most: Double) -> String {
    let step = report.series.stepNanoseconds
    var points: [(Double, Double)] = []
    for (index, rate) in rates.enumerated() {
      let begin = Int64(index) * step
      let end = min(begin + step, layout.duration)
      points.append((layout.x((begin + end) / 2), panel.bottom - panel.height * rate / most))
    }
    guard let first = points.first, let last = points.last else { return "" }
    points = [(PlotLayout.left, first.1)] + points + [(PlotLayout.right, last.1)]
    return "M" + points.map { "\(SVGText.number($0.0)) \(SVGText.number($0.1))" }.joined(separator: "L")
  }

  private func closed(_ curve: String, _ panel: PlotLayout.Panel) -> String {
    curve + "V\(SVGText.number(panel.bottom))H\(SVGText.number(PlotLayout.left))Z"
  }

  private func drawSites(_ panel: PlotLayout.Panel, in svg: inout SVGText) {
    let sites = SiteSeries.choose(report.series, linesMax: Self.sitesMax)
    let rates = sites.map { self.rates($0.values) }
    let axis = PlotAxis(over: rates.joined().max() ?? 0, count: 5)
    drawAmounts(panel, axis, ["requests/s"], in: &svg)
    for (index, rates) in rates.enumerated() {
      let curve = self.curve(rates, panel, most: axis.most)
      svg.path("area fill-c\(index % DrawingStyle.colourCount)", closed(curve, panel))
      svg.path(
        "curve line-c\(index % DrawingStyle.colourCount) dash\(index % PlotStyle.dashes.count)", curve,
        title: sites[index].name)
    }
    // The legend: a piece of each line and its name.
    let n = SVGText.number
    for (index, site) in sites.enumerated() {
      let y = panel.top + 8 + Double(index) * 19
      svg.path(
        "curve line-c\(index % DrawingStyle.colourCount) dash\(index % PlotStyle.dashes.count)",
        "M\(n(PlotLayout.right + 14)) \(n(y))h36")
      let name = site.name.count <= 14 ? site.name : site.name.prefix(13) + "…"
      svg.text("note strong", x: PlotLayout.right + 57, y: y + 4, name)
    }
  }

  private func drawCrossings(_ panel: PlotLayout.Panel, in svg: inout SVGText) {
    let total = report.total.counts
    drawSum(panel, total.interSite, best: total.interSiteOracle, in: &svg)
    guard total.interSite > 0, panel.height > PlotLayout.emptyHeight else {
      return drawName(panel, ["inter-site requests"], in: &svg)
    }
    let rates = self.rates(report.series.interSite)
    let axis = PlotAxis(over: rates.max() ?? 0, count: 2)
    drawAmounts(panel, axis, ["inter-site requests/s"], in: &svg)
    let curve = self.curve(rates, panel, most: axis.most)
    svg.path("crossing-area", closed(curve, panel))
    svg.path("curve crossing", curve)
  }

  private func drawBars(
    _ panel: PlotLayout.Panel, _ values: [UInt32], _ name: String, _ sum: UInt64, best: UInt64, in svg: inout SVGText
  ) {
    drawSum(panel, sum, best: best, in: &svg)
    guard let most = values.max(), most > 0 else { return drawName(panel, [name], in: &svg) }
    let axis = PlotAxis(over: Double(most), count: 2, isWhole: true)
    drawAmounts(panel, axis, ["\(name) per \(Quantities.time(report.series.stepNanoseconds))"], in: &svg)
    for (index, value) in values.enumerated() where value > 0 {
      let from = layout.x(Int64(index) * report.series.stepNanoseconds)
      let to = layout.x(Int64(index + 1) * report.series.stepNanoseconds)
      let height = max(1.5, panel.height * Double(value) / axis.most)
      svg.rectangle("bar", x: from, y: panel.bottom - height, width: max(2, to - from - 0.6), height: height)
    }
  }

  private func drawSum(_ panel: PlotLayout.Panel, _ sum: UInt64, best: UInt64, in svg: inout SVGText) {
    let x = PlotLayout.right + 14
    let middle = panel.top + panel.height / 2
    guard sum > 0 else { return svg.text("note", x: x, y: middle + 4, "none") }
    svg.text("note strong", x: x, y: middle - 3, "\(Quantities.count(sum)) in all")
    let avoidable = sum - min(sum, best)
    svg.text(
      "note", x: x, y: middle + 13,
      avoidable > 0 ? "\(Quantities.count(avoidable)) avoidable" : "all unavoidable")
  }
}
