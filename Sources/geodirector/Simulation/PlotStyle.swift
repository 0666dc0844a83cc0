/// What plots need beside the look of all drawings: grids, curves and bands.
enum PlotStyle {
  /// Line patterns that tell curves apart without colour; they are used again from the first.
  static let dashes = ["", "7 3", "2 2.5", "10 3 2 3", "5 2 1 2 1 2", "14 4", "1 3", "6 2 6 5"]

  /// The style sheet.
  static var text: String {
    let shapes = """
      .curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: butt; }
      .area { fill-opacity: 0.1; }
      .grid, .axis, .edge { fill: none; stroke-width: 1; shape-rendering: crispEdges; }
      .edge { stroke-dasharray: 3 3; }
      .unit { font-weight: 650; }
      """
    let dashes = Self.dashes.enumerated().filter { !$0.element.isEmpty }.map {
      ".dash\($0.offset) { stroke-dasharray: \($0.element); }"
    }
    return DrawingStyle.text + "\n" + ([shapes] + dashes).joined(separator: "\n") + "\n"
      + ground(
        grid: "#e4e9ef", axis: "#8c96a3", band: "#b45309", opacity: "0.13", bad: "#c92a2a", cross: "#5f3dc4")
      + "\n@media (prefers-color-scheme: dark) {\n"
      + ground(
        grid: "#2a3441", axis: "#6b7887", band: "#f59f00", opacity: "0.12", bad: "#ff8787", cross: "#b197fc")
      + "\n}"
  }

  private static func ground(
    grid: String, axis: String, band: String, opacity: String, bad: String, cross: String
  ) -> String {
    """
    .grid { stroke: \(grid); } .axis { stroke: \(axis); }
    .band { fill: \(band); fill-opacity: \(opacity); } .edge { stroke: \(band); stroke-opacity: 0.8; }
    .fault { fill: \(band); font-weight: 650; font-size: 11.5px; }
    .bar { fill: \(bad); } .crossing { stroke: \(cross); } .crossing-area { fill: \(cross); fill-opacity: 0.18; }
    .failed { fill: \(bad); font-weight: 700; }
    """
  }
}
