import Routing
import Testing

@testable import Proxy
@testable import Topology

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

  @Test func `Counts of servers are told, and may be missing`() throws {
    let memory = ServerHealth(
      plan: ServerPlan(
        name: "A", site: "S", address: .ipv4(0x7F00_0001, port: 1), cookieValue: "A", tier: 0, weight: 1,
        maxConnections: 0, isNode: false, admission: nil, liveness: nil, slowStart: .zero)
    ).memory
    var server = HandOverState.Server(
      application: "a", name: "A", address: "127.0.0.1:1", health: memory, since: 3, reason: "check",
      requests: 12, failures: 2, timesDown: 1)
    var state = Self.state
    state.servers = [server]
    let read = try HandOverState.read(#require(state.bytes)).get().servers[0]
    #expect(read.requests == 12)
    let down = ServerHistory(read, isAlive: false)
    #expect(down.failures == 2 && down.timesDown == 1 && !down.isAlive && down.since == 3)
    // As programs before told it.
    server.requests = nil
    server.failures = nil
    server.timesDown = nil
    state.servers = [server]
    let bytes = try #require(state.bytes)
    #expect(!String(decoding: bytes, as: UTF8.self).contains("failures"))
    let silent = try HandOverState.read(bytes).get().servers[0]
    #expect(silent.requests == nil && ServerHistory(silent, isAlive: true).timesDown == 0)
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
