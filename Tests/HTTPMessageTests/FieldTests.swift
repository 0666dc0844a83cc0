import HTTPMessage
import Testing

/// RFC 9112 5, RFC 9110 5.
@Suite struct FieldTests {
  @Test func namesValuesAndLinesAreFound() {
    let parsed = parseRequest(
      "GET / HTTP/1.1\r\nHost:a\r\nX-One: \t b c \t\r\nEmpty:\r\nEmpty-Too:   \r\n"
        + "Long-Value-With-Tabs: aaaaaaaaaaaaa\tbbbbbbbbbbbbb\u{FF}\r\n\r\n")
    #expect(parsed.result == .complete)
    #expect(parsed.fields.map(\.name) == ["Host", "X-One", "Empty", "Empty-Too", "Long-Value-With-Tabs"])
    #expect(parsed.fields.map(\.value) == ["a", "b c", "", "", "aaaaaaaaaaaaa\tbbbbbbbbbbbbb\u{FF}"])
    #expect(parsed.fields[1].line == "X-One: \t b c \t\r\n")
  }

  @Test(arguments: [
    ("Host", FieldName.host), ("Connection", .connection), ("Keep-Alive", .keepAlive),
    ("Proxy-Connection", .proxyConnection), ("TE", .te), ("Trailer", .trailer), ("Upgrade", .upgrade),
    ("Expect", .expect), ("Cookie", .cookie), ("Set-Cookie", .setCookie), ("Via", .via),
    ("X-Forwarded-For", .xForwardedFor), ("X-Forwarded-Proto", .xForwardedProto),
    ("X-Forwarded-Host", .xForwardedHost), ("Forwarded", .forwarded), ("Proxy-Status", .proxyStatus),
    ("Cache-Control", .cacheControl), ("Proxy-Authenticate", .proxyAuthenticate),
    ("Proxy-Authorization", .proxyAuthorization), ("Date", .date), ("Content-Type", .contentType), ("Vary", .vary),
    ("X-Original-To", .xOriginalTo), ("Max-Forwards", .maxForwards), ("Content-Length", .contentLength),
    ("Transfer-Encoding", .transferEncoding),
  ])
  func knownNamesAreRecognisedWithoutCase(name: String, id: FieldName) {
    let value = id == .transferEncoding ? "chunked" : "1"
    for spelling in [name, name.lowercased(), name.uppercased()] {
      let line = id == .host ? "" : "Host: a\r\n"
      let parsed = parseRequest("GET / HTTP/1.1\r\n\(line)\(spelling): \(value)\r\n\r\n")
      #expect(parsed.result == .complete)
      #expect(parsed.fields.last?.id == id, "\(spelling)")
    }
    // One letter changed anywhere is another name.
    for index in 0..<name.utf8.count {
      var other = Array(name.utf8)
      other[index] = other[index] == UInt8(ascii: "q") ? UInt8(ascii: "w") : UInt8(ascii: "q")
      let spelling = String(decoding: other, as: UTF8.self)
      let parsed = parseRequest("GET / HTTP/1.1\r\nHost: a\r\n\(spelling): \(value)\r\n\r\n")
      #expect(parsed.fields.last?.id == .other, "\(spelling)")
    }
  }

  @Test(arguments: [
    // RFC 9112 5.1: no white space before the colon.
    ("A : b\r\n", HTTPError.spaceBeforeColon), ("A\t: b\r\n", .spaceBeforeColon),
    ("Content-Length : 5\r\n", .spaceBeforeColon),
    // RFC 9112 5.2: no folding.
    ("A: b\r\n c\r\n", .foldedLine), ("A: b\r\n\tc\r\n", .foldedLine), ("A: b\r\n \r\n", .foldedLine),
    // RFC 9110 5.1, 5.6.2: names are tokens.
    (": b\r\n", .emptyFieldName), ("A B: c\r\n", .invalidFieldName), ("A(: b\r\n", .invalidFieldName),
    ("\u{E9}: b\r\n", .invalidFieldName), ("A\0: b\r\n", .invalidFieldName), ("\"A\": b\r\n", .invalidFieldName),
    ("A\u{7F}: b\r\n", .invalidFieldName), ("A;b: c\r\n", .invalidFieldName), ("\u{0B}A: c\r\n", .invalidFieldName),
    ("Transfer-Encoding\u{0B}: chunked\r\n", .invalidFieldName),
    ("A\r\n", .missingColon), ("A", .missingColon), ("Abcdefghijklmnop\r\n", .missingColon),
    // RFC 9110 5.5: values have no control characters.
    ("A: b\0c\r\n", .controlCharacter), ("A: \u{01}\r\n", .controlCharacter),
    ("A: \u{1F}bcdefghijk\r\n", .controlCharacter),
    ("A: bcdefghijk\u{7F}\r\n", .controlCharacter), ("A: \u{0B}\r\n", .controlCharacter),
    ("A:\u{0C}b\r\n", .controlCharacter),
    // RFC 9112 2.2: lines end with CRLF.
    ("A: b\n", .bareLineFeed), ("A: b\nC: d\r\n", .bareLineFeed), ("A\n: b\r\n", .bareLineFeed),
    ("\nA: b\r\n", .bareLineFeed),
    ("A: b\rC: d\r\n", .bareCarriageReturn), ("A: b\r\r\n", .bareCarriageReturn), ("A\r: b\r\n", .bareCarriageReturn),
    ("\rA: b\r\n", .bareCarriageReturn), ("A: \r b\r\n", .bareCarriageReturn), ("A: b\n\r\n", .bareLineFeed),
  ])
  func brokenFieldLinesAreRefused(fields: String, error: HTTPError) {
    #expect(requestResult(fields: fields) == .invalid(error), "\(fields)")
  }

  @Test func whiteSpaceAtTheFirstFieldLineIsRefused() {
    #expect(parseRequest("GET / HTTP/1.1\r\n Host: a\r\n\r\n").result == .invalid(.foldedLine))
  }

  @Test func aHeadEndingWithBareLineFeedsIsRefused() {
    #expect(parseRequest("GET / HTTP/1.1\r\nHost: a\r\n\n").result == .invalid(.bareLineFeed))
    #expect(parseRequest("GET / HTTP/1.1\nHost: a\n\n").result == .invalid(.bareLineFeed))
  }

  @Test func everyControlByteInAValueIsRefusedAndEveryOtherTaken() {
    for byte in UInt8.min...UInt8.max {
      for padding in 0..<9 {
        let scalar = String(Unicode.Scalar(byte))
        let value = "x" + String(repeating: "v", count: padding) + scalar + "yyyyyyyy"
        let isAllowed = byte == 9 || byte >= 0x20 && byte != 0x7F
        #expect((requestResult(fields: "A: \(value)\r\n") == .complete) == isAllowed, "\(byte)")
      }
    }
  }

  @Test func everyByteInANameIsTakenOrRefusedAsTokensAsk() {
    let special = Set("!#$%&'*+-.^_`|~".utf8)
    for byte in UInt8.min...UInt8.max where byte != UInt8(ascii: ":") {
      for padding in 0..<9 {
        let name = "x" + String(repeating: "v", count: padding) + String(Unicode.Scalar(byte)) + "yyyyyyyy"
        let isLetter =
          byte < 128 && (Character(Unicode.Scalar(byte)).isLetter || Character(Unicode.Scalar(byte)).isNumber)
        #expect(
          (requestResult(fields: "\(name): v\r\n") == .complete) == (isLetter || special.contains(byte)), "\(byte)")
      }
    }
  }

  @Test func everyByteInATargetIsTakenOrRefused() {
    for byte in UInt8.min...UInt8.max where byte != 0x20 {
      for padding in 0..<9 {
        let target = "/" + String(repeating: "v", count: padding) + String(Unicode.Scalar(byte)) + "yyyyyyyy"
        let isAllowed = byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "#")
        #expect((parseRequest("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n").result == .complete) == isAllowed, "\(byte)")
      }
    }
  }

  /// Each is looked for among all fields.
  @Test func connectionNamesABoundedNumberOfFields() {
    func named(_ count: Int) -> String { (0..<count).map { "X-\($0)" }.joined(separator: ",") }
    #expect(requestResult(fields: "Connection: close, \(named(64)), keep-alive\r\n") == .complete)
    #expect(requestResult(fields: "Connection: \(named(65))\r\n") == .invalid(.tooManyFields))
    #expect(
      requestResult(fields: "Connection: \(named(33))\r\nConnection: \(named(32))\r\n") == .invalid(.tooManyFields))
  }

  @Test(arguments: [
    ("websocket", true), ("h2c", false), ("H2C", false), ("websocket, h2c", false), ("h2", false), ("HTTP/2.0", false),
    ("h2cd", true),
  ])
  func anUpgradeToAnotherHTTPIsNone(protocols: String, isUpgrade: Bool) {
    #expect(
      parseRequest("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: \(protocols)\r\n\r\n").head.upgrade
        == isUpgrade)
  }

  @Test func limitsOnFieldsAndHeadAreExact() {
    let two = HeadLimits(fieldsMax: 2)
    #expect(requestResult(fields: "A: b\r\n", limits: two) == .complete)
    #expect(requestResult(fields: "A: b\r\nC: d\r\n", limits: two) == .invalid(.tooManyFields))
    let message = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    #expect(parseRequest(message, capacity: 1).result == .complete)
    #expect(parseRequest("GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n", capacity: 1).result == .invalid(.tooManyFields))
    #expect(parseRequest(message + "body", limits: HeadLimits(headBytesMax: 27)).result == .complete)
    #expect(parseRequest(message, limits: HeadLimits(headBytesMax: 26)).result == .invalid(.headTooLong))
    #expect(
      parseRequest("GET / HTTP/1.1\r\nHost: aaaa", limits: HeadLimits(headBytesMax: 26)).result
        == .invalid(.headTooLong))
  }
}
