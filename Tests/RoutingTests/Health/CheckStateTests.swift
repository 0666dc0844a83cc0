import Testing

@testable import Routing
@testable import Topology

extension CheckPlan {
  /// A check every 4 s, 1 s while changing, 8 s while down.
  static func sample(rise: Int = 2, fall: Int = 3, kind: Kind = .tcp) -> CheckPlan {
    CheckPlan(
      kind: kind, address: .ipv4(0x7F00_0001, port: 80), interval: .seconds(4), fastInterval: .seconds(1),
      downInterval: .seconds(8), timeout: .seconds(1), rise: rise, fall: fall)
  }
}

struct CheckStateTests {
  /// `+` a success, `-` a failure; the state after each: `U` or `D`.
  @Test(arguments: [
    ("C1: down after fall failures in a row", true, 2, 3, "---", "UUD"),
    ("C1: a success between starts the count again", true, 2, 3, "--+--+---", "UUUUUUUUD"),
    ("C1: up after rise successes in a row", false, 2, 3, "++", "DU"),
    ("C1: a failure between starts the count again", false, 3, 3, "++-++-+++", "DDDDDDDDU"),
    ("C1: both ways", true, 2, 2, "--++--", "UDDUUD"),
    ("C1: rise and fall of one", true, 1, 1, "-+-+", "DUDU"),
    ("C1: settled", true, 2, 3, "++++", "UUUU"),
  ])
  func hysteresis(_ rule: String, _ up: Bool, _ rise: Int, _ fall: Int, _ results: String, _ expected: String) {
    var check = CheckState(plan: .sample(rise: rise, fall: fall), initiallyUp: up)
    var states = ""
    var before = up
    for (now, result) in results.enumerated() {
      let transition = check.record(success: result == "+", now: Int64(now))
      #expect(transition == (check.isUp == before ? nil : check.isUp ? .wentUp : .wentDown), "\(rule)")
      #expect(check.lastResult == Int64(now))
      before = check.isUp
      states += check.isUp ? "U" : "D"
    }
    #expect(states == expected, "\(rule)")
  }

  /// The next check after these results, in seconds before jitter.
  @Test(arguments: [
    ("C1: inter when settled up", "", 4), ("C1: inter after successes", "++", 4),
    ("C1: fastinter while failures count", "-", 1), ("C1: fastinter until the last", "--", 1),
    ("C1: inter again after a success", "--+", 4), ("C1: downinter when down", "---", 8),
    ("C1: downinter while it stays down", "-----", 8), ("C1: fastinter while successes count", "---+", 1),
    ("C1: inter when up again", "---++", 4),
  ])
  func delays(_ rule: String, _ results: String, _ seconds: Int64) {
    var check = CheckState(plan: .sample(), initiallyUp: true)
    for result in results { _ = check.record(success: result == "+", now: 0) }
    var random = SplitMix64(seed: 1)
    var delays: [Int64] = []
    for _ in 0..<1000 { delays.append(check.nextDelay(random: &random)) }
    let nominal = seconds * 1_000_000_000
    for delay in delays { #expect(abs(delay - nominal) <= nominal / 10, "\(rule)") }
    // C1: jitter of 8 % to both sides.
    #expect((delays.min() ?? 0) < nominal * 94 / 100 && (delays.max() ?? 0) > nominal * 106 / 100)
  }

  @Test func `C1: first checks are spread over the interval, two seconds at most`() {
    var random = SplitMix64(seed: 1)
    for (interval, bound) in [(Duration.milliseconds(500), 500), (.seconds(30), 2000)] as [(Duration, Int64)] {
      var plan = CheckPlan.sample()
      plan.interval = interval
      let check = CheckState(plan: plan, initiallyUp: true)
      var counts = [0, 0, 0, 0]
      for _ in 0..<4000 {
        let delay = check.firstDelay(random: &random)
        #expect(delay >= 0 && delay <= bound * 1_000_000)
        counts[min(3, Int(delay * 4 / (bound * 1_000_000)))] += 1
      }
      for count in counts { #expect((850...1150).contains(count)) }
    }
  }

  @Test func `forced down, it needs rise successes`() {
    var check = CheckState(plan: .sample(), initiallyUp: true)
    #expect(check.forceDown() == .wentDown)
    #expect(check.forceDown() == nil)
    #expect(check.record(success: true, now: 0) == nil)
    #expect(check.record(success: true, now: 0) == .wentUp)
  }

  @Test func `durations beyond all measure do not overflow`() {
    #expect(Duration.seconds(-3).nanosecondsClamped == 0)
    #expect(Duration.milliseconds(1500).nanosecondsClamped == 1_500_000_000)
    #expect(Duration.seconds(Int64.max).nanosecondsClamped == 100 * 366 * 86_400 * 1_000_000_000)
  }
}
