import Operations
import Testing

/// The lines of `notify`.
@Suite struct NotifiedCommandTests {
  private let long = String(repeating: "n", count: 64)

  @Test(arguments: ["up", "down", "own-users", "declared-down", "master", "backup"])
  func `Names and state are whole, however long the names are`(state: String) {
    let other = String(repeating: "s", count: 64)
    let line = NotifiedCommand.line(node: long, name: other, state: state, cause: "check: the connection was refused")
    #expect(line == "\(long) \(other) \(state) check: the connection was refused")
  }

  @Test func `Of a long cause as much is told as there is room for, in whole characters`() {
    for letter in ["c", "é", "€", "👩‍👩‍👧"] {
      let line = NotifiedCommand.line(
        node: long, name: long, state: "down", cause: String(repeating: letter, count: 300))
      let words = line.split(separator: " ")
      #expect(words.count == 4 && words[2] == "down")
      #expect(words[3].allSatisfy { String($0) == letter } && !words[3].isEmpty)
      let room = NotifiedCommand.lineBytesMax - line.utf8.count
      #expect(room >= 0 && room < letter.utf8.count)
    }
  }

  @Test func `A line is one line`() {
    #expect(NotifiedCommand.line(node: "N", name: "A", state: "down", cause: "a\nb\r\nc") == "N A down a b c")
  }
}
