import HTTPMessage
import TestRandom
import Testing

@Suite struct CookieValueTests {
  /// What the reference does with a prefix.
  @Test(arguments: [
    ("W14~123", "W14", "123", true), ("~123", "", "123", true), ("W14", "W14", "W14", false),
    ("W14~a~b", "W14", "a~b", true),
    ("W14~", "W14", "", true), ("", "", "", false), ("~", "", "", true),
  ])
  func aPrefixEndsAtTheFirstTilde(value: String, server: String, session: String, hasPrefix: Bool) {
    let input = bytes(value)
    let prefixed = withView(input) { PrefixedValue($0) }
    #expect(text(input, prefixed.server) == server)
    #expect(text(input, prefixed.session) == session)
    #expect(prefixed.hasPrefix == hasPrefix)
  }

  /// 1,573,854,040 s is 393,463,510 units of four seconds: `Xc8bW`.
  @Test(
    arguments: [
      ("S", "S", nil, nil), ("S|Xc8bW", "S", 1_573_854_040, nil), ("S|Xc8bW|Xc8bV", "S", 1_573_854_040, 1_573_854_036),
      ("S|", "S", nil, nil), ("S||Xc8bV", "S", nil, 1_573_854_036), ("S|Xc8b", "S", nil, nil),
      ("S|Xc8b=", "S", nil, nil),
      ("S|AAAAA", "S", nil, nil), ("S|Xc8b|Xc8bV", "S", nil, 1_573_854_036), ("S|+/+/+", "S", 4_227_842_040, nil),
      ("|Xc8bW", "", 1_573_854_040, nil),
    ] as [(String, String, UInt32?, UInt32?)])
  func datesFollowTheServer(value: String, server: String, last: UInt32?, first: UInt32?) {
    let input = bytes(value)
    let dated = withView(input) { DatedValue($0) }
    #expect(text(input, dated.server) == server)
    #expect(dated.lastSeen == last)
    #expect(dated.firstGiven == first)
  }

  @Test func datesSurviveWritingAndReadingRoundedUpToUnits() {
    var generator = Generator(seed: 11)
    for _ in 0..<2_000 {
      let seconds = UInt32.random(in: 1...(.max - 3), using: &generator)
      let written = writtenBytes { $0.append(cookieDate: seconds) }
      #expect(written.count == 5)
      #expect(withView(written) { CookieDate.decode($0) } == (seconds + 3) / 4 * 4)
    }
    #expect(writtenBytes { $0.append(cookieDate: 1_573_854_037) } == bytes("Xc8bW"))
  }
}
