import HTTPMessage
import Testing

/// RFC 9112 6 for requests, RFC 9110 7.2 for Host.
@Suite struct FramingTests {
  @Test(arguments: [
    ("", Framing.none), ("Content-Length: 0\r\n", .length(0)), ("Content-Length: 10\r\n", .length(10)),
    ("Content-Length:10 \r\n", .length(10)), ("content-length: 007\r\n", .length(7)),
    ("Content-Length: 9223372036854775807\r\n", .length(9_223_372_036_854_775_807)),
    ("Transfer-Encoding: chunked\r\n", .chunked), ("TRANSFER-ENCODING:CHUNKED\r\n", .chunked),
    ("Transfer-Encoding:\tchunked\t\r\n", .chunked),
  ])
  func framingIsRead(fields: String, framing: Framing) {
    let parsed = parseRequest("POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
    #expect(parsed.result == .complete)
    #expect(parsed.head.framing == framing)
  }

  @Test(arguments: [
    "", " ", "+5", "-5", "5 5", "5, 5", "5,5", "5,", ",5", "0x5", "5a", "a5", "5.0", "1e3", "\"5\"", "5;", "5\u{A0}",
    "\u{B2}", "9223372036854775808", "18446744073709551616", "18446744073709551621", "00000000000000000005",
    "99999999999999999999999", "5_0",
  ])
  func malformedContentLengthIsRefused(value: String) {
    #expect(requestResult(fields: "Content-Length: \(value)\r\n") == .invalid(.invalidContentLength), "\(value)")
  }

  @Test(arguments: [
    ("Content-Length: 5\r\nContent-Length: 5\r\n", HTTPError.repeatedContentLength),
    ("Content-Length: 5\r\nContent-Length: 6\r\n", .repeatedContentLength),
    ("Content-Length: 5\r\ncontent-length: 05\r\n", .repeatedContentLength),
    ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", .contentLengthWithTransferEncoding),
    ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", .contentLengthWithTransferEncoding),
    ("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n", .contentLengthWithTransferEncoding),
    ("Transfer-Encoding: \r\n", .invalidTransferEncoding), ("Transfer-Encoding: ,\r\n", .invalidTransferEncoding),
    ("Transfer-Encoding: chunked,\r\n", .invalidTransferEncoding),
    ("Transfer-Encoding: ,chunked\r\n", .invalidTransferEncoding),
    ("Transfer-Encoding: , chunked\r\n", .invalidTransferEncoding),
    ("Transfer-Encoding: chunked, , gzip\r\n", .invalidTransferEncoding),
    ("Transfer-Encoding: \"chunked\"\r\n", .invalidTransferEncoding),
    ("Transfer-Encoding: chunked;a=b\r\n", .invalidTransferEncoding),
    ("Transfer-Encoding: chunked ;\r\n", .invalidTransferEncoding),
    ("Transfer-Encoding: chunked chunked\r\n", .invalidTransferEncoding),
    ("Transfer-Encoding: chun ked\r\n", .invalidTransferEncoding),
    ("Transfer-Encoding: chunked\u{A0}\r\n", .invalidTransferEncoding),
    ("Transfer-Encoding: \u{E7}hunked\r\n", .invalidTransferEncoding),
    ("Transfer-Encoding: [chunked]\r\n", .invalidTransferEncoding),
    ("Transfer-Encoding: chunked:\r\n", .invalidTransferEncoding),
    ("Transfer-Encoding: chunked, chunked\r\n", .repeatedChunked),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", .repeatedChunked),
    ("Transfer-Encoding: chunked, gzip\r\n", .chunkedNotLast),
    ("Transfer-Encoding: chunked, identity\r\n", .chunkedNotLast),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", .chunkedNotLast),
    ("Transfer-Encoding: gzip, chunked\r\n", .unknownTransferCoding),
    ("Transfer-Encoding: gzip\r\n", .unknownTransferCoding),
    ("Transfer-Encoding: identity\r\n", .unknownTransferCoding),
    ("Transfer-Encoding: identity, chunked\r\n", .unknownTransferCoding),
    ("Transfer-Encoding: xchunked\r\n", .unknownTransferCoding),
    ("Transfer-Encoding: chunked-x\r\n", .unknownTransferCoding),
    ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", .unknownTransferCoding),
    ("Transfer-Encoding: foo;q=\"1\", chunked\r\n", .unknownTransferCoding),
    ("Transfer-Encoding: 'chunked'\r\n", .unknownTransferCoding),
    ("Transfer-Encoding: \u{0B}chunked\r\n", .controlCharacter),
    ("Transfer-Encoding: chunked\0\r\n", .controlCharacter),
    ("Transfer-Encoding:\r\n chunked\r\n", .invalidTransferEncoding),
    ("Transfer-Encoding: gzip\r\n , chunked\r\n", .foldedLine),
    ("Transfer-Encoding : chunked\r\n", .spaceBeforeColon), ("Transfer Encoding: chunked\r\n", .invalidFieldName),
    (" Transfer-Encoding: chunked\r\n", .foldedLine), ("Transfer-Encoding\n: chunked\r\n", .bareLineFeed),
  ])
  func contradictoryFramingIsRefused(fields: String, error: HTTPError) {
    #expect(requestResult(fields: fields, line: "POST / HTTP/1.1") == .invalid(error), "\(fields)")
  }

  @Test func transferEncodingInHTTP10IsRefused() {
    #expect(
      requestResult(fields: "Transfer-Encoding: chunked\r\n", line: "POST / HTTP/1.0")
        == .invalid(.transferEncodingInHTTP10))
  }

  @Test(arguments: [
    "a", "a.example", "a.example:80", "a:", "127.0.0.1", "[::1]", "[::1]:80", "[2001:db8::1]", "[::ffff:1.2.3.4]",
    "a_b",
    "[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7::]", "%41b", "a:65535", "xn--bcher-kva.example",
  ])
  func validHostsAreTaken(host: String) {
    let parsed = parseRequest("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n")
    #expect(parsed.result == .complete, "\(host)")
    #expect(parsed.text(parsed.head.host) == host)
  }

  @Test(arguments: [
    "", "a b", "a/b", "a@b", "u:p@a", "a,b", "a, b", "a:b", "a:65536", "a:123456", ":80", "a?b", "a#b", "a\\b", "[::1",
    "::1",
    "[]", "[:::]", "[1]", "[1:2:3:4:5:6:7:8:9]", "[::1]a", "[g::]", "[1::2::3]", "[:1::2]", "[12345::]", "[::1.2.3]",
    "[::1%25eth0]",
    "a%4", "a%zz", "\u{E9}", "a\"", "a<b>", "http://a", "a:-1", "a:+1", "a: 80", "[::1.2.3.256]", "[1:2:3:4:5:6:7:8::]",
    "[1:]",
  ])
  func invalidHostsAreRefused(host: String) {
    #expect(parseRequest("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n").result == .invalid(.invalidHost), "\(host)")
    #expect(parseRequest("GET / HTTP/1.0\r\nHost: \(host)\r\n\r\n").result == .invalid(.invalidHost), "\(host)")
  }

  @Test func hostIsAskedForOnceAndInHTTP11Always() {
    #expect(parseRequest("GET / HTTP/1.1\r\n\r\n").result == .invalid(.missingHost))
    #expect(parseRequest("GET http://a/ HTTP/1.1\r\n\r\n").result == .invalid(.missingHost))
    #expect(parseRequest("GET / HTTP/1.0\r\n\r\n").result == .complete)
    #expect(requestResult(fields: "Host: a\r\n") == .invalid(.repeatedHost))
    #expect(requestResult(fields: "hOST: b\r\n") == .invalid(.repeatedHost))
  }
}
