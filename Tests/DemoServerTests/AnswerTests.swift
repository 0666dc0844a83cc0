import Testing

@testable import DemoServer

@Suite struct AnswerTests {
  @Test(
    arguments: [
      ([], []),
      (["1.1 OP1"], ["OP1"]),
      (["1.1 OP1, 1.1 SD1 (a comment)", "HTTP/1.1 S1L1"], ["OP1", "SD1", "S1L1"]),
      (["nonsense"], []),
    ] as [([String], [String])])
  func theViaFieldsGiveThePath(fields: [String], names: [String]) {
    #expect(Answer.nodes(via: fields) == names)
  }

  @Test(
    arguments: [
      (["JSESSIONID=a"], ["a"]),
      (["x=1; JSESSIONID=a;JSESSIONID=b ", "JSESSIONID=c=d"], ["a", "b", "c=d"]),
      (["jsessionid=a; XJSESSIONID=b; JSESSIONID"], []),
    ] as [([String], [String])])
  func everyCookieOfTheNameIsFoundInOrder(fields: [String], values: [String]) {
    #expect(RequestCookies.values(of: "JSESSIONID", in: fields) == values)
  }

  @Test func theQueryShapesTheAnswer() throws {
    let parameters = try TrialParameters(
      target: "/a?delay=250ms&bytes=10&status=503&chunked=1&close=1&format=json&other=x")
    #expect(parameters.delay == .milliseconds(250) && parameters.bytes == 10 && parameters.status == 503)
    #expect(parameters.chunked && parameters.close && parameters.format == .json)
    #expect(try TrialParameters(target: "/a") == TrialParameters())
  }

  @Test(arguments: [
    "delay=5", "delay=301s", "delay=-1s", "bytes=-1", "bytes=67108865", "status=199", "status=x", "chunked=2",
    "format=xml",
  ])
  func aValueThatCannotBeUsedIsRefused(pair: String) {
    #expect(throws: TrialParameters.Invalid.self) { try TrialParameters(target: "/?" + pair) }
  }

  @Test func pagesEscapeWhatTheClientSent() {
    let answer = Answer(
      server: "W", site: nil, application: "shop", session: "s", isNew: true, visits: 1, path: ["W"],
      forwardedFor: "<script>", method: "GET", target: "/\"\n", bodyBytes: 0, bodyDigest: "", requestID: nil,
      headers: [("A", "b\\")])
    #expect(!answer.html.contains("<script>"))
    #expect(answer.json.contains(#""target":"/\"\n""#))
    #expect(answer.json.contains(#"[["A","b\\"]]"#))
  }

  /// Test vectors of the FNV authors.
  @Test(arguments: [("", "cbf29ce484222325"), ("a", "af63dc4c8601ec8c"), ("foobar", "85944171f73967e8")])
  func theDigestIsFNV1a(text: String, digest: String) {
    var body = BodyDigest()
    Array(text.utf8).withUnsafeBytes { body.update($0) }
    #expect(body.text == digest)
  }

  @Test(arguments: [(0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT")])
  func datesAreThoseOfHTTP(seconds: Int, text: String) {
    #expect(WallClock.httpDate(seconds) == text)
  }
}
