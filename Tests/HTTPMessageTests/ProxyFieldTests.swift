import HTTPMessage
import Testing

@Suite struct ProxyFieldTests {
  /// RFC 9209 2, RFC 8941 3.1.
  @Test(
    arguments: [
      ("S1L1; error=destination_unavailable", "S1L1", "destination_unavailable"), ("a, b;error=x, S1L1", "S1L1", nil),
      ("a;error=x, S1L1;details=\"x, y;error=z\";error=connection_limit_reached", "S1L1", "connection_limit_reached"),
      ("\"S1L1\";error=x", "S1L1", "x"), ("S1L1;a=?1;b=1.5;c=:YQ:;error=x;d", "S1L1", "x"),
      ("S1L1 ; error=x", nil, nil),
      ("", nil, nil), ("a,", nil, nil), ("\"a", nil, nil), ("a;error=\"x", nil, nil), ("\"a\\\"b\"", nil, nil),
      ("a error=x", nil, nil),
      ("a;error=", nil, nil), ("a;", nil, nil), ("a;error", "a", nil), ("a;error=x;error=y", "a", "y"),
      ("(a b)", nil, nil),
    ] as [(String, String?, String?)])
  func theLastMemberOfProxyStatusIsRead(value: String, node: String?, error: String?) {
    let input = bytes(value)
    let member = withView(input) { ProxyStatusMember(lastOf: $0) }
    #expect(member.map { text(input, $0.node) } == node, "\(value)")
    #expect(member?.error.map { text(input, $0) } == error, "\(value)")
  }

  /// RFC 9110 7.6.3.
  @Test(arguments: [
    ("1.1 SD1", true), ("1.1 sd1", true), ("1.0 fred, 1.1 SD1 (geodirector)", true), ("HTTP/1.1 SD1", true),
    ("1.1 SD1:80", false),
    ("1.1 x (a, 1.1 SD1), 1.1 y", false), ("1.1 x (a (b) , 1.1 SD1)", false), ("1.1 x (\\), 1.1 SD1)", false),
    ("SD1", false), ("SD1 x", false),
    ("", false), ("1.1 SD11", false), ("1.1\tSD1", true), (",,1.1 SD1", true), ("1.1 a,1.1 SD1(x)", true),
    ("1.1 x (unclosed, 1.1 SD1", false),
    ("1.1 x\\, 1.1 SD1", true),
  ])
  func viaMembersAreRecognised(value: String, found: Bool) {
    #expect(withView(bytes(value)) { Via.contains($0, pseudonym: ByteView("SD1")) } == found, "\(value)")
  }

  @Test(arguments: [
    ("1.1 SD1", "SD1"), ("1.0 a, 1.1 SD1", "SD1"), ("1.1 SD1, 1.1 b (x, 1.1 SD1)", "b"), ("1.1 SD1(c)", "SD1"),
    ("", ""),
    (" , ", ""), ("1.1 SD1,", "SD1"), ("1.1", ""), ("1.1 a (\\), b", "a"),
  ])
  func theLastOfViaIsWhoSentTheMessage(value: String, expected: String) {
    let input = bytes(value)
    withView(input) { view in
      let last = Via.last(view)
      #expect((0..<last.count).map { last[$0] } == bytes(expected), "\(value)")
    }
  }

  /// RFC 9110 5.6.1.
  @Test(arguments: [("a", ["a"]), ("a, b", ["a", "b"]), (" a ,\t,b,, c", ["a", "b", "c"]), ("", []), (",", [])])
  func listMembersAreReadWithoutEmptyOnes(value: String, expected: [String]) {
    let input = bytes(value)
    withView(input) { view in
      var members = ListMembers(view)
      var found: [String] = []
      while let member = members.next() { found.append(text(input, member)) }
      #expect(found == expected)
    }
  }

  @Test func comparisonsKnowCaseOfLettersOnly() {
    #expect(ByteView("aZ[").equalsIgnoringCase(ByteView("Az[")))
    #expect(!ByteView("a[").equalsIgnoringCase(ByteView("a{")))
    #expect(!ByteView("ab").equalsIgnoringCase(ByteView("a")))
    #expect(!ByteView("a").equals(ByteView("A")))
    #expect(ByteView("abc").starts(with: ByteView("ab")) && !ByteView("a").starts(with: ByteView("ab")))
  }
}

/// What a proxy asks of a table before it adds a field of its own.
@Suite struct AddedFieldTests {
  @Test func aFieldThatConnectionNamesIsNotKept() {
    let input = bytes(
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n"
        + "Connection: x-forwarded-proto\r\n\r\n")
    var head = RequestHead()
    var table = FieldTable()
    withView(input) { view in
      #expect(parseRequestHead(view, limits: HeadLimits(), head: &head, into: &table) == .complete)
      let before = table.keeps(.xForwardedProto)
      table.dropHopByHop(in: view)
      let after = [table.keeps(.xForwardedProto), table.keeps(.xForwardedHost), table.keeps(.cookie)]
      #expect(before && after == [false, true, false])
    }
  }

  @Test(arguments: [("Date: x\r\n", true), ("date:\r\n", true), ("X-Date: x\r\n", false), ("", false)])
  func aResponseTellsWhetherItIsDated(fields: String, isDated: Bool) {
    #expect(parseResponse("HTTP/1.1 200 OK\r\n\(fields)Content-Length: 0\r\n\r\n").1.hasDate == isDated)
  }
}
