/// Rows of numbers under headings: the first column to the left, numbers to the right.
struct NumberTable {
  struct Cell {
    var number: String
    var tone = TerminalStyle.Tone.plain
  }
  private struct Row {
    var label: String
    var cells: [Cell]
    var tone: TerminalStyle.Tone
  }

  private var rows: [Row] = []

  init(_ label: String, headings: [String]) {
    rows.append(Row(label: label, cells: headings.map { Cell(number: $0) }, tone: .quiet))
  }

  mutating func add(_ label: String, _ cells: [Cell], tone: TerminalStyle.Tone = .plain) {
    rows.append(Row(label: label, cells: cells, tone: tone))
  }

  mutating func add(_ label: String, _ numbers: [String]) { add(label, numbers.map { Cell(number: $0) }) }

  /// The table, each line indented, without spaces at the ends.
  func lines(indent: Int, _ style: TerminalStyle) -> [String] {
    let columns = rows.map(\.cells.count).max() ?? 0
    let labelWidth = rows.map(\.label.count).max() ?? 0
    let widths = (0..<columns).map { column in
      rows.map { column < $0.cells.count ? $0.cells[column].number.count : 0 }.max() ?? 0
    }
    return rows.map { row in
      var line = String(repeating: " ", count: indent) + style.paint(row.label, row.tone)
      // Spaces are written when something follows.
      var owed = labelWidth - row.label.count
      for (column, cell) in row.cells.enumerated() {
        owed += 2 + widths[column] - cell.number.count
        guard !cell.number.isEmpty else { continue }
        line +=
          String(repeating: " ", count: owed) + style.paint(cell.number, cell.tone == .plain ? row.tone : cell.tone)
        owed = 0
      }
      return line
    }
  }
}
