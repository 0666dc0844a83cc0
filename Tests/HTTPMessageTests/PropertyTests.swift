import TestRandom
import Testing

@testable import HTTPMessage

@Suite struct PropertyTests {
  static let requests = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nGET /abc?d=e HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11)\r\nAccept: */*\r\nCookie: SITE=SITE1; a=b\r\n"
      + "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\r\nGET /next",
    "POST http://b:80/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5\r\nhello\r\n",
    "PUT /x HTTP/1.0\r\nContent-Length: 12\r\nVia: 1.1 a\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
    "GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nA: b\rC: d\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nA: b\0\r\n\r\n",
    "GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "garbage\r\n\r\n",
    "GET / HTTP/2.0\r\n\r\n",
    "\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
  ]

  /// Feeds the pieces that end at `cuts` and gives the last result.
  func deliver(_ input: [UInt8], cuts: [Int], limits: HeadLimits, head: inout RequestHead, table: inout FieldTable)
    -> HeadResult
  {
    var resume = 0
    for cut in cuts + [input.count] {
      // Only the bytes that have come exist.
      let result = withView(Array(input[..<cut])) {
        parseRequestHead($0, resumeOffset: resume, limits: limits, head: &head, into: &table)
      }
      guard case .needMore(let scanned) = result else { return result }
      resume = scanned
    }
    return .needMore(scannedUpTo: resume)
  }

  func summary(_ head: RequestHead, _ table: borrowing FieldTable) -> String {
    var text = "\(head)"
    for index in 0..<table.count { text += "\(table[index])" }
    return text
  }

  @Test(arguments: requests, [HeadLimits(), HeadLimits(headBytesMax: 60), HeadLimits(targetBytesMax: 3, fieldsMax: 2)])
  func anySplitOfARequestGivesTheSameHead(message: String, limits: HeadLimits) {
    let input = bytes(message)
    var generator = Generator(seed: 1)
    var head = RequestHead()
    var table = FieldTable()
    let whole = deliver(input, cuts: [], limits: limits, head: &head, table: &table)
    let expected = summary(head, table)
    var allCuts = [Array(1..<input.count)]
    for cut in 1..<input.count { allCuts.append([cut]) }
    for _ in 0..<50 { allCuts.append((0..<5).map { _ in Int.random(in: 0..<input.count, using: &generator) }.sorted()) }
    for cuts in allCuts {
      var splitHead = RequestHead()
      var splitTable = FieldTable()
      let split = deliver(input, cuts: cuts, limits: limits, head: &splitHead, table: &splitTable)
      #expect(split == whole, "\(cuts)")
      if whole == .complete { #expect(summary(splitHead, splitTable) == expected) }
    }
  }

  @Test func anySplitOfAResponseGivesTheSameHead() {
    for message in [
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\n\r\nhello", "HTTP/1.0 304\r\n\r\n",
      "HTTP/1.1 200 OK\nA: b\r\n\r\n",
      "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 20\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
      let whole = parseResponse(message)
      let input = bytes(message)
      for step in 1..<input.count {
        var head = ResponseHead()
        var table = FieldTable()
        var resume = 0
        var result = HeadResult.needMore(scannedUpTo: 0)
        var cut = step
        while true {
          result = withView(Array(input[..<min(cut, input.count)])) {
            parseResponseHead($0, resumeOffset: resume, toHead: false, limits: HeadLimits(), head: &head, into: &table)
          }
          guard case .needMore(let scanned) = result, cut < input.count else { break }
          resume = scanned
          cut += step
        }
        #expect(result == whole.0)
        if result == .complete { #expect("\(head)" == "\(whole.1)") }
      }
    }
  }

  /// A head in single bytes is parsed in full only a few times, so that its cost is linear.
  @Test(arguments: ["A: " + String(repeating: "v", count: 30_000) + "\r\n", String(repeating: "a:\r\n", count: 7_500)])
  func aHeadInSingleBytesIsParsedAFewTimesOnly(fields: String) {
    let input = bytes("GET / HTTP/1.1\r\n\(fields)\r\n")
    let parses = withView(input) { view in
      (1..<view.count).count { HeadResumption.worthParsing(view.slice(0, $0 + 1), resumeOffset: $0, limit: 100_000) }
    }
    #expect(parses <= 18)
  }

  @Test func randomMutationsNeverTrapAndNeverLeaveTheHead() {
    var generator = Generator(seed: 5)
    let alphabet = bytes("\r\n :;,=\0\t\"aZ09-/#@[]~|%\u{7F}\u{80}\u{FF}")
    var table = FieldTable(capacity: 16)
    for round in 0..<20_000 {
      var input = bytes(Self.requests[round % Self.requests.count])
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let position = Int.random(in: 0..<input.count, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: input[position] = alphabet.randomElement(using: &generator)!
        case 1: input.insert(alphabet.randomElement(using: &generator)!, at: position)
        case 2: if input.count > 1 { input.remove(at: position) }
        default: input[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        }
      }
      withView(input) { view in
        var head = RequestHead()
        if parseRequestHead(view, limits: HeadLimits(), head: &head, into: &table) == .complete {
          checkHead(view, head, &table)
        }
        var response = ResponseHead()
        _ = parseResponseHead(view, toHead: false, limits: HeadLimits(), head: &response, into: &table)
        var scanner = ChunkedScanner()
        _ = scanner.scan(view)
        useOtherReaders(view)
      }
    }
  }

  /// What is true of every head that is taken.
  func checkHead(_ view: ByteView, _ head: RequestHead, _ table: inout FieldTable) {
    #expect(head.length <= view.count)
    var position = head.fieldsStart
    var lengths = 0
    var codings = 0
    for index in 0..<table.count {
      let field = table[index]
      #expect(field.line.start == position)
      #expect(field.name.end < field.value.start && field.value.end <= field.line.end - 2)
      position = field.line.end
      if view[field.name].equalsIgnoringCase(ByteView("content-length")) { lengths += 1 }
      if view[field.name].equalsIgnoringCase(ByteView("transfer-encoding")) { codings += 1 }
    }
    #expect(position + 2 == head.length)
    #expect(lengths + codings <= 1)
    table.dropHopByHop(in: view)
  }

  func useOtherReaders(_ view: ByteView) {
    var cookies = CookieScanner(view)
    while cookies.next() != nil {}
    var removal = CookieRemoval(of: ByteView("SITE"), from: view)
    while removal.next() != nil {}
    _ = SetCookieView(view)
    _ = DatedValue(view)
    _ = PrefixedValue(view)
    _ = ProxyStatusMember(lastOf: view)
    _ = Via.contains(view, pseudonym: ByteView("a"))
    var members = ListMembers(view)
    while members.next() != nil {}
  }

  @Test func spansGiveTheSameView() {
    let input = bytes("a=b")
    let count = input.span.withByteView { view in view.count }
    #expect(count == 3)
    #expect(FieldName.allCases.count == 27)
  }
}
