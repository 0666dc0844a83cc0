import HTTPMessage
import Testing

/// RFC 9112 2 and 3.
@Suite struct RequestLineTests {
  @Test func methodTargetVersionAndPositionsAreFound() {
    let parsed = parseRequest("POST /a/b?c=d HTTP/1.0\r\nA: b\r\n\r\nbody")
    #expect(parsed.result == .complete)
    #expect(parsed.head.method == .post)
    #expect(parsed.text(parsed.head.methodName) == "POST")
    #expect(parsed.text(parsed.head.target) == "/a/b?c=d")
    #expect(parsed.text(parsed.head.path) == "/a/b?c=d")
    #expect(parsed.head.targetForm == .origin)
    #expect(parsed.head.minorVersion == 0)
    #expect(parsed.head.fieldsStart == 24)
    #expect(parsed.head.length == 32)
  }

  @Test(arguments: [
    ("GET", Method.get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("DELETE", .delete), ("TRACE", .trace),
    ("PATCH", .patch), ("OPTIONS", .options), ("get", .other), ("PROPFIND", .other), ("M-SEARCH", .other),
    ("G", .other), ("GETT", .other), ("!#$%&'*+-.^_`|~09", .other),
  ])
  func methodsAreTokensAndCaseSensitive(name: String, method: Method) {
    let parsed = parseRequest("\(name) / HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(parsed.result == .complete)
    #expect(parsed.head.method == method)
    #expect(parsed.text(parsed.head.methodName) == name)
  }

  @Test(arguments: [
    // RFC 9112 3: single spaces, nothing around them.
    ("GET  / HTTP/1.1", HTTPError.malformedRequestLine), ("GET /  HTTP/1.1", .malformedVersion),
    (" GET / HTTP/1.1", .malformedRequestLine), ("GET\t/ HTTP/1.1", .malformedRequestLine),
    ("GET / HTTP/1.1 ", .malformedVersion), ("GET /\tHTTP/1.1", .invalidTarget), ("GET /", .malformedRequestLine),
    ("GET", .malformedRequestLine), ("GET ", .malformedRequestLine), ("GET / ", .malformedVersion),
    ("GET /a b HTTP/1.1", .malformedVersion), ("G(T / HTTP/1.1", .malformedRequestLine),
    ("G\u{E9}T / HTTP/1.1", .malformedRequestLine), ("G\0T / HTTP/1.1", .controlCharacter),
    ("GET:/ HTTP/1.1", .malformedRequestLine),
    // RFC 9112 3: an unrecognised, overlong method.
    (String(repeating: "A", count: 33) + " / HTTP/1.1", .methodTooLong),
    // RFC 9112 3.2: the target.
    ("GET /a#b HTTP/1.1", .invalidTarget), ("GET /\u{7F} HTTP/1.1", .invalidTarget),
    ("GET /\u{E9} HTTP/1.1", .invalidTarget), ("GET /\0 HTTP/1.1", .invalidTarget),
    ("GET a HTTP/1.1", .invalidTarget), ("GET * HTTP/1.1", .invalidTarget), ("OPTIONS ** HTTP/1.1", .invalidTarget),
    ("GET a.example:80 HTTP/1.1", .invalidTarget), ("GET ftp://a/ HTTP/1.1", .invalidTarget),
    ("GET http:/a/ HTTP/1.1", .invalidTarget), ("GET http:///a HTTP/1.1", .invalidTarget),
    ("GET http:// HTTP/1.1", .invalidTarget), ("GET http://a:b/ HTTP/1.1", .invalidTarget),
    ("GET http://a:70000/ HTTP/1.1", .invalidTarget), ("GET http://[::1/ HTTP/1.1", .invalidTarget),
    ("GET http://u@a/ HTTP/1.1", .userinfoInTarget), ("GET http://u:p@a/ HTTP/1.1", .userinfoInTarget),
    ("CONNECT a:443 HTTP/1.1", .connectNotSupported), ("CONNECT / HTTP/1.1", .connectNotSupported),
    // RFC 9112 2.3: the version.
    ("GET / HTTP/2.0", .unsupportedVersion), ("PRI * HTTP/2.0", .invalidTarget),
    ("GET / HTTP/1.2", .unsupportedVersion),
    ("GET / HTTP/3.0", .unsupportedVersion), ("GET / HTTP/0.9", .malformedVersion), ("GET / HTTP/2", .malformedVersion),
    ("GET / http/1.1", .malformedVersion), ("GET / HTTP/1.10", .malformedVersion), ("GET / HTTP/11", .malformedVersion),
    ("GET / HTTP/01.1", .malformedVersion), ("GET / HTTP/1,1", .malformedVersion), ("GET / HTP/1.1", .malformedVersion),
    ("GET / HTTP /1.1", .malformedVersion), ("GET / HTTP/-1.1", .malformedVersion),
    ("GET / ICY/1.1", .malformedVersion),
    ("GET / HTTP/1.1\0", .malformedVersion), ("GET / HTTP/1.\0", .controlCharacter),
  ])
  func brokenRequestLinesAreRefused(line: String, error: HTTPError) {
    #expect(parseRequest("\(line)\r\nHost: a\r\n\r\n").result == .invalid(error), "\(line)")
  }

  @Test func statusesOfRefusalsAreThoseOfTheRFCs() {
    #expect(HTTPError.unsupportedVersion.status == 505)
    #expect(HTTPError.connectNotSupported.status == 501)
    #expect(HTTPError.unknownTransferCoding.status == 501)
    #expect(HTTPError.targetTooLong.status == 414)
    #expect(HTTPError.headTooLong.status == 431)
    #expect(HTTPError.tooManyFields.status == 431)
    #expect(HTTPError.malformedVersion.status == 400)
    for error in HTTPError.allCases { #expect(error.text.utf8CodeUnitCount > 0) }
  }

  @Test(arguments: [0, 1, 2])
  func aFewEmptyLinesBeforeTheRequestLineAreSkipped(lines: Int) {
    let parsed = parseRequest(String(repeating: "\r\n", count: lines) + "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(parsed.result == .complete)
    #expect(parsed.head.start == 2 * lines)
    #expect(parsed.head.length == 27 + 2 * lines)
  }

  @Test func emptyLinesBeforeTheRequestLineAreBoundedAndStrict() {
    #expect(parseRequest("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").result == .invalid(.tooManyEmptyLines))
    #expect(parseRequest("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").result == .invalid(.bareLineFeed))
    #expect(parseRequest("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n").result == .invalid(.bareCarriageReturn))
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\nHost: a\r\n\r\n", HTTPError.bareLineFeed),
    ("GET /\nHTTP/1.1\r\nHost: a\r\n\r\n", .bareLineFeed), ("GET\n/ HTTP/1.1\r\n\r\n", .bareLineFeed),
    ("GET / HTTP/1.1\rHost: a\r\n\r\n", .bareCarriageReturn),
    ("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", .bareCarriageReturn),
    ("GET /\rHTTP/1.1\r\nHost: a\r\n\r\n", .bareCarriageReturn),
  ])
  func lineEndsInTheRequestLineAreCRLFOnly(message: String, error: HTTPError) {
    #expect(parseRequest(message).result == .invalid(error))
  }

  /// RFC 9112 3.2.2 to 3.2.4.
  @Test func absoluteFormGivesAuthorityAndPathAndOverridesHost() {
    let parsed = parseRequest("GET hTTp://b.example:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(parsed.result == .complete)
    #expect(parsed.head.targetForm == .absolute)
    #expect(parsed.text(parsed.head.host) == "b.example:81")
    #expect(parsed.text(parsed.head.path) == "/x?y")
    #expect(parsed.head.hostDiffers)

    let same = parseRequest("GET https://A?q HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(same.result == .complete)
    #expect(same.text(same.head.path) == "?q")
    #expect(!same.head.hostDiffers)

    let old = parseRequest("GET http://a HTTP/1.0\r\n\r\n")
    #expect(old.result == .complete)
    #expect(old.head.hostDiffers && old.head.path.isEmpty)
  }

  @Test func asteriskFormIsForOptions() {
    let parsed = parseRequest("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(parsed.result == .complete)
    #expect(parsed.head.targetForm == .asterisk)
  }

  @Test func theTargetLimitIsExact() {
    let limits = HeadLimits(targetBytesMax: 10)
    #expect(parseRequest("GET /123456789 HTTP/1.1\r\nHost: a\r\n\r\n", limits: limits).result == .complete)
    #expect(
      parseRequest("GET /1234567890 HTTP/1.1\r\nHost: a\r\n\r\n", limits: limits).result == .invalid(.targetTooLong))
    #expect(parseRequest("GET /1234567890", limits: limits).result == .invalid(.targetTooLong))
    #expect(parseRequest("GET /123456789", limits: limits).result == .needMore(scannedUpTo: 14))
  }
}
