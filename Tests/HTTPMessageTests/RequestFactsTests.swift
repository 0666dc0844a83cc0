import HTTPMessage
import Testing

/// RFC 9110 7.6, 7.8, 10.1; RFC 9112 9.3.
@Suite struct RequestFactsTests {
  @Test(arguments: [
    ("1.1", "", true), ("1.0", "", false), ("1.1", "Connection: close\r\n", false),
    ("1.0", "Connection: keep-alive\r\n", true),
    ("1.1", "Connection: Close\r\n", false), ("1.1", "Connection: keep-alive, close\r\n", false),
    ("1.0", "Connection: keep-alive, close\r\n", false), ("1.1", "Connection: x\r\nConnection: ,close ,\r\n", false),
    ("1.1", "Connection: closed\r\n", true), ("1.0", "Connection: Keep-Alive, x\r\n", true),
    ("1.0", "Connection: keep-alivf\r\n", false),
    ("1.0", "Proxy-Connection: keep-alive\r\n", false),
  ])
  func persistenceFollowsVersionAndConnection(version: String, fields: String, keepAlive: Bool) {
    let parsed = parseRequest("GET / HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n")
    #expect(parsed.result == .complete)
    #expect(parsed.head.keepAlive == keepAlive)
  }

  @Test(arguments: [
    ("1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", true),
    ("1.1", "Connection: keep-alive, upgrade\r\nUpgrade: websocket\r\n", true),
    ("1.1", "Upgrade: websocket\r\n", false), ("1.1", "Connection: upgrade\r\n", false),
    ("1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n", false),
  ])
  func upgradeNeedsBothFieldsAndHTTP11(version: String, fields: String, upgrade: Bool) {
    #expect(parseRequest("GET / HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n").head.upgrade == upgrade)
  }

  @Test func expectContinueNeedsABodyAndHTTP11() {
    let fields = "Content-Length: 5\r\nExpect: 100-Continue\r\n"
    #expect(parseRequest("POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n").head.expectsContinue)
    #expect(!parseRequest("POST / HTTP/1.0\r\nHost: a\r\n\(fields)\r\n").head.expectsContinue)
    #expect(!parseRequest("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n").head.expectsContinue)
  }

  @Test func firstFieldsOfInterestAreIndexed() {
    let head = parseRequest(
      "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nCookie: a=b\r\nCookie: c=d\r\nVia: 1.1 x\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
    ).head
    #expect(head.hostField == 0)
    #expect(head.firstCookie == 2)
    #expect(head.firstVia == 4)
    #expect(head.firstForwardedFor == 5)
    #expect(head.firstUpgrade == nil)
  }

  @Test(arguments: [
    ("TRACE", "Max-Forwards: 0\r\n", 0), ("OPTIONS", "Max-Forwards: 12\r\n", 12), ("GET", "Max-Forwards: 0\r\n", -1),
    ("TRACE", "", -1), ("TRACE", "Max-Forwards: 99999999999999999999999999\r\n", Int(Int32.max)),
  ])
  func maxForwardsCountsForTraceAndOptions(method: String, fields: String, number: Int) {
    let parsed = parseRequest("\(method) / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
    #expect(parsed.result == .complete)
    #expect(Int(parsed.head.maxForwards) == number)
  }

  @Test(arguments: ["Max-Forwards: \r\n", "Max-Forwards: -1\r\n", "Max-Forwards: 1\r\nMax-Forwards: 2\r\n"])
  func malformedMaxForwardsIsRefused(fields: String) {
    #expect(requestResult(fields: fields, line: "TRACE / HTTP/1.1") == .invalid(.invalidMaxForwards))
  }

  @Test func hopByHopFieldsAndThoseNamedByConnectionAreDropped() {
    let message =
      "GET / HTTP/1.1\r\nHost: a\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nConnection: x-hop, close, Host, content-length, VIA\r\n"
      + "Content-Length: 0\r\nTE: trailers\r\nX-Stay: 1\r\nUpgrade: h2c\r\nProxy-Connection: close\r\nVia: 1.1 n\r\nX-HOP: 2\r\n\r\n"
    let input = bytes(message)
    var head = RequestHead()
    var table = FieldTable()
    let kept = withView(input) { view -> [String] in
      #expect(parseRequestHead(view, limits: HeadLimits(), head: &head, into: &table) == .complete)
      #expect(head.connectionNamesFields)
      table.dropHopByHop(in: view)
      var runs: [String] = []
      var index = 0
      while let run = table.nextKeptRun(&index) { runs.append(text(input, run)) }
      return runs
    }
    #expect(kept == ["Host: a\r\n", "Content-Length: 0\r\n", "X-Stay: 1\r\n", "Via: 1.1 n\r\n"])
  }

  @Test func exceptionsKeepTransferEncodingAndUpgrade() {
    let input = bytes(
      "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: upgrade, transfer-encoding\r\nUpgrade: websocket\r\n\r\n"
    )
    for (exceptions, expected) in [
      (FieldTable.HopByHopExceptions.transferEncoding, [false, false, true, true]),
      (.upgrade, [false, true, true, false]), ([], [false, true, true, true]),
    ] {
      var head = RequestHead()
      var table = FieldTable()
      withView(input) { view in
        #expect(parseRequestHead(view, limits: HeadLimits(), head: &head, into: &table) == .complete)
        table.dropHopByHop(in: view, except: exceptions)
        #expect((0..<table.count).map { table[$0].isDropped } == expected)
      }
    }
  }

  @Test func nothingDroppedIsOneRun() {
    let input = bytes("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n")
    var head = RequestHead()
    var table = FieldTable()
    withView(input) { view in
      #expect(parseRequestHead(view, limits: HeadLimits(), head: &head, into: &table) == .complete)
      var index = 0
      #expect(table.nextKeptRun(&index) == ByteRange(16, 31))
      #expect(table.nextKeptRun(&index) == nil)
      #expect(table.firstIndex(named: ByteView("hOsT"), in: view) == 0)
      #expect(table.firstIndex(of: .cookie) == nil)
    }
  }
}
