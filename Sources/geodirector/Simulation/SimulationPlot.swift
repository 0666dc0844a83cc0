import Simulation

/// What happened over time in every scenario, as one SVG drawing, legible on light and on dark ground.
struct SimulationPlot {
  private let report: SimulationReport
  private static let heading = 84.0

  init(_ report: SimulationReport) { self.report = report }

  var text: String {
    var layouts: [PlotLayout] = []
    var y = Self.heading
    for scenario in report.scenarios {
      let layout = PlotLayout(scenario, top: y)
      layouts.append(layout)
      y = layout.bottom + 20
    }
    var svg = SVGText(
      width: PlotLayout.width, height: y + 4, title: "Simulation of \(report.network)", description: description,
      style: PlotStyle.text)
    svg.rectangle("ground", x: 0, y: 0, width: PlotLayout.width, height: y + 4)
    svg.text("heading", x: PlotLayout.margin, y: 44, report.network)
    svg.text("note", x: PlotLayout.margin, y: 66, description)
    for (scenario, layout) in zip(report.scenarios, layouts) { ScenarioPlot(scenario, layout).draw(in: &svg) }
    return svg.finished()
  }

  private var description: String {
    let failed = report.scenarios.count { !$0.holds }
    let all = Quantities.some(UInt64(report.scenarios.count), "scenario")
    return "Simulation of \(all): "
      + (failed == 0
        ? "every property and expectation holds." : "in \(failed) a property or expectation does not hold.")
  }
}
