import Foundation
import Testing

@testable import Proxy

/// The line between two processes of a node.
@Suite struct HandOverLineTests {
  /// Both ends; whoever takes them closes them.
  private func line() throws -> (HandOverLine, HandOverLine) {
    var ends: [Int32] = [-1, -1]
    try #require(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &ends) == 0)
    return (HandOverLine(descriptor: ends[0]), HandOverLine(descriptor: ends[1]))
  }

  @Test(.timeLimit(.minutes(1)))
  func `What the other side has no room for is not waited for, and comes again when it has read`() throws {
    let (mine, other) = try line()
    defer { mine.close() }
    var sent = 0
    while sent < 100_000, mine.offer(.order, "drain A") { sent += 1 }
    #expect(sent > 0 && sent < 100_000, "it was never full")
    #expect(!mine.offer(.stop, "0"))
    for _ in 0..<sent {
      let message = try other.receive(milliseconds: 0)
      #expect(message.kind == .order && message.text == "drain A")
    }
    #expect(throws: HandOverLine.Failure.self) { try other.receive(milliseconds: 0) }
    #expect(mine.offer(.stop, "0"))
    #expect(try other.receive(milliseconds: 0).kind == .stop)
    other.close()
    #expect(mine.offer(.order, "drain A"), "one that has gone is no reason for a word in the log")
  }

  @Test func `A line knows who has made it`() throws {
    let (mine, other) = try line()
    #expect(mine.maker == getpid())
    mine.close()
    other.close()
  }
}
