import HTTPMessage
import TestRandom
import Testing

/// RFC 6265 4.2, 5.2, 5.4.
@Suite struct CookieTests {
  func pairs(_ value: String) -> [[String]] {
    let input = bytes(value)
    return withView(input) { view in
      var scanner = CookieScanner(view)
      var result: [[String]] = []
      while let pair = scanner.next() { result.append([text(input, pair.name), text(input, pair.value)]) }
      return result
    }
  }

  @Test(arguments: [
    ("a=b", [["a", "b"]]), ("a=b; c=d", [["a", "b"], ["c", "d"]]), ("a=b;c=d", [["a", "b"], ["c", "d"]]),
    ("  a = b ;\tc=d  ", [["a", "b"], ["c", "d"]]), ("a=; b=c", [["a", ""], ["b", "c"]]), ("a", [["", "a"]]), ("", []),
    (" ; ;; ", []),
    ("a=b=c", [["a", "b=c"]]), ("=b", [["", "b"]]), ("a=\"b c\"; d=e", [["a", "\"b c\""], ["d", "e"]]),
    ("a=\"b;c\"; d=e", [["a", "\"b;c\""], ["d", "e"]]), ("a=\"b; d=e", [["a", "\"b"], ["d", "e"]]),
    ("a=\"b\"x;c\"; d=e", [["a", "\"b\"x"], ["", "c\""], ["d", "e"]]), ("a=b,c=d", [["a", "b,c=d"]]),
    ("a=\"b\\\";c\" ; d=e", [["a", "\"b\\\";c\""], ["d", "e"]]), ("a=\"b\\", [["a", "\"b\\"]]),
  ])
  func cookiesAreRead(value: String, expected: [[String]]) {
    #expect(pairs(value) == expected, "\(value)")
  }

  @Test func cookiesOfANameComeInOrderAndNamesAreCaseSensitive() {
    let input = bytes("a=b; SITE=SITE2; site=X; SITE=SITE1; SITEX=1; c=d")
    withView(input) { view in
      var scanner = CookieScanner(view)
      #expect(scanner.next(named: ByteView("SITE")).map { text(input, $0.value) } == "SITE2")
      #expect(scanner.next(named: ByteView("SITE")).map { text(input, $0.value) } == "SITE1")
      #expect(scanner.next(named: ByteView("SITE")) == nil)
    }
  }

  @Test(arguments: [
    ("a=b; SITE=SITE2; SITE=SITE1; c=d", "a=b; c=d"), ("SITE=1; a=b", "a=b"), ("a=b; SITE=1", "a=b"), ("SITE=1", ""),
    ("SITE=1; SITE=2", ""), ("a=b; SITE=1; SITE=2", "a=b"), ("SITE=1; a=b; SITE=2", "a=b"),
    ("SITE=1;a=b;SITE=2;c=d;SITE=3", "a=b;c=d"),
    ("a=b", "a=b"), ("a=b; SITE=1;", "a=b"), ("a=b; SITE", "a=b; SITE"), ("; SITE=1", ""),
    ("a=b;;SITE=1;;c=d", "a=b;;c=d"),
    ("SITE=; a=b", "a=b"), ("a=; SITE=1", "a="), ("a=\"x; SITE=1\"; SITE=2", "a=\"x; SITE=1\""), ("", ""),
  ])
  func removalLeavesAWellFormedField(value: String, expected: String) {
    let input = bytes(value)
    withView(input) { view in
      var removal = CookieRemoval(of: ByteView("SITE"), from: view)
      var kept: [UInt8] = []
      var position = 0
      while let range = removal.next() {
        #expect(range.start >= position)
        kept += input[position..<range.start]
        position = range.end
      }
      kept += input[position...]
      #expect(kept == bytes(expected), "\(value)")
      #expect(removal.emptiesField == expected.isEmpty)
      #expect(removal.next() == nil)
    }
  }

  @Test func removalAtRandomLeavesAllOthersAndNoneOfTheName() {
    var generator = Generator(seed: 3)
    for _ in 0..<2_000 {
      let names = (0..<Int.random(in: 1..<7, using: &generator)).map { _ in
        ["S", "a", "b"].randomElement(using: &generator)!
      }
      let value = names.enumerated().map { "\($1)=\($0)" }.joined(
        separator: ["; ", ";", " ; "].randomElement(using: &generator)!)
      let input = bytes(value)
      let kept = withView(input) { view -> [UInt8] in
        var removal = CookieRemoval(of: ByteView("S"), from: view)
        var kept: [UInt8] = []
        var position = 0
        while let range = removal.next() {
          kept += input[position..<range.start]
          position = range.end
        }
        return kept + input[position...]
      }
      #expect(pairs(text(kept, ByteRange(0, kept.count))) == pairs(value).filter { $0[0] != "S" }, "\(value)")
      #expect(kept.first != UInt8(ascii: ";") && kept.last != UInt8(ascii: ";"))
    }
  }

  @Test func setCookieAttributesAreRead() throws {
    let value =
      "JSESSIONID=123; Path=/app;Domain=a.example; HttpOnly; secure ; SameSite=lax; Max-Age=5; Expires=Thu, 01 Jan 1970; X=y"
    let input = bytes(value)
    let cookie = try #require(withView(input) { SetCookieView($0) })
    #expect(text(input, cookie.name) == "JSESSIONID")
    #expect(text(input, cookie.value) == "123")
    #expect(cookie.path.map { text(input, $0) } == "/app")
    #expect(cookie.domain.map { text(input, $0) } == "a.example")
    #expect(cookie.maxAge.map { text(input, $0) } == "5")
    #expect(cookie.expires.map { text(input, $0) } == "Thu, 01 Jan 1970")
    #expect(cookie.isHTTPOnly && cookie.isSecure && cookie.sameSite == .lax)
    #expect(text(input, cookie.attributes) == String(value.dropFirst(14)))
  }

  @Test(arguments: [
    ("a=b", "a", "b"), (" a = b ;", "a", "b"), ("a=;path", "a", ""), ("a=\"b\"; Secure=1", "a", "\"b\""),
    ("a=b=c", "a", "b=c"),
  ])
  func setCookieNameAndValueAreRead(field: String, name: String, value: String) throws {
    let input = bytes(field)
    let cookie = try #require(withView(input) { SetCookieView($0) })
    #expect(text(input, cookie.name) == name)
    #expect(text(input, cookie.value) == value)
    #expect(cookie.domain == nil && cookie.sameSite == .absent)
  }

  @Test(arguments: ["", "a", "; a=b", "=b", " =b; Path=/"])
  func setCookieWithoutANameIsNone(field: String) {
    #expect(withView(bytes(field)) { SetCookieView($0) } == nil)
  }
}
