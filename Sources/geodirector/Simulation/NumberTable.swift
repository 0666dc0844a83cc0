/// Rows of numbers under headings: the first column to the left, numbers to the right, notes behind numbers in columns of
/// their own, so that numbers stand under numbers.
struct NumberTable {
  /// A number, and what stands behind it.
  struct Cell {
    var number: String
    var note = ""
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

  /// Columns the widest line takes.
  var width: Int {
    widths.label + widths.numbers.reduce(0) { $0 + $1 + 2 } + widths.notes.reduce(0) { $0 + ($1 > 0 ? $1 + 1 : 0) }
  }

  private var widths: (label: Int, numbers: [Int], notes: [Int]) {
    let columns = rows.map(\.cells.count).max() ?? 0
    return (
      rows.map(\.label.count).max() ?? 0,
      (0..<columns).map { column in rows.map { column < $0.cells.count ? $0.cells[column].number.count : 0 }.max() ?? 0
      },
      (0..<columns).map { column in rows.map { column < $0.cells.count ? $0.cells[column].note.count : 0 }.max() ?? 0 }
    )
  }

  /// The table, each line indented, without spaces at the ends.
  func lines(indent: Int, _ style: TerminalStyle) -> [String] {
    let (labelWidth, numberWidths, noteWidths) = widths
    return rows.map { row in
      var line = Self.spaces(indent) + style.paint(row.label, row.tone)
      // Spaces are written when something follows.
      var owed = labelWidth - row.label.count
      for (column, cell) in row.cells.enumerated() {
        line += Self.spaces(owed + 2 + numberWidths[column] - cell.number.count)
        line += style.paint(cell.number, cell.tone == .plain ? row.tone : cell.tone)
        owed = 0
        if noteWidths[column] > 0 {
          if !cell.note.isEmpty { line += " " + style.paint(cell.note, cell.tone == .plain ? .quiet : cell.tone) }
          owed = noteWidths[column] - cell.note.count + (cell.note.isEmpty ? 1 : 0)
        }
      }
      return line
    }
  }

  private static func spaces(_ count: Int) -> String { String(repeating: " ", count: max(0, count)) }
}
