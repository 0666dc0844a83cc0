import Testing

@testable import HTTPMessage

/// X-Forwarded-For: its members, and the addresses in them.
@Suite struct ForwardedForTests {
  private func read(_ text: String) -> AddressBits? {
    var text = text
    return text.withUTF8 { AddressBits(forwarded: ByteView($0)) }
  }

  @Test(
    arguments: [
      ("192.0.2.1", 0, 0xFFFF_C000_0201), ("0.0.0.0", 0, 0xFFFF_0000_0000),
      ("255.255.255.255:65535", 0, 0xFFFF_FFFF_FFFF),
      ("::", 0, 0), ("::1", 0, 1), ("[::1]:8080", 0, 1), ("[::1]", 0, 1), ("1::", 0x0001_0000_0000_0000, 0),
      ("2001:db8::1", 0x2001_0DB8_0000_0000, 1), ("1:2:3:4:5:6:7:8", 0x0001_0002_0003_0004, 0x0005_0006_0007_0008),
      ("::ffff:192.0.2.1", 0, 0xFFFF_C000_0201), ("64:ff9b::192.0.2.33", 0x0064_FF9B_0000_0000, 0xC000_0221),
      ("1:2:3:4:5:6:1.2.3.4", 0x0001_0002_0003_0004, 0x0005_0006_0102_0304), ("FE80::aB", 0xFE80_0000_0000_0000, 0xAB),
      ("1:2::7:8", 0x0001_0002_0000_0000, 0x0007_0008),
      ("::2:3:4:5:6:7:8", 0x0000_0002_0003_0004, 0x0005_0006_0007_0008),
      ("1:2:3:4:5:6:7::", 0x0001_0002_0003_0004, 0x0005_0006_0007_0000),
    ] as [(String, UInt64, UInt64)])
  func addresses(text: String, high: UInt64, low: UInt64) {
    #expect(read(text) == AddressBits(high: high, low: low))
  }

  @Test(arguments: [
    "", "unknown", "_hidden", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:123456",
    ":",
    ":::", "1:2:3", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::1", "[::1", "[::1]8080", "[::1]:", "fe80::1%eth0",
    "1:",
    "1:2:3:4:5:6:7:8::", "::1.2.3", "1.2.3.4::", "1:2:3:4:5:6:7:1.2.3.4", " 1.2.3.4", "1..2.3", "::1:",
  ])
  func whatIsNoAddressIsNotRead(text: String) {
    #expect(read(text) == nil)
  }

  @Test(arguments: [
    ("a", ["a"]), ("a, b ,\tc", ["c", "b", "a"]), ("", []), (" , ,", []), (",a,,b,", ["b", "a"]), ("a b", ["a b"]),
  ])
  func membersComeFromTheLast(value: String, expected: [String]) {
    var value = value
    let found = value.withUTF8 { bytes in
      var scanner = ForwardedForScanner(ByteView(bytes))
      var found: [String] = []
      while let member = scanner.next() { found.append(String(decoding: member.rawBuffer, as: UTF8.self)) }
      return found
    }
    #expect(found == expected)
  }
}
