import HTTPMessage
import Testing

/// RFC 9112 7.1.1: extensions go on to the server as they are, so only well-formed ones do.
@Suite struct ChunkExtensionTests {
  static let wellFormed = [
    ";a", ";a;b", ";a=b", ";a=b;c;d=e", " ;a", "\t;\ta", " ; a = b ; c", ";a=\"\"", ";a=\"b c\"", ";a=\"\\\"\"",
    ";a=\"\\\\\";b", ";a=\"\t;=\"", ";a=\"\u{E9}\"", ";!#$%&'*+-.^_`|~=0",
  ]

  static let malformed: [(String, HTTPError)] = [
    (";", .invalidChunkExtension), ("; ", .invalidChunkExtension), (";;a", .invalidChunkExtension),
    (";a;", .invalidChunkExtension), (";=b", .invalidChunkExtension), (";a=", .invalidChunkExtension),
    (";a= ", .invalidChunkExtension), (";a=;b", .invalidChunkExtension), (";a ", .invalidChunkExtension),
    (";a=b ", .invalidChunkExtension), (";a=\"b\" ", .invalidChunkExtension), (";a b", .invalidChunkExtension),
    (";a=b c", .invalidChunkExtension), (";a==b", .invalidChunkExtension), (";a=\"b", .invalidChunkExtension),
    (";a=\"b\\", .invalidChunkExtension), (";a=\"b\"c", .invalidChunkExtension), (";a=b\"c\"", .invalidChunkExtension),
    (";a@b", .invalidChunkExtension), (";\u{E9}", .invalidChunkExtension), (";a,b", .invalidChunkExtension),
    (";a=\"\0\"", .controlCharacter), (";a=\"\\\0\"", .controlCharacter), (";a=\"\n\"", .bareLineFeed),
    (";\n", .bareLineFeed), (";a=\u{1}", .controlCharacter), (" ", .invalidChunkSize), (" a", .invalidChunkSize),
  ]

  func scan(_ body: String, length: Int) -> ChunkedScan {
    let input = bytes(body)
    var scanner = ChunkedScanner()
    for start in stride(from: 0, to: input.count, by: length) {
      let piece = Array(input[start..<min(start + length, input.count)])
      let result = withView(piece) { scanner.scan($0) }
      if case .complete(let consumed) = result { return .complete(consumed: start + consumed) }
      if result != .needMore { return result }
    }
    return .needMore
  }

  @Test(arguments: wellFormed, [1, 2, 3, 1000])
  func wellFormedOnesPass(text: String, length: Int) {
    let body = "5\(text)\r\nhello\r\n0\(text)\r\n\r\n"
    #expect(scan(body, length: length) == .complete(consumed: bytes(body).count), "\(text)")
  }

  @Test(arguments: malformed, [1, 2, 3, 1000])
  func malformedOnesAreRefused(text: (String, HTTPError), length: Int) {
    #expect(scan("5\(text.0)\r\nhello\r\n0\r\n\r\n", length: length) == .invalid(text.1), "\(text.0)")
    #expect(scan("5\r\nhello\r\n0\(text.0)\r\n\r\n", length: length) == .invalid(text.1), "\(text.0)")
  }

  @Test func theirLengthIsBounded() {
    let limit = ChunkedScanner.extensionBytesMax
    for (count, isTaken) in [(limit - 1, true), (limit, true), (limit + 1, false), (limit * 9, false)] {
      let body = "1;" + String(repeating: "a", count: count) + "\r\nx\r\n0\r\n\r\n"
      let expected = isTaken ? ChunkedScan.complete(consumed: body.utf8.count) : .invalid(.chunkExtensionTooLong)
      #expect(scan(body, length: 100) == expected, "\(count) bytes")
    }
  }
}
