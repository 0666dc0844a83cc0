import CReactor
import Glibc
import Reactor
import TLS
import Testing
import Topology

/// A connection as a reactor's transport: the operations and their results are those of a plain socket.
@Suite struct ReactorTransportTests {
  /// Both ends in one reactor, token 1 the client and 2 the server.
  private final class Loop {
    var reactor: Reactor
    let client: Reactor.Socket
    let server: Reactor.Socket
    private var unclaimed: [Reactor.Completion] = []

    init(_ tls: ServerTLS, _ listener: ListenerTLS) throws {
      var reactor = try Reactor(capacity: 4)
      var ends: [Int32] = [-1, -1]
      precondition(socketpair(AF_UNIX, CR_STREAM | CR_NONBLOCK, 0, &ends) == 0)
      guard let client = reactor.adopt(ends[0], token: 1), let server = reactor.adopt(ends[1], token: 2) else {
        throw OutOfMemory()
      }
      self.client = client
      self.server = server
      reactor.attach(client, try opened(tls, ends[0]).release())
      reactor.attach(server, try opened(listener, ends[1]).release())
      self.reactor = reactor
    }

    /// Nil: it has not come in time.
    func completion(_ operation: Reactor.Operation, token: UInt64) -> Reactor.Completion? {
      for _ in 0..<200 {
        if let position = unclaimed.firstIndex(where: { $0.operation == operation && $0.token == token }) {
          return unclaimed.remove(at: position)
        }
        reactor.wait(milliseconds: 20)
        while let next = reactor.next() { unclaimed.append(next) }
      }
      return nil
    }

    /// Everything that completes while nothing more is submitted.
    func quiet() -> [Reactor.Completion] {
      var found: [Reactor.Completion] = []
      for _ in 0..<5 {
        reactor.wait(milliseconds: 5)
        while let next = reactor.next() { found.append(next) }
      }
      return found
    }

    // The checks of a test take copies, which a reactor has not.
    func establish(_ socket: Reactor.Socket) -> Int { reactor.establish(socket) }
    func awaitInput(_ socket: Reactor.Socket) -> Bool { reactor.awaitInput(socket) }
    func mayReceive(_ socket: Reactor.Socket) -> Bool { reactor.mayReceive(socket) }
    func hasTransport(_ socket: Reactor.Socket) -> Bool { reactor.transport(of: socket) != nil }

    func receive(_ socket: Reactor.Socket, into bytes: UnsafeMutableRawPointer, count: Int) -> Int {
      reactor.receive(socket, into: bytes, count: count)
    }

    func send(_ socket: Reactor.Socket, _ bytes: UnsafeRawPointer, count: Int) -> Int {
      reactor.send(socket, bytes, count: count)
    }

    func facts(_ socket: Reactor.Socket) throws -> TLSFacts {
      guard let transport = reactor.transport(of: socket) else { throw OutOfMemory() }
      return TLSFacts(transport)
    }
  }

  private func loop(_ change: (inout ServerTLSPlan) -> Void = { _ in }) throws -> Loop {
    let workshop = try Workshop()
    return try Loop(
      workshop.client("a.example", change), workshop.server([workshop.issue("1.pem", hosts: ["a.example"])]))
  }

  @Test func waitingForInputMakesTheHandshakeAndTellsOfBytesOnly() throws {
    let loop = try loop()
    #expect(!loop.awaitInput(loop.server))
    #expect(loop.establish(loop.client) == Reactor.pending)
    #expect(loop.completion(.connect, token: 1)?.result == 0)
    // The handshake's last part and the tickets are no input.
    #expect(!loop.awaitInput(loop.client))
    #expect(loop.quiet().isEmpty)
    #expect(try loop.facts(loop.server).isEstablished)
    #expect(!loop.mayReceive(loop.client))
    let text = Array("hello".utf8)
    #expect(text.withUnsafeBytes { loop.send(loop.client, $0.baseAddress!, count: 5) } == 5)
    #expect(loop.completion(.input, token: 2) != nil)
    #expect(loop.mayReceive(loop.server))
    var bytes = [UInt8](repeating: 0, count: 100)
    #expect(loop.receive(loop.server, into: &bytes, count: 100) == 5)
    #expect(Array(bytes[0..<5]) == text)
    #expect(!loop.awaitInput(loop.server))
    loop.reactor.close(loop.client)
    #expect(loop.completion(.input, token: 2) != nil)
    #expect(loop.receive(loop.server, into: &bytes, count: 100) == 0)
  }

  @Test func aSendAndAReceiveMadeBeforeTheHandshakeCompleteAfterIt() throws {
    let loop = try loop()
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 8)
    defer { memory.deallocate() }
    #expect(loop.receive(loop.server, into: memory, count: 64) == Reactor.pending)
    let text: StaticString = "GET / HTTP/1.1\r\n\r\n"
    #expect(loop.send(loop.client, text.utf8Start, count: text.utf8CodeUnitCount) == Reactor.pending)
    #expect(loop.completion(.send, token: 1)?.result == text.utf8CodeUnitCount)
    #expect(loop.completion(.receive, token: 2)?.result == text.utf8CodeUnitCount)
    #expect(memcmp(memory, text.utf8Start, text.utf8CodeUnitCount) == 0)
  }

  @Test func gatheredPartsGoOutAsOneStreamHoweverSlowTheReader() throws {
    let loop = try loop()
    let count = 1_500_000
    let sent = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 8)
    let got = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 8)
    defer {
      sent.deallocate()
      got.deallocate()
    }
    for position in 0..<count {
      sent.storeBytes(
        of: UInt8(truncatingIfNeeded: position &* 31 ^ position >> 9), toByteOffset: position, as: UInt8.self)
    }
    var offset = 0
    var received = 0
    var isSending = false
    var isReceiving = false
    for _ in 0..<20_000 where received < count {
      while offset < count, !isSending {
        // A head of 200 bytes and a body behind it, as answers are sent.
        let head = min(200, count - offset)
        var parts = [
          iovec(iov_base: sent + offset, iov_len: head),
          iovec(iov_base: sent + offset + head, iov_len: min(70_000, count - offset - head)),
        ]
        let result = loop.reactor.sendParts(loop.client, &parts, count: 2)
        if result == Reactor.pending { isSending = true } else { offset += max(0, result) }
      }
      while received < count, !isReceiving {
        let result = loop.receive(loop.server, into: got + received, count: min(80_000, count - received))
        if result == Reactor.pending { isReceiving = true } else { received += max(0, result) }
      }
      loop.reactor.wait(milliseconds: 50)
      while let completion = loop.reactor.next() {
        if completion.operation == .send { isSending = false; offset += max(0, completion.result) }
        if completion.operation == .receive { isReceiving = false; received += max(0, completion.result) }
      }
    }
    #expect(received == count)
    #expect(memcmp(sent, got, count) == 0)
  }

  @Test func aFailedHandshakeIsAFailedConnect() throws {
    let loop = try loop { $0.name = "other.example" }
    #expect(!loop.awaitInput(loop.server))
    #expect(loop.establish(loop.client) == Reactor.pending)
    #expect(loop.completion(.connect, token: 1)?.result == TLSFacts.protocolFailure)
    #expect(try loop.facts(loop.client).failure?.contains("mismatch") == true)
    #expect(loop.completion(.input, token: 2) != nil)
    var bytes = [UInt8](repeating: 0, count: 100)
    #expect(loop.receive(loop.server, into: &bytes, count: 100) == TLSFacts.protocolFailure)
    #expect(try loop.facts(loop.server).failure?.contains("alert") == true)
  }

  @Test func aConnectionThatIsClosedIsFreedWithItsSocket() throws {
    let loop = try loop()
    loop.reactor.close(loop.client)
    #expect(!loop.hasTransport(loop.client))
    #expect(loop.establish(loop.client) == -Int(EBADF))
  }
}
