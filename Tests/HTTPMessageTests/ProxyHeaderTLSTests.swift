import TestRandom
import Testing

@testable import HTTPMessage

/// What headers of version 2 of the PROXY protocol tell of the client's TLS, and of the other fields behind the addresses.
@Suite struct ProxyHeaderTLSTests {
  private static let start: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
  private static let ipv4: [UInt8] = [192, 0, 2, 1, 192, 0, 2, 2, 0xDC, 0x04, 0x01, 0xBB]
  private static let ipv6 = [UInt8](repeating: 0x20, count: 36)

  /// A header with these fields behind its addresses.
  private static func header(
    _ fields: [UInt8], command: UInt8 = 0x21, family: UInt8 = 0x11, addresses: [UInt8] = ipv4
  ) -> [UInt8] {
    let rest = addresses + fields
    return start + [command, family, UInt8(rest.count >> 8), UInt8(rest.count & 0xFF)] + rest
  }

  private static func field(_ type: UInt8, _ value: [UInt8]) -> [UInt8] {
    [type, UInt8(value.count >> 8), UInt8(value.count & 0xFF)] + value
  }

  private static func field(_ type: UInt8, _ value: String) -> [UInt8] { field(type, Array(value.utf8)) }

  /// PP2_TYPE_SSL.
  private static func tls(_ client: UInt8, _ verification: [UInt8] = [0, 0, 0, 0], _ fields: [UInt8] = []) -> [UInt8] {
    field(0x20, [client] + verification + fields)
  }

  private func parse(_ input: [UInt8]) -> ProxyHeaderResult { withView(input) { parseProxyHeader($0) } }

  /// What a whole header tells of TLS, its parts as text.
  private func told(_ input: [UInt8]) throws -> Told? {
    guard case .complete(let header) = parse(input) else {
      Issue.record("the header is whole: \(parse(input))")
      throw NotWhole()
    }
    #expect(header.length == input.count)
    return header.tls.map { Told($0, input) }
  }

  private struct NotWhole: Error {}

  struct Told: Equatable {
    var client: UInt8
    var verification: UInt32 = 0
    var version = ""
    var commonName = ""
    var cipher = ""
    var serverName = ""
    var applicationProtocol = ""
  }

  // MARK: What is told

  @Test func everyPartIsFound() throws {
    let fields =
      Self.field(0x01, "http/1.1") + Self.field(0x02, "shop.example") + Self.field(0x05, "id") + Self.field(0x04, "  ")
      + Self.tls(
        0x07, [0, 0, 0, 0],
        Self.field(0x21, "TLSv1.3") + Self.field(0x25, "RSA2048") + Self.field(0x22, "OP1")
          + Self.field(0x23, "TLS_AES_128_GCM_SHA256") + Self.field(0x24, "SHA256"))
      + Self.field(0x30, "netns") + Self.field(0xE0, "own")
    let expected = Told(
      client: 7, version: "TLSv1.3", commonName: "OP1", cipher: "TLS_AES_128_GCM_SHA256", serverName: "shop.example",
      applicationProtocol: "http/1.1")
    #expect(try told(Self.header(fields)) == expected)
    #expect(try told(Self.header(fields, family: 0x21, addresses: Self.ipv6)) == expected)
    // Of a client by datagrams (QUIC), and of one at a Unix socket, the address is not known, but the TLS is.
    #expect(try told(Self.header(fields, family: 0x12)) == expected)
    #expect(try told(Self.header(fields, family: 0x31, addresses: Array(repeating: 0x2F, count: 216))) == expected)
  }

  @Test(
    arguments: [
      // Flags, the check's result, and what is told of them.
      ([0x01, 0, 0, 0, 1], Told(client: 1, verification: 1)),
      ([0x05, 0, 0, 0, 0], Told(client: 5)),
      ([0x07, 0xFF, 0, 0, 0x12], Told(client: 7, verification: 0xFF00_0012)),
      // Bits without a meaning have none.
      ([0xF9, 0, 0, 0, 0], Told(client: 1)),
      // No TLS, whatever the rest says.
      ([0x00, 0, 0, 0, 0], nil), ([0x06, 0, 0, 0, 0], nil), ([0xF8, 0, 0, 0, 0], nil),
      ([0x00, 0, 0, 0, 0, 0x21, 0, 1, 0x54], nil),
      // Empty values, and none.
      ([0x01, 0, 0, 0, 0, 0x21, 0, 0, 0x22, 0, 0, 0x23, 0, 0], Told(client: 1)),
    ] as [([UInt8], Told?)])
  func flagsDecideWhetherThereWasTLS(value: [UInt8], expected: Told?) throws {
    #expect(try told(Self.header(Self.field(0x20, value))) == expected)
  }

  @Test func whatIsToldWithoutTLSIsNoTLS() throws {
    let fields = Self.field(0x01, "h2") + Self.field(0x02, "shop.example")
    #expect(try told(Self.header(fields)) == nil)
    #expect(try told(Self.header(fields + Self.tls(0))) == nil)
    #expect(try told(Self.header([])) == nil)
    #expect(
      try told(Self.header(fields + Self.tls(1)))
        == Told(client: 1, serverName: "shop.example", applicationProtocol: "h2"))
    // Behind the field of TLS as well as before it.
    #expect(
      try told(Self.header(Self.tls(1) + fields))
        == Told(client: 1, serverName: "shop.example", applicationProtocol: "h2"))
  }

  @Test func ofTheProxysOwnConnectionNothingIsTold() throws {
    for fields in [Self.tls(7), Self.field(0x20, [1]), [0x20, 0xFF, 0xFF], [9]] {
      #expect(try told(Self.header(fields, command: 0x20)) == nil)
      #expect(try told(Self.header(fields, command: 0x20, family: 0, addresses: [])) == nil)
      // Nor of one of an unknown family.
      #expect(try told(Self.header(fields, family: 0, addresses: [])) == nil)
    }
  }

  // MARK: What is refused

  @Test(
    arguments: [
      // Fields beyond the header, and pieces of fields.
      [0x20], [0x20, 0], [0x20, 0, 1], [0x20, 0, 6, 1, 0, 0, 0, 0], [0x20, 0xFF, 0xFF, 1, 0, 0, 0, 0], [0x01, 0, 1],
      [0x02, 0, 2, 0x61], [0x04, 1, 0], [0x20, 0, 5, 1, 0, 0, 0, 0, 0],
      // Too short for its own flags.
      [0x20, 0, 0], [0x20, 0, 1, 1], [0x20, 0, 4, 1, 0, 0, 0], [0x20, 0, 4, 0, 0, 0, 0],
      // Fields within it that go beyond it, be it into the next one, and pieces of such fields.
      [0x20, 0, 6, 1, 0, 0, 0, 0, 0x21], [0x20, 0, 7, 1, 0, 0, 0, 0, 0x21, 0],
      [0x20, 0, 8, 1, 0, 0, 0, 0, 0x21, 0, 1], [0x20, 0, 9, 1, 0, 0, 0, 0, 0x21, 0, 2, 0x54],
      [0x20, 0, 9, 1, 0, 0, 0, 0, 0x23, 0, 4, 0x54, 0x04, 0, 0], [0x20, 0, 8, 1, 0, 0, 0, 0, 0x22, 0xFF, 0xFF],
      // So is it of TLS that was not spoken, and of fields that are not read.
      [0x20, 0, 8, 0, 0, 0, 0, 0, 0x21, 0, 1], [0x20, 0, 9, 1, 0, 0, 0, 0, 0x7F, 0, 2, 0x54],
      // What is read stands once.
      [0x20, 0, 5, 1, 0, 0, 0, 0, 0x20, 0, 5, 1, 0, 0, 0, 0], [0x20, 0, 5, 0, 0, 0, 0, 0, 0x20, 0, 5, 1, 0, 0, 0, 0],
      [0x01, 0, 1, 0x61, 0x01, 0, 1, 0x61], [0x02, 0, 0, 0x02, 0, 1, 0x61],
      [0x20, 0, 11, 1, 0, 0, 0, 0, 0x21, 0, 0, 0x21, 0, 0], [0x20, 0, 11, 1, 0, 0, 0, 0, 0x22, 0, 0, 0x22, 0, 0],
      [0x20, 0, 11, 1, 0, 0, 0, 0, 0x23, 0, 0, 0x23, 0, 0],
    ] as [[UInt8]])
  func malformedFieldsAreRefused(fields: [UInt8]) {
    #expect(parse(Self.header(fields)) == .invalid(.badField))
    #expect(parse(Self.header(fields) + Self.field(0x04, [])) == .invalid(.badField), "whatever comes behind it")
    #expect(parse(Self.header(fields, family: 0x21, addresses: Self.ipv6)) == .invalid(.badField))
  }

  @Test(arguments: [(0x01, 255), (0x02, 255), (0x05, 128)] as [(UInt8, Int)])
  func lengthsOfNamesAreBounded(type: UInt8, most: Int) {
    let longest = Self.header(Self.field(type, [UInt8](repeating: 0x61, count: most)))
    guard case .complete = parse(longest) else {
      Issue.record("\(most) bytes are not too many")
      return
    }
    #expect(
      parse(Self.header(Self.field(type, [UInt8](repeating: 0x61, count: most + 1)))) == .invalid(.badField))
  }

  // MARK: Pieces

  @Test func everyBeginningWaitsForMore() {
    let fields =
      Self.field(0x02, "shop.example")
      + Self.tls(0x05, [0, 0, 0, 0], Self.field(0x21, "TLSv1.2") + Self.field(0x22, "OP1"))
    // One that will be refused is so when it is there.
    for header in [Self.header(fields), Self.header(fields + [0x20, 0, 4, 1, 0, 0, 0])] {
      for count in 0..<header.count { #expect(parse(Array(header[..<count])) == .needMore) }
      #expect(parse(header) != .needMore)
      #expect(parse(header + bytes("GET / HTTP/1.1\r\n\r\n")) == parse(header), "nor does more change it")
    }
  }

  @Test func anyFieldsAreReadWithoutATrapAndStayWithinTheHeader() {
    var random = Generator(seed: 20)
    let fields =
      Self.field(0x01, "http/1.1") + Self.field(0x02, "shop.example")
      + Self.tls(0x07, [0, 0, 0, 0], Self.field(0x21, "TLSv1.3") + Self.field(0x22, "OP1") + Self.field(0x23, "AES"))
    var whole = 0
    for _ in 0..<50_000 {
      var changed = fields
      for _ in 0..<Int.random(in: 0...3, using: &random) {
        changed[Int.random(in: 0..<changed.count, using: &random)] = UInt8.random(in: 0...40, using: &random)
      }
      changed.removeLast(Int.random(in: 0...3, using: &random))
      let input = Self.header(changed)
      guard case .complete(let header) = parse(input), let tls = header.tls else { continue }
      whole += 1
      for part in [tls.version, tls.commonName, tls.cipher, tls.serverName, tls.applicationProtocol] {
        #expect(part.isEmpty || part.start >= 31 && part.end <= header.length)
      }
    }
    #expect(whole > 1_000)
  }
}

extension ProxyHeaderTLSTests.Told {
  init(_ tls: ProxyTLS, _ input: [UInt8]) {
    self.init(
      client: tls.client.rawValue, verification: tls.verification, version: text(input, tls.version),
      commonName: text(input, tls.commonName), cipher: text(input, tls.cipher), serverName: text(input, tls.serverName),
      applicationProtocol: text(input, tls.applicationProtocol))
  }
}
