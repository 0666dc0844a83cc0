import HTTPMessage
import Testing

func writtenBytes(capacity: Int = 256, _ body: (inout ByteWriter) -> Void) -> [UInt8] {
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 1)
  defer { memory.deallocate() }
  var writer = ByteWriter(memory)
  body(&writer)
  return Array(writer.written.rawBuffer)
}

@Suite struct WriterTests {
  @Test(arguments: [0, 1, 9, 10, 99, 100, 12_345, .max] as [UInt64])
  func numbersAreWritten(number: UInt64) {
    #expect(writtenBytes { $0.append(decimal: number) } == bytes(String(number)))
    #expect(writtenBytes { $0.append(hexadecimal: number) } == bytes(String(number, radix: 16)))
  }

  @Test func numbersOfFixedWidthHaveLeadingZeros() {
    #expect(writtenBytes { $0.append(decimal: 7, digits: 3) } == bytes("007"))
  }

  @Test(
    arguments: [
      (0, "0.0.0.0"), (0xFFFF_FFFF, "255.255.255.255"), (0x7F00_0001, "127.0.0.1"), (0x0A63_6409, "10.99.100.9"),
      (0xC0A8_0164, "192.168.1.100"),
    ] as [(UInt32, String)])
  func addressesAreWrittenWholeOrNotAtAll(address: UInt32, expected: String) {
    for capacity in 0...20 {
      let written = writtenBytes(capacity: capacity) {
        $0.append(dotted: address)
        #expect($0.hasOverflowed == (capacity < expected.utf8.count))
      }
      #expect(written == (capacity < expected.utf8.count ? [] : bytes(expected)))
    }
  }

  @Test func everyOctetIsWrittenInEveryPlace() {
    for octet in UInt32(0)...255 {
      for (shift, before, after) in [(24, "", ".0.7.255"), (8, "0.17.", ".255"), (0, "0.17.7.", "")]
        as [(UInt32, String, String)]
      {
        let rest: UInt32 = shift == 24 ? 0x0000_07FF : shift == 8 ? 0x0011_00FF : 0x0011_0700
        #expect(writtenBytes { $0.append(dotted: rest | octet << shift) } == bytes("\(before)\(octet)\(after)"))
      }
    }
  }

  @Test(arguments: [
    ("", ""), ("GET /", "GET /"), ("\"", "%22"), ("a\"b\"\"c", "a%22b%22%22c"), ("\"a", "%22a"),
  ])
  func quotesInTextDoNotEndItsPlace(text: String, expected: String) {
    #expect(
      writtenBytes { writer in withView(bytes(text)) { writer.append(quoted: $0, bytesMax: 100) } } == bytes(expected))
  }

  /// Whatever the text, its place is never larger than allowed, and what comes behind it is written.
  @Test func textBetweenQuotesIsCutByWhatItTakesInTheEnd() {
    for text in ["\"\"\"\"\"\"\"\"", "aaaaaaaaaaaaaaaa", "a\"a\"a\"a\"a\"a\"", "\"aaaaaaaaaaaaaaa"] {
      let whole = bytes(text.replacing("\"", with: "%22"))
      for bytesMax in 0...12 {
        let written = writtenBytes(capacity: 13) { writer in
          withView(bytes(text)) { writer.append(quoted: $0, bytesMax: bytesMax) }
          writer.append(byte: 0x0A)
          #expect(!writer.hasOverflowed)
        }
        #expect(written.count <= bytesMax + 1 && written.count >= bytesMax - 1 && written.last == 0x0A)
        #expect(whole.starts(with: written.dropLast()))
      }
      for capacity in 0...12 {
        let written = writtenBytes(capacity: capacity) { writer in
          withView(bytes(text)) { writer.append(quoted: $0, bytesMax: 100) }
          #expect(!writer.hasOverflowed)
        }
        #expect(whole.starts(with: written))
      }
    }
  }

  @Test func whatDoesNotFitIsLeftOutAndTold() {
    for capacity in 0..<29 {
      let written = writtenBytes(capacity: capacity) {
        $0.append(httpDate: 0)
        #expect($0.hasOverflowed)
      }
      #expect(written.isEmpty)
    }
    let written = writtenBytes(capacity: 4) {
      $0.append("abc")
      #expect(!$0.hasOverflowed && $0.remaining == 1)
      $0.append("de")
      $0.append(byte: 0x66)
      #expect($0.hasOverflowed && $0.remaining == 0)
      $0.append("")
      $0.append(byte: 0x67)
      #expect($0.position == 3)
    }
    #expect(written == bytes("abc"))
  }

  /// RFC 9110 5.6.7, and days around leap days and centuries.
  @Test(
    arguments: [
      (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
      (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
      (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"), (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
      (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"), (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
      (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"), (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
      (.max, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] as [(UInt64, String)])
  func datesAreWritten(seconds: UInt64, expected: String) {
    #expect(writtenBytes { $0.append(httpDate: seconds) } == bytes(expected))
  }
}
