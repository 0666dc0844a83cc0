/// Timeouts by the thousand at the cost of a list link: a hashed wheel of coarse ticks.
///
/// Every timer is a small integer key that its owner chose (a slab index), so arming allocates nothing. A timer fires at
/// the first tick at or after its deadline; owners that keep pushing a deadline back need not re-arm: they compare when
/// it fires and arm again.
public struct TimerWheel: ~Copyable {
  /// Nanoseconds of one tick, and so the accuracy.
  public let tickNanoseconds: Int64
  /// Slots of the wheel; timers further ahead than slots x ticks wait for the wheel to come round again.
  private static let slotCount = 4096

  private static let none: Int32 = -1
  private struct Entry {
    var next: Int32 = TimerWheel.none
    var previous: Int32 = TimerWheel.none
    var slot: Int32 = TimerWheel.none
    var deadline: Int64 = 0
  }

  private let entries: UnsafeMutablePointer<Entry>
  private let heads: UnsafeMutablePointer<Int32>
  /// A bit for each slot that holds a timer, and one for each word of these: what comes next is found without a walk.
  /// Never set again; but what is changed in place through a `let` does not compile under ThreadSanitizer (Swift 6.3.1).
  private var occupied: UnsafeMutablePointer<UInt64>
  private var occupiedWords: UInt64 = 0
  private let capacity: Int
  /// Keys below this were used: memory beyond them is not touched.
  private var used = 0
  private var tick: Int64
  /// Timers that are armed.
  public private(set) var count = 0

  /// A wheel for the keys `0..<capacity`. Short ticks spread what is due at nearly the same time, long ones cost less.
  public init(capacity: Int, now: Int64, tickNanoseconds: Int64 = 4_000_000) {
    self.tickNanoseconds = tickNanoseconds
    self.capacity = capacity
    entries = .allocate(capacity: capacity)
    heads = .allocate(capacity: Self.slotCount)
    heads.initialize(repeating: Self.none, count: Self.slotCount)
    occupied = .allocate(capacity: Self.slotCount / 64)
    occupied.initialize(repeating: 0, count: Self.slotCount / 64)
    tick = now / tickNanoseconds
  }

  deinit {
    occupied.deallocate()
    entries.deallocate()
    heads.deallocate()
  }

  /// The deadline the key is armed for; nil when it is not armed.
  public func deadline(of key: Int) -> Int64? {
    key >= used || entries[key].slot == Self.none ? nil : entries[key].deadline
  }

  /// Arms the key for a deadline (monotonic nanoseconds), in place of the one it had.
  public mutating func arm(_ key: Int, at deadline: Int64) {
    precondition(key >= 0 && key < capacity)
    if key >= used { reach(key) }
    if entries[key].slot != Self.none { unlink(key) }
    let due = max(tick + 1, (deadline + tickNanoseconds - 1) / tickNanoseconds)
    let slot = Int32(truncatingIfNeeded: due & Int64(Self.slotCount - 1))
    entries[key] = Entry(next: heads[Int(slot)], previous: Self.none, slot: slot, deadline: deadline)
    if heads[Int(slot)] != Self.none { entries[Int(heads[Int(slot)])].previous = Int32(key) }
    heads[Int(slot)] = Int32(key)
    occupied[Int(slot) >> 6] |= 1 << UInt64(slot & 63)
    occupiedWords |= 1 << UInt64(slot >> 6)
    count += 1
  }

  /// Arms the key only if it is not armed for an earlier deadline already.
  @inline(__always)
  public mutating func armNoLater(_ key: Int, at deadline: Int64) {
    if key < used && entries[key].slot != Self.none && entries[key].deadline <= deadline { return }
    arm(key, at: deadline)
  }

  /// Takes the key's timer back; nothing when it is not armed.
  public mutating func cancel(_ key: Int) {
    if key < used && entries[key].slot != Self.none { unlink(key) }
  }

  @inline(never)
  private mutating func reach(_ key: Int) {
    (entries + used).initialize(repeating: Entry(), count: key + 1 - used)
    used = key + 1
  }

  /// The next key whose deadline has passed, no longer armed; nil when there is none by `now`.
  public mutating func nextExpired(now: Int64) -> Int? {
    let last = now / tickNanoseconds
    while tick <= last {
      var key = heads[Int(tick & Int64(Self.slotCount - 1))]
      while key != Self.none {
        if entries[Int(key)].deadline <= now {
          unlink(Int(key))
          return Int(key)
        }
        key = entries[Int(key)].next
      }
      if tick == last { return nil }
      tick += 1
    }
    return nil
  }

  /// Milliseconds a wait may last before the next tick that may hold a due timer, at most `limit`. Asked when
  /// `nextExpired` has given out all that were due.
  public func waitMilliseconds(now: Int64, atMost limit: Int64 = 1_000) -> Int32 {
    if count == 0 { return Int32(limit) }
    let due = (tick + ticksToOccupied()) * tickNanoseconds
    return due <= now ? 0 : Int32(min(limit, (due - now + 999_999) / 1_000_000))
  }

  /// Ticks from the present one to the next whose slot holds a timer; a whole round when only its own does, or none: what is left in
  /// the present tick's slot is due in a later round, and to count it would end every wait at once.
  private func ticksToOccupied() -> Int64 {
    let present = Int(tick & Int64(Self.slotCount - 1))
    let first = (present + 1) & (Self.slotCount - 1)
    let rest = occupied[first >> 6] >> UInt64(first & 63)
    if rest != 0 { return Int64(1 + rest.trailingZeroBitCount) }
    if occupiedWords == 0 { return Int64(Self.slotCount) }
    // The words behind, around to the front of the one looked at.
    let start = (first >> 6) + 1
    let turned = occupiedWords >> UInt64(start & 63) | occupiedWords << UInt64((64 - start) & 63)
    let word = (start + turned.trailingZeroBitCount) & 63
    let slot = word << 6 + occupied[word].trailingZeroBitCount
    let ahead = (slot - present) & (Self.slotCount - 1)
    return Int64(ahead == 0 ? Self.slotCount : ahead)
  }

  private mutating func vacate(_ slot: Int) {
    occupied[slot >> 6] &= ~(1 << UInt64(slot & 63))
    if occupied[slot >> 6] == 0 { occupiedWords &= ~(1 << UInt64(slot >> 6)) }
  }

  private mutating func unlink(_ key: Int) {
    let entry = entries[key]
    if entry.previous != Self.none {
      entries[Int(entry.previous)].next = entry.next
    } else {
      heads[Int(entry.slot)] = entry.next
      if entry.next == Self.none { vacate(Int(entry.slot)) }
    }
    if entry.next != Self.none { entries[Int(entry.next)].previous = entry.previous }
    entries[key].slot = Self.none
    count -= 1
  }
}
