import Glibc
import TLS
import Testing
import Topology

/// Bytes through a connection, and what breaks it.
@Suite struct StreamTests {
  private struct Ends: ~Copyable {
    let wire: Wire
    let near: TLSConnection
    let far: TLSConnection

    init(_ workshop: Workshop, minimum: TLSVersion = .tls12) throws {
      let server = try workshop.server([workshop.issue("1.pem", hosts: ["shop.example"])]) { $0.minimum = minimum }
      let client = try workshop.client("shop.example")
      let wire = Wire()
      let near = try opened(client, wire.client)
      let far = try opened(server, wire.server)
      self.wire = wire
      self.near = near
      self.far = far
    }
  }

  private static let pending = -Int(EAGAIN)

  @Test func bytesPassWithoutAHandshakeOfTheirOwnFirst() throws {
    let ends = try Ends(Workshop())
    let text = Array("hello".utf8)
    var sent = Self.pending
    for _ in 0..<10 where sent == Self.pending {
      sent = text.withUnsafeBytes { ends.near.send($0) }
      if sent == Self.pending { #expect(receiveResult(ends.far) == Self.pending) }
    }
    #expect(sent == 5)
    #expect(received(by: ends.far) == "hello")
  }

  /// Sizes at and around records and gathered sends; with a slow reader the kernel takes only a part.
  @Test(arguments: [1, 100, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 300_000, 2_000_001])
  func everyByteArrivesOnceAndInOrder(count: Int) throws {
    let ends = try Ends(Workshop())
    #expect(handshake(ends.near, ends.far) == .done)
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    var sent = 0
    var arrived: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 70_000)
    for _ in 0..<100_000 where arrived.count < count {
      if sent < count {
        // Asked again with another length: what was encrypted before must not be sent twice.
        let end = min(count, sent + Int.random(in: 1...200_000, using: &generator))
        let result = bytes[sent..<end].withUnsafeBytes { ends.near.send($0) }
        if result > 0 { sent += result } else { #expect(result == Self.pending) }
      }
      let wanted = Int.random(in: 1...piece.count, using: &generator)
      let result = piece.withUnsafeMutableBytes {
        ends.far.receive(into: UnsafeMutableRawBufferPointer(rebasing: $0[0..<wanted]))
      }
      if result > 0 { arrived += piece[0..<result] } else { #expect(result == Self.pending) }
    }
    #expect(arrived == bytes)
  }

  @Test func theEndIsTold() throws {
    let ends = try Ends(Workshop())
    #expect(handshake(ends.near, ends.far) == .done)
    #expect(carried("last words", from: ends.near, to: ends.far) == "last words")
    ends.near.end()
    #expect(receiveResult(ends.far) == 0)
    #expect(receiveResult(ends.far) == 0)
    // The other direction goes on.
    #expect(carried("answer", from: ends.far, to: ends.near) == "answer")
  }

  @Test func aStreamCutShortIsNoEnd() throws {
    let ends = try Ends(Workshop())
    #expect(handshake(ends.near, ends.far) == .done)
    #expect(carried("half", from: ends.near, to: ends.far) == "half")
    shutdown(ends.wire.client, Int32(SHUT_WR))
    #expect(receiveResult(ends.far) == TLSFacts.truncation)
    #expect(ends.far.facts.failure == "the connection was closed without a close_notify")
  }

  @Test func aRecordCutShortIsNoEnd() throws {
    let ends = try Ends(Workshop())
    #expect(handshake(ends.near, ends.far) == .done)
    ends.wire.send(raw: [0x17, 0x03, 0x03, 0x00, 0x40, 0x01, 0x02], to: ends.wire.client)
    #expect(receiveResult(ends.far) == Self.pending)
    shutdown(ends.wire.client, Int32(SHUT_WR))
    #expect(receiveResult(ends.far) == TLSFacts.truncation)
  }

  @Test func aForgedRecordEndsTheConnection() throws {
    let ends = try Ends(Workshop())
    #expect(handshake(ends.near, ends.far) == .done)
    ends.wire.send(raw: [0x17, 0x03, 0x03, 0x00, 0x20] + Array(repeating: 7, count: 32), to: ends.wire.client)
    #expect(receiveResult(ends.far) == TLSFacts.protocolFailure)
    #expect(ends.far.facts.failure != nil)
    #expect(Array("x".utf8).withUnsafeBytes { ends.far.send($0) } == TLSFacts.protocolFailure)
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n", true), ("POST /x HTTP/1.1\r\n\r\n", true),
    ("\u{16}\u{03}\u{01}\u{00}\u{05}hello", false), (String(repeating: "\u{01}", count: 100), false),
  ])
  func garbageIsNoClientHello(garbage: String, isHTTP: Bool) throws {
    let ends = try Ends(Workshop())
    ends.wire.send(raw: Array(garbage.utf8), to: ends.wire.client)
    #expect(ends.far.establish() == TLSFacts.protocolFailure)
    #expect(ends.far.facts.isPlainHTTP == isHTTP)
    #expect(ends.far.facts.failure != nil)
    if isHTTP { #expect(ends.far.facts.failure == "plain HTTP on a TLS port") }
    // An alert was sent: content type 21.
    let answer = ends.wire.take(from: ends.wire.client)
    #expect(answer.isEmpty || answer[0] == 21)
  }

  /// Every byte of a ClientHello may be wrong, and the connection may end behind each: nothing of it crashes or hangs.
  @Test func brokenHandshakesFail() throws {
    let workshop = try Workshop()
    let ends = try Ends(workshop)
    #expect(ends.near.establish() == Self.pending)
    let hello = ends.wire.take(from: ends.wire.server)
    #expect(hello.count > 100)
    let server = try workshop.server([workshop.issue("2.pem", hosts: ["shop.example"])])
    for position in hello.indices {
      var bytes = hello
      bytes[position] ^= UInt8.random(in: 1...255)
      let wire = Wire()
      let far = try opened(server, wire.server)
      wire.send(raw: bytes, to: wire.client)
      // The random numbers, the session and the key may be any.
      _ = far.establish()
      shutdown(wire.client, Int32(SHUT_WR))
      #expect(far.establish() < 0 && far.establish() != Self.pending)
      let short = Wire()
      let other = try opened(server, short.server)
      short.send(raw: Array(hello[0..<position]), to: short.client)
      #expect(other.establish() == Self.pending)
      shutdown(short.client, Int32(SHUT_WR))
      #expect(other.establish() == TLSFacts.truncation)
    }
  }

  @Test func anAlertOfThePeerIsTold() throws {
    let ends = try Ends(Workshop())
    #expect(ends.near.establish() == Self.pending)
    ends.wire.send(raw: [21, 3, 3, 0, 2, 2, 48], to: ends.wire.server)
    #expect(ends.near.establish() == TLSFacts.protocolFailure)
    #expect(ends.near.facts.failure?.contains("unknown ca") == true, "\(ends.near.facts.failure ?? "nothing")")
  }

  @Test func whatThePeerSentBeforeItWentCanBeReadAfterASendFailed() throws {
    let ends = try Ends(Workshop())
    #expect(handshake(ends.near, ends.far) == .done)
    let text = Array("early answer".utf8)
    #expect(text.withUnsafeBytes { ends.far.send($0) } == text.count)
    shutdown(ends.wire.server, Int32(SHUT_RD))
    #expect(text.withUnsafeBytes { ends.near.send($0) } == -Int(EPIPE))
    #expect(received(by: ends.near) == "early answer")
  }
}
