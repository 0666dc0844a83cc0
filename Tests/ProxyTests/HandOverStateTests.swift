import Testing

@testable import Proxy

/// What one process tells another that takes over.
@Suite struct HandOverStateTests {
  private static let state = HandOverState(
    servers: [], order: HandOverState.Order(state: 1, deadline: 77, since: 5, reason: "moving out"), workers: [[:]],
    counters: ["redirects": 7, "of-a-later-version": 3], learned: [])

  @Test func `What is written is read back`() throws {
    let bytes = try #require(Self.state.bytes)
    let read = try HandOverState.read(bytes).get()
    #expect(read.order.reason == "moving out" && read.order.deadline == 77 && read.counters == Self.state.counters)
  }

  @Test func `Another form is refused by its number, whatever else it holds`() {
    for text in ["{\"version\":2}", "{\"version\":2,\"servers\":7}"] {
      guard case .failure(let why) = HandOverState.read(Array(text.utf8)) else {
        Issue.record("\(text) was read")
        continue
      }
      #expect(why.description == "it is in form 2, this program reads form 1")
    }
  }

  @Test(arguments: ["", "{", "[]", "{\"version\":1}", "{\"version\":\"one\"}", "\u{0}"])
  func `What is no state is refused`(text: String) {
    guard case .failure(let why) = HandOverState.read(Array(text.utf8)) else {
      Issue.record("\(text) was read")
      return
    }
    #expect(why.description == "it is not readable")
  }

  @Test func `Every count cut short is refused or read, and nothing worse`() throws {
    let bytes = try #require(Self.state.bytes)
    for count in 0..<bytes.count { _ = HandOverState.read(Array(bytes.prefix(count))) }
  }

  @Test func `Counts go on from those told, and unknown ones are passed over`() {
    let counters = NodeCounters()
    counters.add(["redirects": 7, "of-a-later-version": 3, "log-lines-dropped": -4])
    counters.add(["redirects": 1])
    #expect(counters.all["redirects"] == 8 && counters.all["log-lines-dropped"] == 0)
  }
}
