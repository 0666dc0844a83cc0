import TestRandom
import Testing

@testable import HTTPMessage

/// The PROXY protocol: what stands at the start of a connection that a proxy passes on.
@Suite struct ProxyHeaderTests {
  private static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]

  private func parse(_ input: [UInt8]) -> ProxyHeaderResult { withView(input) { parseProxyHeader($0) } }

  private static func binary(_ command: UInt8, _ family: UInt8, _ rest: [UInt8], length: Int? = nil) -> [UInt8] {
    let length = length ?? rest.count
    return signature + [command, family, UInt8(length >> 8), UInt8(length & 0xFF)] + rest
  }

  private static let ipv4: [UInt8] = [192, 0, 2, 1, 192, 0, 2, 2, 0xDC, 0x04, 0x01, 0xBB]
  private static let ipv6: [UInt8] =
    [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] + Array(repeating: 0xFF, count: 16)
    + [0, 80, 0xFF, 0xFF]
  private static let documented = AddressBits(high: 0x2001_0DB8_0000_0000, low: 1)

  // MARK: Version 1

  @Test(
    arguments: [
      ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", 0xFFFF_FFFF_FFFF, 65535),
      ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", 0xFFFF_C0A8_0001, 56324),
      ("PROXY TCP6 ::ffff:1.2.3.4 ::1 0 1\r\n", 0xFFFF_0102_0304, 0),
    ] as [(String, UInt64, UInt16)])
  func linesTellTheSource(line: String, low: UInt64, port: UInt16) {
    let header = ProxyHeader(source: AddressBits(high: 0, low: low), sourcePort: port, length: line.utf8.count)
    #expect(parse(bytes(line + "GET / HTTP/1.1\r\n")) == .complete(header))
  }

  @Test func theLongestLinesOfTheSpecificationAreTaken() {
    let full = "ffff:f...f:ffff".replacing("f...f", with: "ffff:ffff:ffff:ffff:ffff:ffff")
    let tcp6 = "PROXY TCP6 \(full) \(full) 65535 65535\r\n"
    let source = AddressBits(high: .max, low: .max)
    #expect(
      parse(bytes(tcp6)) == .complete(ProxyHeader(source: source, sourcePort: 65535, length: tcp6.utf8.count)))
    let unknown = "PROXY UNKNOWN \(full) \(full) 65535 65535\r\n"
    #expect(unknown.utf8.count == 107)
    #expect(parse(bytes(unknown)) == .complete(ProxyHeader(source: nil, sourcePort: 0, length: 107)))
    #expect(parse(bytes("PROXY UNKNOWN\r\n")) == .complete(ProxyHeader(source: nil, sourcePort: 0, length: 15)))
  }

  @Test(arguments: [
    "PROXY \r\n", "PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n",
    "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
    "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n",
    "PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n", "PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n", "PROXY TCP4 ::1 ::2 1 2\r\n",
    "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", "PROXY TCP6 [::1] ::2 1 2\r\n", "PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n",
    "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", "PROXY UNKNOWNS\r\n", "PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n",
  ])
  func linesWithOtherTextAreRefused(line: String) {
    #expect(parse(bytes(line)) == .invalid(.badText))
  }

  @Test(arguments: ["PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rX", "PROXY \n"])
  func linesWithAnotherEndAreRefused(line: String) {
    #expect(parse(bytes(line)) == .invalid(.badLine))
  }

  @Test func aLineWithoutEndIsRefusedAt107Bytes() {
    let line = "PROXY UNKNOWN " + String(repeating: "x", count: 200)
    #expect(parse(Array(bytes(line)[..<106])) == .needMore)
    #expect(parse(Array(bytes(line)[..<107])) == .invalid(.badLine))
    let tooLong = String(line.prefix(106)) + "\r\n"
    #expect(parse(bytes(tooLong)) == .invalid(.badLine))
  }

  @Test(arguments: ["GET / HTTP/1.1\r\n", "POST", "PROXX", "proxy ", "\r\n\r\nGET", "\u{16}\u{03}\u{01}"])
  func whatBeginsOtherwiseIsNoHeader(start: String) {
    #expect(parse(bytes(start)) == .invalid(.noSignature))
  }

  // MARK: Version 2

  @Test func binaryHeadersTellTheSource() {
    let header4 = Self.binary(0x21, 0x11, Self.ipv4)
    let source = AddressBits(high: 0, low: 0xFFFF_C000_0201)
    #expect(parse(header4) == .complete(ProxyHeader(source: source, sourcePort: 56324, length: 28)))
    let header6 = Self.binary(0x21, 0x21, Self.ipv6)
    #expect(parse(header6 + [1, 2]) == .complete(ProxyHeader(source: Self.documented, sourcePort: 80, length: 52)))
  }

  @Test func theConnectionsOwnPeerStandsWhereNoAddressIsTold() {
    let nobody = { (length: Int) in ProxyHeaderResult.complete(ProxyHeader(source: nil, sourcePort: 0, length: length))
    }
    // LOCAL, whatever its family and rest; unspecified family or transport; datagrams; Unix sockets.
    #expect(parse(Self.binary(0x20, 0, [])) == nobody(16))
    #expect(parse(Self.binary(0x20, 0x11, [1, 2, 3])) == nobody(19))
    for family: UInt8 in [0x44, 0x13, 0xF1, 0xFF] {
      #expect(parse(Self.binary(0x20, family, [])) == nobody(16))
      #expect(parse(Self.binary(0x20, family, [1, 2, 3])) == nobody(19))
    }
    #expect(parse(Self.binary(0x21, 0, [9, 9, 9])) == nobody(19))
    #expect(parse(Self.binary(0x21, 0x10, [])) == nobody(16))
    #expect(parse(Self.binary(0x21, 0x01, [])) == nobody(16))
    #expect(parse(Self.binary(0x21, 0x12, Self.ipv4)) == nobody(28))
    #expect(parse(Self.binary(0x21, 0x22, Self.ipv6)) == nobody(52))
    for family: UInt8 in [0x31, 0x32] {
      #expect(parse(Self.binary(0x21, family, Array(repeating: 0x2F, count: 216))) == nobody(232))
    }
  }

  @Test func commandsFamiliesAndLengthsAreChecked() {
    for command: UInt8 in [0x22, 0x2F, 0x11, 0x31, 0x01] {
      #expect(parse(Self.binary(command, 0x11, Self.ipv4)) == .invalid(.badCommand))
    }
    for family: UInt8 in [0x41, 0x13, 0xF1, 0x1F] {
      #expect(parse(Self.binary(0x21, family, Self.ipv4)) == .invalid(.badFamily))
    }
    #expect(parse(Self.binary(0x21, 0x11, Array(Self.ipv4.dropLast()))) == .invalid(.tooShort))
    #expect(parse(Self.binary(0x21, 0x21, Self.ipv4)) == .invalid(.tooShort))
    #expect(parse(Self.binary(0x21, 0x31, Self.ipv6)) == .invalid(.tooShort))
    #expect(parse(Self.binary(0x21, 0x11, [], length: 0xFFFF)) == .invalid(.tooLong))
    #expect(parse(Self.binary(0x20, 0x11, [], length: 4_080)) == .needMore)
    #expect(parse(Self.binary(0x20, 0x11, [], length: 4_081)) == .invalid(.tooLong))
  }

  @Test func fieldsAreWholeAndPassedOver() {
    // An authority, padding, and a nested SSL field.
    let fields: [UInt8] = [0x02, 0, 3, 0x61, 0x2E, 0x62, 0x04, 0, 0, 0x20, 0, 5, 7, 0, 0, 0, 0]
    let whole = Self.binary(0x21, 0x11, Self.ipv4 + fields)
    guard case .complete(let header) = parse(whole) else {
      Issue.record("the header is whole")
      return
    }
    #expect(header.length == 16 + 12 + fields.count)
    for cut in [1, 2, 4, 5] {
      #expect(parse(Self.binary(0x21, 0x11, Self.ipv4 + fields[..<cut])) == .invalid(.badField))
    }
  }

  /// CRC32c of a header by another way than the parser's: by division of the whole message as one number.
  private func divided(_ message: [UInt8]) -> UInt32 {
    var bits =
      message.flatMap { byte in (0..<8).map { byte >> UInt8($0) & 1 == 1 } } + Array(repeating: false, count: 32)
    for position in 0..<32 { bits[position].toggle() }
    let polynomial = (0..<32).map { UInt32(0x1EDC_6F41) >> UInt32(31 - $0) & 1 == 1 }
    for position in 0..<bits.count - 32 where bits[position] {
      bits[position] = false
      for offset in 0..<32 where polynomial[offset] { bits[position + 1 + offset].toggle() }
    }
    var sum: UInt32 = 0
    for (position, bit) in bits.suffix(32).enumerated() where bit { sum |= 1 << UInt32(position) }
    return ~sum
  }

  @Test func checksumsAreCompared() {
    #expect(divided(bytes("123456789")) == 0xE306_9283)
    for addresses in [(UInt8(0x11), Self.ipv4), (UInt8(0x21), Self.ipv6)] {
      var header = Self.binary(0x21, addresses.0, addresses.1 + [0x03, 0, 4, 0, 0, 0, 0])
      let sum = divided(header)
      for index in 0..<4 { header[header.count - 4 + index] = UInt8(truncatingIfNeeded: sum >> UInt32(24 - 8 * index)) }
      guard case .complete = parse(header) else {
        Issue.record("the checksum is right")
        continue
      }
      header[header.count - 1] ^= 1
      #expect(parse(header) == .invalid(.badChecksum))
    }
    #expect(parse(Self.binary(0x21, 0x11, Self.ipv4 + [0x03, 0, 3, 0, 0, 0])) == .invalid(.badField))
  }

  // MARK: Both

  @Test func everyBeginningOfAHeaderWaitsForMore() {
    let whole = [
      bytes("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"), bytes("PROXY UNKNOWN\r\n"),
      Self.binary(0x21, 0x11, Self.ipv4 + [0x04, 0, 1, 0]), Self.binary(0x21, 0x21, Self.ipv6),
      Self.binary(0x20, 0, []),
    ]
    for header in whole {
      for count in 0..<header.count { #expect(parse(Array(header[..<count])) == .needMore) }
    }
  }

  @Test func anyBytesAreReadWithoutATrapAndNeverBeyondTheirEnd() {
    var random = Generator(seed: 11)
    for round in 0..<50_000 {
      var input =
        round % 2 == 0
        ? bytes("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n")
        : Self.binary(0x21, round % 4 == 1 ? 0x11 : 0x21, Self.ipv6 + [0x04, 0, 1, 0])
      for _ in 0..<Int.random(in: 0...3, using: &random) {
        input[Int.random(in: 0..<input.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      input.removeLast(Int.random(in: 0...input.count, using: &random))
      if case .complete(let header) = parse(input) { #expect(header.length <= input.count) }
    }
  }
}
