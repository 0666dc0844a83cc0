/// The look of drawings: colours for light and for dark ground, told apart by what the reader prefers. Renderers that know
/// no such preference show the light one.
enum DrawingStyle {
  /// Colours that tell things apart; they are used again from the first when there are more things.
  static let colourCount = light.count

  private static let light = [
    "#2563eb", "#d9480f", "#2b8a3e", "#9c36b5", "#0c8599", "#c2255c", "#b7791f", "#5f3dc4", "#5c940d", "#5b6570",
  ]
  private static let dark = [
    "#79a8ff", "#ff9d66", "#69db7c", "#dd86f4", "#4fd0e0", "#ff86ac", "#f2c14e", "#a996ff", "#b4dd55", "#b3bcc7",
  ]

  /// The style sheet.
  static var text: String {
    let shapes = """
      text { font-family: system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; font-size: 12px; }
      .heading { font-size: 24px; font-weight: 700; }
      .name { font-size: 14px; font-weight: 650; }
      .large { font-size: 16px; }
      .note { font-size: 11.5px; }
      .data { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
      .strong { font-weight: 700; }
      .card, .chip { stroke-width: 1; }
      .way, .arc { fill: none; stroke-linecap: round; }
      .rank1 { stroke-width: 2.6; stroke-opacity: 0.9; }
      .rank2 { stroke-width: 1.4; stroke-opacity: 0.5; }
      .rank3 { stroke-width: 1; stroke-opacity: 0.35; }
      .arc { stroke-width: 1.6; }
      .many { stroke-width: 1; }
      .way:hover, .arc:hover { stroke-width: 4; stroke-opacity: 1; }
      """
    return shapes + "\n"
      + ground("#f6f8fa", card: "#ffffff", edge: "#d0d7de", chip: "#eef2f6", text: "#1f2733", quiet: "#57616e", light)
      + "\n@media (prefers-color-scheme: dark) {\n"
      + ground("#0e1318", card: "#1a212b", edge: "#384454", chip: "#273140", text: "#e8edf3", quiet: "#9dabbb", dark)
      + "\n}"
  }

  private static func ground(
    _ ground: String, card: String, edge: String, chip: String, text: String, quiet: String, _ colours: [String]
  ) -> String {
    let rules =
      [
        ".ground { fill: \(ground); }", ".card { fill: \(card); stroke: \(edge); }",
        ".chip { fill: \(chip); stroke: \(edge); }", "text { fill: \(text); }",
        ".note, .quiet { fill: \(quiet); }", ".arc { stroke: \(quiet); stroke-opacity: 0.75; }",
      ]
      + colours.enumerated().map {
        ".fill-c\($0.offset) { fill: \($0.element); } .line-c\($0.offset) { stroke: \($0.element); }"
      }
    return rules.joined(separator: "\n")
  }
}
