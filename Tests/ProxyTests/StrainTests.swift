import Testing

@testable import Proxy

/// What a node runs out of, in its log.
@Suite struct StrainTests {
  private static let second: Int64 = 1_000_000_000

  /// A board, a log, and the lines said so far.
  private final class Watch {
    let board = StrainBoard(listeners: 2)
    var log = StrainLog(listeners: ["127.0.0.1:80", "127.0.0.1:81"], connectionsMax: 100, perSourceMax: 5)
    var lines: [(text: String, isOver: Bool)] = []

    /// What is said when the control thread looks at this second.
    func look(at seconds: Int64) -> [String] {
      lines = []
      log.update(board, now: seconds * second) { lines.append(($0, $1)) }
      return lines.map(\.text)
    }

    func note(_ strain: Strain, times: Int = 1) { for _ in 0..<times { _ = board.note(strain) } }
  }

  private static let all: [(Strain, String)] = [
    (.connections, "100 client connections are open, the limit"),
    (.source, "a source address has 5 connections open"),
    (.acceptShortage, "no descriptor or memory for client connections"),
    (.acceptError, "connections of clients failed before they were taken"),
    (.connectDescriptors, "no descriptor or memory for a connection to a server"),
    (.connectPorts, "no local port for a connection to a server"),
    (.listener(0), "listener 127.0.0.1:80 is at its limit"),
    (.listener(1), "listener 127.0.0.1:81 is at its limit"),
  ]

  @Test(arguments: all.indices) func everyKindHasItsOwnLine(index: Int) {
    let (strain, words) = Self.all[index]
    let watch = Watch()
    watch.note(strain, times: 3)
    let lines = watch.look(at: 1)
    #expect(lines.count == 1)
    #expect(lines.first?.hasPrefix(words) == true)
    #expect(lines.first?.hasSuffix("(3 times)") == true)
    #expect(watch.lines.map(\.isOver) == [false])
  }

  @Test func nothingIsSaidWhileAllIsWell() {
    let watch = Watch()
    #expect(watch.look(at: 1).isEmpty)
    #expect(!watch.log.isActive)
    #expect(!watch.board.takeMark())
  }

  @Test func aLastingStrainIsToldAtOnceThenEveryTenSecondsWithItsNumber() {
    let watch = Watch()
    for second in Int64(0)..<31 {
      watch.note(.connections, times: 2)
      let lines = watch.look(at: 100 + second)
      #expect(lines.count == (second % 10 == 0 ? 1 : 0), "after \(second) s")
      if let line = lines.first { #expect(line.hasSuffix(second == 0 ? "(2 times)" : "(20 times)")) }
      #expect(watch.log.isActive)
    }
  }

  @Test func itsEndIsToldOnceWhenTenSecondsPassedWithoutIt() {
    let watch = Watch()
    watch.note(.connectPorts)
    #expect(watch.look(at: 100).count == 1)
    for second in Int64(101)..<110 {
      #expect(watch.look(at: second).isEmpty)
      #expect(watch.log.isActive)
    }
    let lines = watch.look(at: 110)
    #expect(lines.count == 1 && lines[0].hasPrefix("over: no local port"))
    #expect(watch.lines.map(\.isOver) == [true])
    #expect(!watch.log.isActive)
    #expect(watch.look(at: 111).isEmpty)
  }

  @Test func whatComesAgainWithinTheTenSecondsIsNotOver() {
    let watch = Watch()
    watch.note(.source)
    _ = watch.look(at: 100)
    watch.note(.source)
    #expect(watch.look(at: 105).isEmpty)
    #expect(
      watch.look(at: 110) == [
        "a source address has 5 connections open, its limit: its further ones are closed (1 times)"
      ])
    #expect(watch.log.isActive)
    #expect(watch.look(at: 120).first?.hasPrefix("over: ") == true)
  }

  @Test func aStrainThatBeginsAnewIsToldAtOnce() {
    let watch = Watch()
    watch.note(.acceptError)
    _ = watch.look(at: 100)
    _ = watch.look(at: 110)
    watch.note(.acceptError)
    #expect(watch.look(at: 500).count == 1)
  }

  @Test func kindsAreToldIndependently() {
    let watch = Watch()
    watch.note(.connections)
    #expect(watch.look(at: 100).count == 1)
    watch.note(.listener(1))
    let lines = watch.look(at: 105)
    #expect(lines.count == 1 && lines[0].contains("127.0.0.1:81"))
    #expect(watch.look(at: 110).first?.hasPrefix("over: 100 client") == true)
    #expect(watch.log.isActive)
    #expect(watch.look(at: 115).first?.hasPrefix("over: listener 127.0.0.1:81") == true)
    #expect(!watch.log.isActive)
  }

  @Test func onlyTheFirstOfARoundWakesTheControlThread() {
    let board = StrainBoard(listeners: 0)
    #expect(board.note(.connections))
    #expect(!board.note(.connections))
    #expect(!board.note(.source))
    #expect(board.takeMark())
    #expect(!board.takeMark())
    #expect(board.note(.source))
    #expect(board.take(Strain.connections.position) == 2)
    #expect(board.take(Strain.connections.position) == 0)
    #expect(board.take(Strain.source.position) == 2)
  }
}
