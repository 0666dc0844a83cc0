import TLS
import Testing
import Topology

@Suite struct HandshakeCountsTests {
  @Test func fullResumedAndFailedHandshakesAreCountedAtBothEnds() throws {
    let workshop = try Workshop()
    let server = try workshop.server([try workshop.issue("a.pem", hosts: ["a.example"])])
    let client = try workshop.client("a.example")
    for _ in 0..<3 { #expect(exchange(client, server).handshake == .done) }
    #expect(server.counts.full == 1 && server.counts.resumed == 2)
    #expect(client.counts.full == 1 && client.counts.resumed == 2)
    let stranger = try workshop.client("b.example")
    #expect(exchange(stranger, server).handshake != .done)
    #expect(stranger.counts.failed(.certificate) == 1 && server.counts.failed(.alert) == 1)
    let all = HandshakeCounts.Failure.allCases.reduce(0) { $0 + server.counts.failed($1) }
    #expect(all == 1)
  }

  @Test func countsOutliveAChangeOfFiles() throws {
    let workshop = try Workshop()
    let server = try workshop.server([try workshop.issue("a.pem", hosts: ["a.example"])])
    #expect(exchange(try workshop.client("a.example"), server).handshake == .done)
    try workshop.issue("a.pem", hosts: ["a.example"])
    #expect(server.reload(now: workshop.now, clock: .zero) == .reloaded(warnings: []))
    #expect(exchange(try workshop.client("a.example"), server).handshake == .done)
    #expect(server.counts.full == 2)
  }
}
