import Testing

@testable import HTTPMessage

/// Headers of the PROXY protocol as they are written, byte for byte by the specification, and read back by the reader.
@Suite struct ProxyHeaderWriterTests {
  private static let clientIPv4 = AddressBits(high: 0, low: 0xFFFF_C0A8_0001)
  private static let serverIPv4 = AddressBits(high: 0, low: 0xFFFF_C0A8_000B)
  private static let clientIPv6 = AddressBits(high: 0x2001_0DB8_0000_0000, low: 1)
  private static let ipv4 = ProxyRoute(
    source: clientIPv4, sourcePort: 56_324, destination: serverIPv4, destinationPort: 443)
  private static let ipv6 = ProxyRoute(
    source: clientIPv6, sourcePort: 1, destination: AddressBits(high: .max, low: .max), destinationPort: 65_535)
  private static let mixed = ProxyRoute(
    source: clientIPv4, sourcePort: 9, destination: clientIPv6, destinationPort: 10)

  private static func written(_ write: (inout ByteWriter) -> Void, room: Int = 512) -> [UInt8]? {
    var memory = [UInt8](repeating: 0xEE, count: room)
    return memory.withUnsafeMutableBytes { memory in
      var writer = ByteWriter(memory)
      write(&writer)
      return writer.hasOverflowed ? nil : Array(writer.written.rawBuffer)
    }
  }

  private static func read(_ bytes: [UInt8]) -> ProxyHeaderResult {
    bytes.withUnsafeBytes { parseProxyHeader(ByteView($0)) }
  }

  /// The examples of section 2.1.
  @Test func linesAreThoseOfTheSpecification() {
    let lines: [(ProxyRoute?, String)] = [
      (Self.ipv4, "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"),
      (
        ProxyRoute(
          source: AddressBits(high: 0, low: 0xFFFF_FFFF_FFFF), sourcePort: 65_535,
          destination: AddressBits(high: 0, low: 0xFFFF_FFFF_FFFF), destinationPort: 65_535),
        "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"
      ),
      (
        ProxyRoute(
          source: AddressBits(high: .max, low: .max), sourcePort: 65_535,
          destination: AddressBits(high: .max, low: .max), destinationPort: 65_535),
        "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
      ),
      (nil, "PROXY UNKNOWN\r\n"),
    ]
    for (route, line) in lines {
      let bytes = Self.written { $0.append(proxyLine: route) }
      #expect(bytes == Array(line.utf8))
    }
  }

  @Test func binaryHeadersAreThoseOfTheSpecification() {
    let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    #expect(Self.written { $0.append(proxyHeader: nil) } == signature + [0x20, 0, 0, 0])
    #expect(
      Self.written { $0.append(proxyHeader: Self.ipv4) } == signature + [0x21, 0x11, 0, 12] + [192, 168, 0, 1]
        + [192, 168, 0, 11] + [0xDC, 0x04, 0x01, 0xBB])
    let source: [UInt8] = [0x20, 0x01, 0x0D, 0xB8] + Array(repeating: 0, count: 11) + [1]
    #expect(
      Self.written { $0.append(proxyHeader: Self.ipv6) } == signature + [0x21, 0x21, 0, 36] + source
        + Array(repeating: 0xFF, count: 16) + [0, 1, 0xFF, 0xFF])
  }

  @Test func whatIsWrittenCanBeRead() {
    for route in [Self.ipv4, Self.ipv6, Self.mixed] {
      for bytes in [
        Self.written { $0.append(proxyLine: route) }, Self.written { $0.append(proxyHeader: route) },
        Self.written { $0.append(proxyHeader: route, checksum: true) },
      ] {
        let header = ProxyHeader(source: route.source, sourcePort: route.sourcePort, length: bytes?.count ?? 0)
        #expect(Self.read(bytes ?? []) == .complete(header))
      }
    }
  }

  @Test func aChecksumIsThatOfEveryByte() throws {
    let bytes = try #require(Self.written { $0.append(proxyHeader: Self.ipv4, checksum: true) })
    // Addresses, ports and the sum itself; a changed kind or length of its field would make it another field.
    for position in Array(16..<28) + Array(31..<bytes.count) {
      var changed = bytes
      changed[position] ^= 0x10
      #expect(Self.read(changed) == .invalid(.badChecksum))
    }
  }

  @Test func tlsIsToldInFields() throws {
    var tls = ProxyTLSFields(version: ByteView("TLSv1.3"))
    tls.cipher = ByteView("TLS_AES_128_GCM_SHA256")
    tls.commonName = ByteView("OP1")
    tls.serverName = ByteView("shop.example")
    tls.applicationProtocol = ByteView("http/1.1")
    tls.tellCertificate(isResumed: false)
    let bytes = try #require(Self.written { $0.append(proxyHeader: Self.ipv4, tls: tls, checksum: true) })
    let within: [UInt8] =
      [0x07, 0, 0, 0, 0] + [0x21, 0, 7] + Array("TLSv1.3".utf8) + [0x22, 0, 3] + Array("OP1".utf8) + [0x23, 0, 22]
      + Array("TLS_AES_128_GCM_SHA256".utf8)
    let fields =
      [0x01, 0, 8] + Array("http/1.1".utf8) + [0x02, 0, 12] + Array("shop.example".utf8)
      + [0x20, 0, UInt8(within.count)] + within
    #expect(Array(bytes[28..<28 + fields.count]) == fields)
    #expect(bytes.count == 28 + fields.count + 7)
    #expect(Int(bytes[14]) << 8 + Int(bytes[15]) == bytes.count - 16)
    let told = ProxyTLS(
      client: [.tls, .certificateOnConnection, .certificateInSession], verification: 0, version: ByteRange(65, 72),
      commonName: ByteRange(75, 78), cipher: ByteRange(81, 103), serverName: ByteRange(42, 54),
      applicationProtocol: ByteRange(31, 39))
    #expect(
      Self.read(bytes)
        == .complete(
          ProxyHeader(source: Self.clientIPv4, sourcePort: 56_324, length: bytes.count, tls: told)))
  }

  /// As a node in the middle does it.
  @Test func whatWasToldIsToldOn() throws {
    var tls = ProxyTLSFields(version: ByteView("TLSv1.2"))
    tls.cipher = ByteView("ECDHE-ECDSA-AES128-GCM-SHA256")
    tls.commonName = ByteView("OP1")
    tls.serverName = ByteView("shop.example")
    tls.applicationProtocol = ByteView("http/1.1")
    tls.client = [.tls, .certificateInSession]
    tls.verification = 0x0102_0304
    let first = try #require(Self.written { $0.append(proxyHeader: Self.ipv6, tls: tls) })
    guard case .complete(let header) = Self.read(first), let told = header.tls else {
      Issue.record("the header is whole")
      return
    }
    let fields = try #require(
      first.withUnsafeBytes { memory in
        Self.written { $0.append(proxyFields: ProxyTLSFields(told, in: ByteView(memory))) }
      })
    let second = fields.withUnsafeBytes { memory in
      Self.written { $0.append(proxyHeader: Self.ipv6, fields: ByteView(memory)) }
    }
    #expect(second == first)
  }

  @Test func valuesThatNoTLSHasAreNotToldOn() throws {
    for (count, isTold) in [(ProxyTLSFields.valueBytesMax, true), (ProxyTLSFields.valueBytesMax + 1, false)] {
      let name = [UInt8](repeating: 0x61, count: count)
      let bytes = name.withUnsafeBytes { memory in
        var tls = ProxyTLSFields(version: ByteView(memory))
        tls.cipher = ByteView(memory)
        tls.commonName = ByteView(memory)
        tls.serverName = ByteView(memory)
        tls.applicationProtocol = ByteView(memory)
        return Self.written({ $0.append(proxyFields: tls) }, room: ProxyTLSFields.bytesMax)
      }
      #expect(bytes?.count == (isTold ? ProxyTLSFields.bytesMax : 8))
    }
  }

  @Test(
    arguments: [(false, false, 0x01, 1), (true, false, 0x07, 0), (true, true, 0x05, 0)] as [(Bool, Bool, UInt8, UInt8)])
  func certificatesAreToldByWhenTheyWereShown(isShown: Bool, isResumed: Bool, flags: UInt8, verify: UInt8) throws {
    var tls = ProxyTLSFields(version: ByteView("TLSv1.2"))
    if isShown { tls.tellCertificate(isResumed: isResumed) }
    let bytes = try #require(Self.written { $0.append(proxyHeader: Self.ipv4, tls: tls) })
    #expect(Array(bytes[28...]) == [0x20, 0, 15, flags, 0, 0, 0, verify, 0x21, 0, 7] + Array("TLSv1.2".utf8))
  }

  @Test func withoutRoomNothingIsPretended() {
    var tls = ProxyTLSFields(version: ByteView("TLSv1.3"))
    tls.serverName = ByteView("shop.example")
    for room in 0..<60 {
      #expect(Self.written({ $0.append(proxyHeader: Self.ipv4, tls: tls, checksum: true) }, room: room) == nil)
    }
  }
}
