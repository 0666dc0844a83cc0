import HTTPMessage
import TestRandom
import Testing

/// RFC 9112 7.1.
@Suite struct ChunkedScannerTests {
  func scan(_ body: String) -> ChunkedScan {
    var scanner = ChunkedScanner()
    return withView(bytes(body)) { scanner.scan($0) }
  }

  @Test(arguments: [
    "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "00005\r\nhello\r\n000\r\n\r\n",
    "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
    "5;a\r\nhello\r\n0;b=c\r\n\r\n", "5;a=\"x;y\"\r\nhello\r\n0\r\n\r\n", "5 ;a\r\nhello\r\n0\r\n\r\n",
    "5\t ; a = b\r\nhello\r\n0\r\n\r\n",
    "0\r\nA: b\r\n\r\n", "0\r\nA:\r\nX-Checksum: \t 1\r\n\r\n", "5\r\n\r\n0\r\n\r\n0\r\n\r\n",
    "0\r\nContent-Length-X: b\r\nHosts: 1\r\n\r\n",
  ])
  func wellFormedBodiesEndWhereTheyEnd(body: String) {
    #expect(scan(body) == .complete(consumed: body.utf8.count))
    #expect(scan(body + "GET / HTTP/1.1\r\n") == .complete(consumed: body.utf8.count))
    #expect(scan(String(body.unicodeScalars.dropLast())) == .needMore)
  }

  @Test(arguments: [
    ("\r\n", HTTPError.invalidChunkSize), ("x\r\n", .invalidChunkSize), ("0x5\r\n", .invalidChunkSize),
    ("+5\r\n", .invalidChunkSize),
    ("-5\r\n", .invalidChunkSize), (" 5\r\n", .invalidChunkSize), ("\t5\r\n", .invalidChunkSize),
    ("5 \r\n", .invalidChunkSize),
    ("5 5\r\n", .invalidChunkSize), (";a\r\n", .invalidChunkSize), ("5,5\r\n", .invalidChunkSize),
    ("5g\r\n", .invalidChunkSize),
    ("\n5\r\n", .invalidChunkSize), ("5\0\r\n", .invalidChunkSize), ("5.\r\n", .invalidChunkSize),
    ("5_0\r\n", .invalidChunkSize),
    ("5h\r\nhello", .invalidChunkSize), ("\u{FF}\r\n", .invalidChunkSize),
    ("1000000000000000\r\n", .chunkSizeOverflow), ("FFFFFFFFFFFFFFFF\r\n", .chunkSizeOverflow),
    ("10000000000000005\r\n", .chunkSizeOverflow), ("00000000000000005\r\n", .chunkSizeOverflow),
    ("5\nhello", .bareLineFeed), ("5\rhello", .bareCarriageReturn), ("5\r\r\n", .bareCarriageReturn),
    ("5;a\nhello\r\n", .bareLineFeed), ("5;a\rb\r\n", .bareCarriageReturn), ("5;\0\r\n", .controlCharacter),
    ("5;\u{7F}\r\n", .controlCharacter),
    ("5\r\nhello0\r\n\r\n", .invalidChunkEnd), ("5\r\nhello\n0\r\n\r\n", .invalidChunkEnd),
    ("5\r\nhello\r0\r\n", .invalidChunkEnd),
    ("5\r\nhello!\r\n0\r\n", .invalidChunkEnd), ("5\r\nhell\r\n0\r\n\r\n", .invalidChunkEnd),
    ("0\n\r\n", .bareLineFeed), ("0\r\n\n", .bareLineFeed), ("0\r\n\rx", .bareCarriageReturn),
    ("0\r\n\r\r\n", .bareCarriageReturn),
    ("0\r\nA\r\n\r\n", .missingColon), ("0\r\n: b\r\n", .emptyFieldName), ("0\r\n A: b\r\n", .foldedLine),
    ("0\r\nA : b\r\n", .spaceBeforeColon),
    ("0\r\nA: b\n\r\n", .bareLineFeed), ("0\r\nA: b\rc\r\n", .bareCarriageReturn),
    ("0\r\nA: \0\r\n", .controlCharacter),
    ("0\r\nA: b\r\n c\r\n", .foldedLine), ("0\r\nA(: b\r\n", .invalidFieldName),
    ("0\r\nGET / HTTP/1.1\r\n", .spaceBeforeColon),
    ("0\r\nContent-Length: 5\r\n\r\n", .forbiddenTrailer),
    ("0\r\ntransfer-ENCODING: chunked\r\n\r\n", .forbiddenTrailer),
    ("0\r\nA: b\r\nHost: b\r\n\r\n", .forbiddenTrailer),
    ("0\r\nX-Forwarded-FOR: 10.0.0.1\r\n\r\n", .forbiddenTrailer), ("0\r\nCookie: SITE=A\r\n\r\n", .forbiddenTrailer),
    ("0\r\nAuthorization: Basic eA==\r\n\r\n", .forbiddenTrailer),
    ("0\r\nConnection: close\r\n\r\n", .forbiddenTrailer),
  ])
  func brokenBodiesAreRefusedHoweverTheyAreCut(body: String, error: HTTPError) {
    #expect(scan(body) == .invalid(error), "\(body)")
    var scanner = ChunkedScanner()
    var last = ChunkedScan.needMore
    for byte in bytes(body) where last == .needMore { last = withView([byte]) { scanner.scan($0) } }
    #expect(last == .invalid(error), "\(body)")
  }

  @Test func extensionsAndTrailersAreBounded() {
    let limit = ChunkedScanner.extensionBytesMax
    #expect(scan("5;" + String(repeating: "a", count: limit) + "\r\n") == .needMore)
    #expect(scan("5;" + String(repeating: "a", count: limit + 1)) == .invalid(.chunkExtensionTooLong))
    #expect(scan("5" + String(repeating: " ", count: limit + 1)) == .invalid(.chunkExtensionTooLong))
    #expect(
      scan("0\r\nA:" + String(repeating: "a", count: ChunkedScanner.trailerBytesMax)) == .invalid(.trailersTooLong))
    // The bound on extensions is one for each chunk.
    let chunk = "1;" + String(repeating: "a", count: limit) + "\r\nx\r\n"
    #expect(scan(String(repeating: chunk, count: 5) + "0\r\n\r\n") == .complete(consumed: 5 * chunk.utf8.count + 5))
  }

  @Test func dataIsCountedAsItComes() {
    var scanner = ChunkedScanner()
    _ = withView(bytes("A\r\n0123")) { scanner.scan($0) }
    #expect(scanner.dataBytes == 4)
    #expect(scanner.announcedBytes == 10)
    _ = withView(bytes("456789\r\n3\r\nabc\r\n0\r\n\r\n")) { scanner.scan($0) }
    #expect(scanner.dataBytes == 13)
    #expect(scanner.isComplete)
  }

  @Test func anySplitGivesTheSameEnd() {
    var generator = Generator(seed: 7)
    for _ in 0..<500 {
      var body = ""
      var data: UInt64 = 0
      for _ in 0..<Int.random(in: 0..<5, using: &generator) {
        let size = Int.random(in: 1..<40, using: &generator)
        data += UInt64(size)
        body += String(size, radix: 16, uppercase: Bool.random(using: &generator))
        body += ["", ";x", " ; y=z"].randomElement(using: &generator)! + "\r\n"
        body += String(repeating: ["a", "\r", "\n", "0"].randomElement(using: &generator)!, count: size) + "\r\n"
      }
      body += "0\r\n" + ["", "A: b\r\n", "Cc: dd\r\nE:\r\n"].randomElement(using: &generator)! + "\r\n"
      let input = bytes(body + "NEXT")
      var scanner = ChunkedScanner()
      var offset = 0
      while true {
        let end = min(input.count, offset + Int.random(in: 0...12, using: &generator))
        let result = withView(Array(input[offset..<end])) { scanner.scan($0) }
        if case .complete(let consumed) = result {
          #expect(offset + consumed == input.count - 4)
          break
        }
        #expect(result == .needMore)
        if result != .needMore { break }
        offset = end
      }
      #expect(scanner.dataBytes == data)
    }
  }
}
