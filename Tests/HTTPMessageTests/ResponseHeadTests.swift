import HTTPMessage
import Testing

/// RFC 9112 4, 6.3, 9.3.
@Suite struct ResponseHeadTests {
  @Test func statusReasonAndPositionsAreFound() {
    let (result, head, input, _) = parseResponse(
      "HTTP/1.1 404 Not \u{E9} Found\r\nSet-Cookie: a=b\r\nVia: 1.1 x\r\nProxy-Status: a\r\nProxy-Status: b\r\n\r\nbody"
    )
    #expect(result == .complete)
    #expect(head.status == 404)
    #expect(text(input, head.reason) == "Not \u{E9} Found")
    #expect(head.length == input.count - 4)
    #expect(head.firstSetCookie == 0)
    #expect(head.firstVia == 1)
    #expect(head.lastProxyStatus == 3)
  }

  @Test(arguments: ["HTTP/1.1 200 \r\n\r\n", "HTTP/1.1 200\r\n\r\n"])
  func theReasonMayBeEmpty(message: String) {
    let (result, head, _, _) = parseResponse(message)
    #expect(result == .complete)
    #expect(head.status == 200 && head.reason.isEmpty)
    #expect(head.hasReasonSpace == message.contains("200 "), "only a line with the space may be copied")
  }

  @Test(arguments: [
    ("HTTP/1.1  200 OK", HTTPError.malformedStatusLine), ("HTTP/1.1 20 OK", .malformedStatusLine),
    ("HTTP/1.1 2000 OK", .malformedStatusLine), ("HTTP/1.1 2x0 OK", .malformedStatusLine),
    ("HTTP/1.1 099 OK", .statusOutOfRange), ("HTTP/1.1 600 OK", .statusOutOfRange),
    ("HTTP/1.1 999 OK", .statusOutOfRange),
    ("HTTP/1.1 -20 OK", .malformedStatusLine), ("HTTP/1.1\t200 OK", .malformedStatusLine),
    ("HTTP/1.1 200\tOK", .malformedStatusLine), ("HTTP/2.0 200 OK", .unsupportedVersion),
    ("HTTP/1.2 200 OK", .unsupportedVersion), ("http/1.1 200 OK", .malformedStatusLine),
    ("ICY 200 OK and more", .malformedStatusLine), ("200 OK and more", .malformedStatusLine),
    ("HTTP/1.1", .malformedStatusLine),
    ("HTTP/1.1 ", .malformedStatusLine), ("HTTP/1.1 200 O\0K", .controlCharacter),
    ("HTTP/1.1 200 O\u{7F}K", .controlCharacter),
    ("HTTP/1.1 200 OK\rX: y", .bareCarriageReturn), ("HTTP/1.1 200 OK\nX: y", .bareLineFeed),
    ("HTTP/1.1 200\nX: y", .bareLineFeed),
    (" HTTP/1.1 200 OK", .malformedStatusLine), ("\r\nHTTP/1.1 200 OK", .malformedStatusLine),
  ])
  func brokenStatusLinesAreRefused(line: String, error: HTTPError) {
    #expect(parseResponse("\(line)\r\nA: b\r\n\r\n").0 == .invalid(error), "\(line)")
  }

  @Test(arguments: [
    // RFC 9112 6.3 rule by rule.
    (200, "", false, Framing.untilClose), (200, "Content-Length: 7\r\n", false, .length(7)),
    (200, "Transfer-Encoding: chunked\r\n", false, .chunked), (200, "Content-Length: 7\r\n", true, .none),
    (200, "Transfer-Encoding: chunked\r\n", true, .none), (304, "Content-Length: 7\r\n", false, .none),
    (304, "", false, .none), (204, "", false, .none), (204, "Content-Length: 7\r\n", false, .none),
    (100, "", false, .none), (103, "Content-Length: 7\r\n", false, .none), (101, "", false, .none),
    (500, "", false, .untilClose), (199, "Transfer-Encoding: chunked\r\n", false, .none),
  ])
  func framingFollowsStatusMethodAndFields(status: Int, fields: String, toHead: Bool, framing: Framing) {
    let (result, head, _, dropped) = parseResponse("HTTP/1.1 \(status) X\r\n\(fields)\r\n", toHead: toHead)
    #expect(result == .complete)
    #expect(head.framing == framing)
    #expect(head.keepAlive == (framing != .untilClose))
    // Framing fields where they are forbidden are not forwarded (RFC 9110 8.6).
    #expect(dropped.allSatisfy { $0 == (status < 200 || status == 204) })
  }

  @Test(arguments: [
    ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", HTTPError.contentLengthWithTransferEncoding),
    ("Content-Length: 5\r\nContent-Length: 6\r\n", .repeatedContentLength),
    ("Content-Length: 5, 5\r\n", .invalidContentLength),
    ("Content-Length: -1\r\n", .invalidContentLength), ("Transfer-Encoding: gzip\r\n", .unknownTransferCoding),
    ("Transfer-Encoding: chunked, gzip\r\n", .chunkedNotLast), ("A: b\r\n c\r\n", .foldedLine),
    ("A : b\r\n", .spaceBeforeColon),
    ("A: b\0\r\n", .controlCharacter), ("A: b\rSet-Cookie: c\r\n", .bareCarriageReturn),
    ("A: b\nC: d\r\n", .bareLineFeed),
  ])
  func responsesAreHeldToTheStrictnessOfRequests(fields: String, error: HTTPError) {
    #expect(parseResponse("HTTP/1.1 200 OK\r\n\(fields)\r\n").0 == .invalid(error))
    #expect(parseResponse("HTTP/1.1 204 OK\r\n\(fields)\r\n").0 == .invalid(error))
  }

  @Test func transferEncodingInHTTP10IsRefused() {
    #expect(
      parseResponse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").0 == .invalid(.transferEncodingInHTTP10))
  }

  @Test func persistenceFollowsVersionAndConnection() {
    #expect(parseResponse("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").1.keepAlive)
    #expect(!parseResponse("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").1.keepAlive)
    #expect(!parseResponse("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").1.keepAlive)
    #expect(parseResponse("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n").1.keepAlive)
  }

  @Test func contentLengthIsToldAlsoWithoutABody() {
    #expect(parseResponse("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n", toHead: true).1.contentLength == 77)
  }

  @Test func switchingProtocolsIsTold() {
    let head = parseResponse("HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").1
    #expect(head.upgrade && head.isInterim && head.framing == .none)
  }
}
