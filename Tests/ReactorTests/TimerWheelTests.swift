import Testing

@testable import Reactor

@Suite struct TimerWheelTests {
  static let tick: Int64 = 4_000_000
  static let millisecond: Int64 = 1_000_000
  static let round = 4096 * tick

  private func expired(_ wheel: inout TimerWheel, now: Int64) -> [Int] {
    var keys: [Int] = []
    while let key = wheel.nextExpired(now: now) { keys.append(key) }
    return keys
  }

  @Test(arguments: [1, tick - 1, tick, tick + 1, 100 * tick, round - tick, round, round + 1, 3 * round + 5])
  func firesAtTheFirstTickAtOrAfterItsDeadlineAndNotBefore(delay: Int64) {
    let start = 1_000 * Self.tick + 17
    var wheel = TimerWheel(capacity: 1, now: start)
    wheel.arm(0, at: start + delay)
    var now = start
    while now < start + delay - 1 {
      let early = expired(&wheel, now: now)
      #expect(early.isEmpty)
      now = min(now + 777 * Self.millisecond, start + delay - 1)
    }
    let early = expired(&wheel, now: start + delay - 1)
    #expect(early.isEmpty)
    let late = expired(&wheel, now: start + delay + Self.tick)
    #expect(late == [0])
    let isEmpty = wheel.count == 0
    #expect(isEmpty)
  }

  @Test func armingAgainReplacesCancellingTakesBack() {
    var wheel = TimerWheel(capacity: 3, now: 0)
    for key in 0..<3 { wheel.arm(key, at: 10 * Self.tick) }
    wheel.arm(0, at: 20 * Self.tick)
    wheel.cancel(1)
    wheel.cancel(1)
    let deadlines = (0..<3).map { wheel.deadline(of: $0) }
    #expect(deadlines == [20 * Self.tick, nil, 10 * Self.tick])
    let first = expired(&wheel, now: 10 * Self.tick)
    #expect(first == [2])
    let second = expired(&wheel, now: 20 * Self.tick)
    #expect(second == [0])
  }

  @Test func armNoLaterKeepsTheEarlierDeadline() {
    var wheel = TimerWheel(capacity: 1, now: 0)
    wheel.armNoLater(0, at: 10 * Self.tick)
    wheel.armNoLater(0, at: 20 * Self.tick)
    let kept = wheel.deadline(of: 0)
    #expect(kept == 10 * Self.tick)
    wheel.armNoLater(0, at: 5 * Self.tick)
    let earlier = wheel.deadline(of: 0)
    #expect(earlier == 5 * Self.tick)
  }

  @Test func aDeadlineInThePastFiresAtTheNextTick() {
    var wheel = TimerWheel(capacity: 1, now: 100 * Self.tick)
    wheel.arm(0, at: 3)
    let keys = expired(&wheel, now: 101 * Self.tick)
    #expect(keys == [0])
  }

  @Test func theWaitEndsAtTheNextTimerOrTheLimit() {
    var wheel = TimerWheel(capacity: 2, now: 0)
    let idle = wheel.waitMilliseconds(now: 0)
    #expect(idle == 1_000)
    wheel.arm(0, at: 100 * Self.millisecond)
    let near = wheel.waitMilliseconds(now: 0)
    #expect(near == 100)
    wheel.arm(1, at: Self.round / 2)
    let limited = wheel.waitMilliseconds(now: 0, atMost: 50)
    #expect(limited == 50)
    let due = wheel.waitMilliseconds(now: 200 * Self.millisecond)
    #expect(due == 0)
  }

  @Test func aTimerOfALaterRoundDoesNotEndTheWaitAtOnce() {
    var wheel = TimerWheel(capacity: 1, now: 0)
    wheel.arm(0, at: Self.round)
    let none = expired(&wheel, now: 1)
    #expect(none.isEmpty)
    let wait = wheel.waitMilliseconds(now: 1)
    #expect(wait > 0, "a worker with idle connections would spin")
  }

  @Test("random arming, cancelling and waiting: every timer fires once, in time", arguments: 0..<20)
  func againstAModel(seed: UInt64) {
    var state = seed
    func below(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    let capacity = 50
    var now: Int64 = 0
    var wheel = TimerWheel(capacity: capacity, now: now)
    var deadlines = [Int64?](repeating: nil, count: capacity)
    for _ in 0..<3_000 {
      let key = Int(below(UInt64(capacity)))
      switch below(4) {
      case 0:
        wheel.cancel(key)
        deadlines[key] = nil
      case 1, 2:
        let deadline = now + Int64(below(40_000)) * Self.millisecond
        wheel.arm(key, at: deadline)
        deadlines[key] = deadline
      default:
        now += Int64(below(3_000)) * Self.millisecond
        for key in expired(&wheel, now: now) {
          #expect(deadlines[key].map { $0 <= now } == true)
          deadlines[key] = nil
        }
        // A tick is the accuracy; whatever is older has fired.
        #expect(deadlines.allSatisfy { $0.map { $0 > now - 2 * Self.tick } ?? true })
      }
      let count = wheel.count
      #expect(count == deadlines.filter { $0 != nil }.count)
    }
  }

  @Test("the wait ends at the nearest tick that holds a timer, wherever on the wheel it is", arguments: 0..<20)
  func theWaitAgainstAModel(seed: UInt64) {
    var state = seed &+ 1
    func below(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    let capacity = 6
    var now: Int64 = Int64(below(10_000)) * Self.tick
    var wheel = TimerWheel(capacity: capacity, now: now)
    for _ in 0..<2_000 {
      let key = Int(below(UInt64(capacity)))
      switch below(4) {
      case 0: wheel.cancel(key)
      case 1: wheel.arm(key, at: now + Int64(below(300)) * Self.tick)
      case 2: wheel.arm(key, at: now + Int64(below(9_000)) * Self.tick)
      default: now += Int64(below(200)) * Self.tick
      }
      _ = expired(&wheel, now: now)
      // The deadlines that are left, as ticks ahead on the wheel: one of a later round lets the wait end, too, not only its own.
      let ahead = (0..<capacity).compactMap { key in
        wheel.deadline(of: key).map { deadline in
          let ticks = max(1, deadline / Self.tick - now / Self.tick)
          return (ticks - 1) % 4096 + 1
        }
      }.min()
      let wait = wheel.waitMilliseconds(now: now)
      #expect(Int64(wait) == min(1_000, (ahead ?? 4096) * Self.tick / Self.millisecond))
    }
  }
}
