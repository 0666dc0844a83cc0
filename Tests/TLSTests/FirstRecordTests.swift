import Glibc
import TLS
import Testing
import Topology

/// A client's first record is held until it is whole; what is none is told of at once.
@Suite struct FirstRecordTests {
  /// Both ends, with a wire each, and the client's first flight on its way between them.
  private final class Bench {
    let near, far: TLSConnection
    private let wires: (near: Wire, far: Wire)
    let hello: [UInt8]

    init() throws {
      let workshop = try Workshop()
      wires = (Wire(), Wire())
      near = try opened(workshop.client("shop.example"), wires.near.client)
      far = try opened(workshop.server([workshop.issue("1.pem", hosts: ["shop.example"])]), wires.far.server)
      #expect(near.establish() == -Int(EAGAIN))
      hello = wires.near.take(from: wires.near.server)
    }

    func say(_ bytes: [UInt8]) { wires.far.send(raw: bytes, to: wires.far.client) }

    func hear() -> [UInt8] { wires.far.take(from: wires.far.client) }

    /// Whether the rest of the handshake goes well, the server's first flight being `flight`.
    func isDone(_ flight: [UInt8]) -> Bool {
      wires.near.send(raw: flight, to: wires.near.server)
      for _ in 0..<10 {
        _ = near.establish()
        say(wires.near.take(from: wires.near.server))
        _ = far.establish()
        wires.near.send(raw: hear(), to: wires.near.server)
      }
      return near.facts.isEstablished && far.facts.isEstablished
    }

    func endSaying() { shutdown(wires.far.client, Int32(SHUT_WR)) }
  }

  @Test func itMayComeByteByByte() throws {
    let bench = try Bench()
    for byte in bench.hello {
      #expect(bench.far.establish() == -Int(EAGAIN))
      #expect(bench.hear().isEmpty)
      bench.say([byte])
    }
    #expect(bench.far.facts.hasReceived)
    #expect(bench.far.establish() == -Int(EAGAIN))
    #expect(bench.isDone(bench.hear()))
  }

  /// RFC 8446 section 5.1: a handshake message may be split over several records.
  @Test func aClientHelloMayBeInTwoRecords() throws {
    let bench = try Bench()
    let message = bench.hello[5...]
    for part in [message.prefix(9), message.dropFirst(9)] {
      bench.say([0x16, 3, 1, UInt8(part.count >> 8), UInt8(part.count & 255)] + part)
      #expect(bench.far.establish() == -Int(EAGAIN))
    }
    #expect(bench.isDone(bench.hear()))
  }

  @Test func whatFollowsItInTheSameSegmentIsNotLost() throws {
    let bench = try Bench()
    // Its beginning, then the rest.
    bench.say(Array(bench.hello.prefix(7)))
    #expect(bench.far.establish() == -Int(EAGAIN))
    // An alert behind it: user_canceled, a warning (RFC 8446 section 6.1), and close_notify.
    bench.say(Array(bench.hello.dropFirst(7)) + [0x15, 3, 3, 0, 2, 1, 90, 0x15, 3, 3, 0, 2, 1, 0])
    _ = bench.far.establish()
    #expect(bench.far.establish() != -Int(EAGAIN))
  }

  @Test(
    arguments: [
      [0x47], [0x80], [0x16, 2], [0x17, 3, 3, 0, 1], [0x16, 3, 1, 0x48, 1], [0x16, 3, 1, 0xFF, 0xFF],
      [0x15, 3, 1, 0, 2, 2, 40],
    ] as [[UInt8]])
  func whatIsNoneIsLeftToTheLibraryAtOnce(bytes: [UInt8]) throws {
    let bench = try Bench()
    // As long as a record's header, which it reads as a whole.
    bench.say(bytes + [UInt8](repeating: 0x20, count: max(0, 11 - bytes.count)))
    #expect(bench.far.establish() == TLSFacts.protocolFailure)
    #expect(bench.far.facts.failure != nil)
  }

  @Test(arguments: [0, 1, 3, 5, 6, 100])
  func whatIsCutShortIsToldAsThat(count: Int) throws {
    let bench = try Bench()
    bench.say(Array(bench.hello.prefix(count)))
    #expect(bench.far.establish() == -Int(EAGAIN))
    bench.endSaying()
    #expect(bench.far.establish() == TLSFacts.truncation)
    #expect(bench.far.facts.hasReceived == (count > 0))
  }
}
