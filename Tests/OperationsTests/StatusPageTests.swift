import Foundation
import Testing

@testable import Operations

@Suite struct StatusPageTests {
  private let authentication = BasicAuthentication(user: "Aladdin", password: "open sesame")
  /// The example of RFC 7617 section 2.
  private let credentials = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="

  @Test func theExampleOfTheRFCIsAccepted() {
    #expect(authentication.accepts(Array(credentials.utf8)))
    #expect(authentication.accepts(Array("bAsIc   QWxhZGRpbjpvcGVuIHNlc2FtZQ==".utf8)))
  }

  @Test(arguments: [
    "", "Basic", "Basic ", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ===",
    "Basic qWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "BasicQWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== x", "Basic AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  ])
  func anythingElseIsNot(value: String) { #expect(!authentication.accepts(Array(value.utf8))) }

  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ("foobar", "Zm9vYmFy"),
  ])
  func base64IsThatOfRFC4648(text: String, encoded: String) {
    #expect(BasicAuthentication.base64(Array(text.utf8)) == Array(encoded.utf8))
  }

  private func read(_ request: String, path: String = "/") -> StatusRequest.Outcome {
    StatusRequest.read(Array(request.utf8), path: path, authentication: authentication)
  }

  private func request(_ line: String, _ fields: String...) -> String {
    ([line, "Host: x"] + fields + ["", ""]).joined(separator: "\r\n")
  }

  @Test func whoHasThePasswordSeesThePage() {
    let field = "Authorization: \(credentials)"
    #expect(read(request("GET / HTTP/1.1", field)) == .page(asJSON: false, isHead: false))
    #expect(read(request("HEAD /?x=1 HTTP/1.1", field)) == .page(asJSON: false, isHead: true))
    #expect(read(request("GET /?format=json HTTP/1.1", field)) == .page(asJSON: true, isHead: false))
    #expect(read(request("GET /status HTTP/1.1", field), path: "/status") == .page(asJSON: false, isHead: false))
  }

  private func status(_ outcome: StatusRequest.Outcome) -> String {
    guard case .answer(let text) = outcome else { return "\(outcome)" }
    return String(text.split(separator: " ")[1])
  }

  @Test func whoHasNotIsToldNothingElse() {
    for line in ["GET / HTTP/1.1", "POST / HTTP/1.1", "GET /nowhere HTTP/1.1"] {
      #expect(status(read(request(line))) == "401")
      #expect(status(read(request(line, "Authorization: Basic QUFB"))) == "401")
    }
    let twice = request("GET / HTTP/1.1", "Authorization: \(credentials)", "Authorization: \(credentials)")
    #expect(status(read(twice)) == "401")
    guard case .answer(let text) = read(request("GET / HTTP/1.1")) else {
      Issue.record("no answer")
      return
    }
    #expect(text.contains("\r\nWWW-Authenticate: Basic realm="))
  }

  @Test func otherMethodsPathsAndGarbageHaveTheirOwnAnswers() {
    let field = "Authorization: \(credentials)"
    #expect(status(read(request("DELETE / HTTP/1.1", field))) == "405")
    #expect(status(read(request("GET /else HTTP/1.1", field))) == "404")
    #expect(status(read("\u{1}\u{2}\r\n\r\n")) == "400")
    #expect(read("GET / HTTP/1.1\r\nHost: x\r\n") == .needsMore)
    #expect(status(read("GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 9_000))) == "431")
    #expect(status(read(request("FETCH / HTTP/1.1", field))) == "405")
    #expect(status(read(request("GET / HTTP/2.0", field))) == "505")
    guard case .answer(let text) = read(request("FETCH / HTTP/1.1", field)) else {
      Issue.record("no answer")
      return
    }
    #expect(text.contains("\r\nAllow: GET, HEAD\r\n"))
  }

  /// RFC 9110 section 9.3.2: the same fields, no content.
  @Test(arguments: ["/", "/else"])
  func anAnswerToHEADHasNoBodyWhateverItSays(target: String) throws {
    for field in ["X: y", "Authorization: \(credentials)"] {
      let answers = ["GET", "HEAD"].map { read(request("\($0) \(target) HTTP/1.1", field)) }
      guard case .answer(let whole) = answers[0], case .answer(let head) = answers[1] else {
        #expect(answers == [.page(asJSON: false, isHead: false), .page(asJSON: false, isHead: true)])
        continue
      }
      let end = try #require(whole.range(of: "\r\n\r\n"))
      #expect(head == whole[..<end.upperBound])
      #expect(whole.contains("\r\nContent-Length: \(whole[end.upperBound...].utf8.count)\r\n"))
    }
  }

  @Test func whatOthersWroteIsTextOnThePage() {
    let server = NodeStatus.Server(
      name: "W", site: "S", address: "127.0.0.1:80", tier: 0, state: "drain", health: "up", deadline: nil, weight: 1,
      plannedWeight: 1, inFlight: 3, maxConnections: 7, since: 0, reason: "<script>&\"'", checks: [], requests: 41,
      failures: 2, timesDown: 1)
    let page = NodeStatus(
      node: "N", role: "site-balancer", network: "net", digest: "d", phase: "running", state: "ready", deadline: nil,
      since: 0, reason: "", clients: 5, now: 60_000, pools: [.init(application: "shop", servers: [server])],
      counters: [.init(name: "redirects", value: 9)]
    ).html
    #expect(page.contains("&lt;script&gt;&amp;&quot;&#39;") && !page.contains("<script>"))
    for words in ["<tr class=\"drain\">", ">3/7<", ">41<", ">redirects<", ">9<", "5 connections of clients"] {
      #expect(page.contains(words), "\(words)")
    }
  }
}
