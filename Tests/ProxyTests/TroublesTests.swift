import Testing

@testable import Proxy

/// Connections whose TLS failed, in the log.
@Suite struct TroublesTests {
  private static let second: Int64 = 1_000_000_000

  @Test func eachPlaceAndReasonHasALineOfItsOwnAtMostEveryTenSeconds() {
    let troubles = Troubles()
    #expect(!troubles.isActive)
    #expect(troubles.note(.listener(0), "garbage", 0, 1), "the control thread has to be woken")
    #expect(!troubles.note(.listener(0), "garbage", 0, 2), "it has been")
    _ = troubles.note(.listener(1), "garbage")
    _ = troubles.note(.server(0, 3), "expired")
    let first = troubles.take(now: 100 * Self.second)
    #expect(first.map(\.count) == [2, 1, 1])
    #expect(first[0].lastLow == 2)
    #expect(first.map(\.place) == [.listener(0), .listener(1), .server(0, 3)])
    for _ in 0..<5 { _ = troubles.note(.listener(0), "garbage") }
    #expect(troubles.take(now: 109 * Self.second).isEmpty)
    let second = troubles.take(now: 110 * Self.second)
    #expect(second.map(\.count) == [5])
    #expect(troubles.isActive, "until nothing came for as long")
    #expect(troubles.take(now: 120 * Self.second).isEmpty)
    #expect(!troubles.isActive)
    #expect(troubles.note(.listener(0), "garbage"), "the next one is told at once")
    #expect(troubles.take(now: 121 * Self.second).map(\.count) == [1])
  }

  @Test func theLastNameIsToldAndCannotForgeALine() {
    let troubles = Troubles()
    _ = troubles.note(.listener(0), "no certificate", name: "a.example")
    _ = troubles.note(.listener(0), "no certificate", name: "b\n evil\u{1B}é")
    #expect(troubles.take(now: Self.second).map(\.lastName) == ["b??evil???"])
  }

  @Test func kindsAreBounded() {
    let troubles = Troubles()
    for number in 0..<Troubles.kindsMax * 3 { _ = troubles.note(.listener(0), "reason \(number)") }
    let lines = troubles.take(now: Self.second)
    #expect(lines.count == Troubles.kindsMax)
    #expect(lines.reduce(0) { $0 + $1.count } == Troubles.kindsMax * 3, "none is lost")
  }
}
