import Operations
import Testing

@testable import Proxy

/// Changes that wait for the command of `notify`.
@Suite struct NoticesTests {
  @Test func `As many changes wait as a run can be told, and the others are counted`() {
    var waiting = ChangeNotices.Waiting()
    for number in 0..<510 { waiting.add("LB1 web\(number) down check: the connection was refused") }
    #expect(waiting.lines.count == 500 && waiting.dropped == 10)
  }

  @Test func `Of long lines fewer wait: all of a run go through a pipe at once`() {
    var waiting = ChangeNotices.Waiting()
    let name = String(repeating: "n", count: 64)
    let line = NotifiedCommand.line(
      node: name, name: name, state: "declared-down", cause: String(repeating: "c", count: 900))
    for _ in 0..<500 { waiting.add(line) }
    let bytes = waiting.lines.reduce(0) { $0 + $1.utf8.count + 1 }
    #expect(bytes <= 65_536 && bytes + line.utf8.count + 1 > 65_536)
    #expect(waiting.lines.count + waiting.dropped == 500)
    // Nobody reads.
    #expect(NotifiedCommand(["/bin/true"], node: "N", network: "net").run(waiting.lines) == nil)
  }
}
