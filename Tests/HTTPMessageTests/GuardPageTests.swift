import Glibc
import TestRandom
import Testing

@testable import HTTPMessage

/// Scanners that look at eight or sixteen bytes at a time read none outside of what they were given: it lies between two pages that
/// nobody may read, once against the one behind it and once against the one before.
@Suite struct GuardPageTests {
  /// A page of memory between two forbidden ones.
  private final class Guarded {
    private let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    private let mapping: UnsafeMutableRawPointer

    init() throws {
      let mapped = mmap(nil, page * 3, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
      mapping = try #require(mapped != MAP_FAILED ? mapped : nil)
      let areForbidden = mprotect(mapping, page, PROT_NONE) == 0 && mprotect(mapping + page * 2, page, PROT_NONE) == 0
      try #require(areForbidden)
    }

    deinit { munmap(mapping, page * 3) }

    /// The bytes where they end, or begin, with the page.
    func with(_ bytes: [UInt8], atEnd: Bool, _ body: (ByteView) -> Void) {
      let start = atEnd ? mapping + (page * 2 - bytes.count) : mapping + page
      bytes.withUnsafeBytes { bytes in
        if let base = bytes.baseAddress { start.copyMemory(from: base, byteCount: bytes.count) }
      }
      body(ByteView(UnsafeRawBufferPointer(start: start, count: bytes.count)))
    }
  }

  /// A scanner, and what it should find, byte by byte.
  private struct Scanner: Sendable {
    var name: String
    /// What it passes over.
    var fill: UInt8
    var scan: @Sendable (ByteScanning, Int) -> Int
    var expected: @Sendable ([UInt8], Int) -> Int
  }

  private static func first(_ bytes: [UInt8], _ start: Int, where isEnd: (UInt8) -> Bool) -> Int {
    bytes[start...].firstIndex(where: isEnd) ?? bytes.count
  }

  private static func isToken(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
      || [UInt8]("!#$%&'*+-.^_`|~".utf8).contains(byte)
  }

  private static let scanners = [
    Scanner(name: "field name", fill: 0x61, scan: { $0.nameEnd(from: $1) }) { bytes, start in
      let end = first(bytes, start) { !isToken($0) }
      return end < bytes.count && end > start && bytes[end] == 0x3A ? end : -1
    },
    Scanner(name: "field value", fill: 0x61, scan: { $0.fieldValueEnd(from: $1) }) { bytes, start in
      first(bytes, start) { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7F }
    },
    Scanner(name: "token", fill: 0x2D, scan: { $0.tokenEnd(from: $1) }) { bytes, start in
      first(bytes, start) { !isToken($0) }
    },
    Scanner(name: "target", fill: 0x2F, scan: { $0.targetEnd(from: $1) }) { bytes, start in
      first(bytes, start) { $0 <= 0x20 || $0 >= 0x7F || $0 == 0x23 }
    },
    Scanner(name: "semicolon", fill: 0x3A, scan: { $0.firstIndex(of: 0x3B, from: $1) }) { bytes, start in
      first(bytes, start) { $0 == 0x3B }
    },
  ]

  /// Bytes at the borders of every class, and such as differ from them in the highest bit only.
  private static let marks: [UInt8] = [
    0x00, 0x09, 0x0A, 0x0D, 0x1F, 0x20, 0x22, 0x23, 0x2C, 0x2D, 0x2E, 0x2F, 0x30, 0x39, 0x3A, 0x3B, 0x3D, 0x40, 0x41,
    0x5A, 0x5B, 0x60, 0x61, 0x7A, 0x7B, 0x7E, 0x7F, 0x80, 0x8D, 0xAD, 0xBA, 0xBB, 0xE1, 0xFF,
  ]

  private static let lengths = 0...130

  @Test(arguments: [true, false])
  func scannersReadNothingBeyondTheirView(atEnd: Bool) throws {
    let guarded = try Guarded()
    for scanner in Self.scanners {
      for length in Self.lengths {
        // Nothing stops the scan, or a byte at each place; which one changes from place to place.
        for place in -1..<length {
          var bytes = [UInt8](repeating: scanner.fill, count: length)
          if place >= 0 { bytes[place] = Self.marks[(place * 7 + length) % Self.marks.count] }
          let start = length == 0 ? 0 : (place + length) % min(length, 19)
          guarded.with(bytes, atEnd: atEnd) { view in
            let found = scanner.scan(ByteScanning(view, end: length), start)
            if found != scanner.expected(bytes, start) {
              Issue.record("\(scanner.name) of \(bytes) from \(start): \(found)")
            }
          }
        }
      }
    }
  }

  @Test func everyByteIsToldByEveryScannerAtEveryPlaceOfAStep() throws {
    let guarded = try Guarded()
    for scanner in Self.scanners {
      for place in 0..<24 {
        for byte in UInt8.min...UInt8.max {
          var bytes = [UInt8](repeating: scanner.fill, count: 33)
          bytes[place] = byte
          guarded.with(bytes, atEnd: true) { view in
            if scanner.scan(ByteScanning(view, end: 33), 0) != scanner.expected(bytes, 0) {
              Issue.record("\(scanner.name): \(byte) at \(place)")
            }
          }
        }
      }
    }
  }

  /// A scan may be bounded before the view ends.
  @Test func scannersStopAtTheirEndAlsoWhereTheViewGoesOn() throws {
    let guarded = try Guarded()
    for scanner in Self.scanners {
      for length in Self.lengths {
        let bytes = [UInt8](repeating: scanner.fill, count: length)
        guarded.with(bytes + [0x3A, 0x3B, 0x20, 0x00], atEnd: true) { view in
          let found = scanner.scan(ByteScanning(view, end: length), 0)
          if found != scanner.expected(bytes, 0) { Issue.record("\(scanner.name), \(length) bytes: \(found)") }
        }
      }
    }
  }

  @Test(arguments: [true, false])
  func hostNamesAreJudgedByTheBytesThatAreThere(atEnd: Bool) throws {
    let guarded = try Guarded()
    func isRegisteredName(_ byte: UInt8) -> Bool {
      Self.isToken(byte) && ![0x23, 0x25, 0x5E, 0x60, 0x7C].contains(byte)
        || [UInt8]("();=".utf8).contains(byte)
    }
    for length in Self.lengths {
      for place in -1..<length {
        for step in 0..<3 {
          var bytes = (0..<length).map { [UInt8]("a-Z.09".utf8)[($0 + length) % 6] }
          let mark = Self.marks[((place + 1) * 3 + step * 11 + length) % Self.marks.count]
          if place >= 0 { bytes[place] = mark }
          // What follows a colon would be a port: only names are looked at here.
          if mark == 0x3A && place >= 0 { continue }
          let expected = !bytes.isEmpty && bytes.allSatisfy(isRegisteredName)
          guarded.with(bytes, atEnd: atEnd) { view in
            if Authority.isValid(view) != expected { Issue.record("\(bytes): not \(expected)") }
          }
        }
      }
    }
  }

  @Test(arguments: [true, false])
  func comparisonsAndWordsReadNothingBeyondTheirViews(atEnd: Bool) throws {
    let (first, second) = (try Guarded(), try Guarded())
    for length in Self.lengths {
      let bytes = (0..<length).map { UInt8(truncatingIfNeeded: 0x41 + $0 % 26) }
      for place in -1..<length {
        var other = bytes
        if place >= 0 { other[place] |= 0x20 }
        first.with(bytes, atEnd: atEnd) { one in
          second.with(other, atEnd: !atEnd) { two in
            if one.equals(two) != (place < 0) || !one.equalsIgnoringCase(two) {
              Issue.record("\(length) bytes, another at \(place)")
            }
          }
        }
      }
      first.with(bytes, atEnd: atEnd) { view in
        for offset in 0...length {
          for count in 0...8 {
            let expected = bytes[offset...].prefix(count).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            if view.word(at: offset, length: count) != expected {
              Issue.record("\(count) bytes at \(offset) of \(length)")
            }
          }
        }
      }
    }
  }

  @Test("a head that has come up to any byte is read no further", arguments: [true, false])
  func heads(atEnd: Bool) throws {
    let guarded = try Guarded()
    var (request, response) = (RequestHead(), ResponseHead())
    var table = FieldTable()
    let requestBytes = bytes(
      "GET /a/path?with=query HTTP/1.1\r\nHost: www.example.com:8080\r\nTE: x\r\nAccept-Encoding: gzip\tdeflate\r\n"
        + "Cookie: SITE=SITE1; theme=\"dark;er\"; SITE=SITE2\r\nX-Forwarded-For: 192.0.2.7, 2001:db8::1\r\n\r\n")
    let responseBytes = bytes(
      "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 19:31:00 GMT\r\nSet-Cookie: S=1; Path=/\r\nContent-Length: 1024\r\n\r\n"
    )
    for length in 0...requestBytes.count {
      guarded.with(Array(requestBytes[..<length]), atEnd: atEnd) { view in
        let result = parseRequestHead(view, limits: HeadLimits(), head: &request, into: &table)
        let isAll = length == requestBytes.count
        if isAll ? result != .complete : result != .needMore(scannedUpTo: length) {
          Issue.record("\(length) bytes of a request: \(result)")
        }
        guard isAll, let cookies = request.firstCookie else { return }
        // The field's value is in the middle of the head: against the guard it is looked at alone, too.
        guarded.with(Array(requestBytes[table[cookies].value.start..<table[cookies].value.end]), atEnd: atEnd) {
          value in
          var scanner = CookieScanner(value)
          var count = 0
          while scanner.next() != nil { count += 1 }
          #expect(count == 3)
        }
      }
    }
    for length in 0...responseBytes.count {
      guarded.with(Array(responseBytes[..<length]), atEnd: atEnd) { view in
        let result = parseResponseHead(view, toHead: false, limits: HeadLimits(), head: &response, into: &table)
        let isAll = length == responseBytes.count
        if isAll ? result != .complete : result != .needMore(scannedUpTo: length) {
          Issue.record("\(length) bytes of a response: \(result)")
        }
      }
    }
  }

  @Test("cookies, chunks and lists of addresses of any bytes are read within their view")
  func anyBytes() throws {
    let guarded = try Guarded()
    var random = Generator(seed: 11)
    let alphabet = bytes("aS=;, \t\"\\~|%[]:.-0fF1\r\n\u{00}\u{FF}")
    for round in 0..<4_000 {
      let length = round % 131
      let content = (0..<length).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
      guarded.with(content, atEnd: true) { view in
        var cookies = CookieScanner(view)
        while let pair = cookies.next() { #expect(pair.pair.end <= length) }
        var removal = CookieRemoval(of: ByteView("S"), from: view)
        while let range = removal.next() { #expect(range.end <= length) }
        _ = (DatedValue(view), PrefixedValue(view), Authority.isValid(view), Authority.isValidIPv6(view))
        var addresses = ForwardedForScanner(view)
        while addresses.next() != nil {}
        var chunks = ChunkedScanner()
        _ = chunks.scan(view)
      }
    }
  }
}
