/// The number that names a session: 128 random bits, 32 hexadecimal digits in the cookie.
struct SessionID: Hashable, Sendable {
  var high: UInt64
  var low: UInt64

  init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// A fresh one.
  init(using random: inout some RandomNumberGenerator) {
    self.init(high: random.next(), low: random.next())
  }

  /// Nil unless `text` is exactly 32 hexadecimal digits.
  init?(_ text: some StringProtocol) {
    let digits = Array(text.utf8)
    guard digits.count == 32 else { return nil }
    var halves: (UInt64, UInt64) = (0, 0)
    for (index, digit) in digits.enumerated() {
      let value: UInt8
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): value = digit - UInt8(ascii: "A") + 10
      default: return nil
      }
      if index < 16 { halves.0 = halves.0 << 4 | UInt64(value) } else { halves.1 = halves.1 << 4 | UInt64(value) }
    }
    self.init(high: halves.0, low: halves.1)
  }

  /// 32 lower-case hexadecimal digits.
  var text: String { Hexadecimal.text(high) + Hexadecimal.text(low) }
}

/// Fixed-width hexadecimal.
enum Hexadecimal {
  /// 16 lower-case digits.
  static func text(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

/// Sessions in memory: bounded, forgotten when idle. Lost when the process ends, which is the point of the trial.
///
/// All sessions have the same idle limit, so the order of last use is also the order of expiry, and one linked list
/// through the slots serves both expiry and making room.
struct SessionStore: Sendable {
  /// What one request learns of its session.
  struct Visit: Equatable, Sendable {
    /// The session's number.
    var id: SessionID
    /// True when this request began the session.
    var isNew: Bool
    /// Requests of the session so far, this one included.
    var count: Int
  }

  private struct Slot {
    var id: SessionID
    var visits: Int
    var lastSeen: ContinuousClock.Instant
    /// Neighbours in order of last use; -1: none.
    var older: Int
    var newer: Int
  }

  private let idle: Duration
  private let countMax: Int
  private var slots: [Slot] = []
  private var free: [Int] = []
  private var indices: [SessionID: Int] = [:]
  private var oldest = -1
  private var newest = -1

  /// An empty store that forgets after `idle` and never holds more than `countMax` (at least 1).
  init(idle: Duration, countMax: Int) {
    precondition(countMax > 0)
    self.idle = idle
    self.countMax = countMax
  }

  /// Sessions held.
  var count: Int { indices.count }

  /// Counts a request that came with the given candidates for its session, in the order of its cookies: the first
  /// known one is taken, else a session is begun.
  mutating func visit(
    candidates: [SessionID], now: ContinuousClock.Instant, random: inout some RandomNumberGenerator
  ) -> Visit {
    expire(now: now)
    for id in candidates {
      guard let index = indices[id] else { continue }
      slots[index].visits += 1
      slots[index].lastSeen = now
      unlink(index)
      append(index)
      return Visit(id: id, isNew: false, count: slots[index].visits)
    }
    if indices.count == countMax { remove(oldest) }
    var id = SessionID(using: &random)
    while indices[id] != nil { id = SessionID(using: &random) }
    let slot = Slot(id: id, visits: 1, lastSeen: now, older: -1, newer: -1)
    let index: Int
    if let reused = free.popLast() {
      slots[reused] = slot
      index = reused
    } else {
      slots.append(slot)
      index = slots.count - 1
    }
    indices[id] = index
    append(index)
    return Visit(id: id, isNew: true, count: 1)
  }

  private mutating func expire(now: ContinuousClock.Instant) {
    while oldest >= 0, slots[oldest].lastSeen.duration(to: now) >= idle { remove(oldest) }
  }

  private mutating func remove(_ index: Int) {
    unlink(index)
    indices[slots[index].id] = nil
    free.append(index)
  }

  private mutating func unlink(_ index: Int) {
    let (older, newer) = (slots[index].older, slots[index].newer)
    if older >= 0 { slots[older].newer = newer } else { oldest = newer }
    if newer >= 0 { slots[newer].older = older } else { newest = older }
  }

  private mutating func append(_ index: Int) {
    slots[index].older = newest
    slots[index].newer = -1
    if newest >= 0 { slots[newest].newer = index } else { oldest = index }
    newest = index
  }
}
