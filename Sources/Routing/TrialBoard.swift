import Synchronization

/// Trial attempts at servers believed down: at most one per interval and server in the whole process (rule C2).
///
/// A handle to memory shared by all workers; the owner frees it with `deallocate`. Times are monotonic nanoseconds.
public struct TrialBoard: @unchecked Sendable {
  // Start time shifted left by one; the lowest bit tells that the trial's outcome is still awaited.
  private let slots: UnsafeMutablePointer<Atomic<Int64>>
  private let count: Int

  /// A board for so many servers, no trial made yet.
  public init(count: Int) {
    self.count = count
    slots = .allocate(capacity: count)
    for index in 0..<count { (slots + index).initialize(to: Atomic(Int64.min / 4 * 2)) }
  }

  /// Frees the board; no copy of the handle may be used after.
  public func deallocate() {
    slots.deinitialize(count: count)
    slots.deallocate()
  }

  /// Takes the right to try a server, if the last trial began at least `interval` nanoseconds ago.
  public func begin(_ server: Int32, now: Int64, interval: Int64) -> Bool {
    precondition(server >= 0 && server < count)
    let seen = slots[Int(server)].load(ordering: .relaxed)
    guard now - (seen >> 1) >= interval else { return false }
    return slots[Int(server)].compareExchange(
      expected: seen, desired: now << 1 | 1, ordering: .acquiringAndReleasing
    ).exchanged
  }

  /// The outcome of the trial is known.
  public func finish(_ server: Int32) {
    _ = slots[Int(server)].bitwiseAnd(~1, ordering: .releasing)
  }

  /// A trial is under way that began less than `bound` nanoseconds ago: its outcome may be awaited.
  public func isPending(_ server: Int32, now: Int64, bound: Int64) -> Bool {
    let seen = slots[Int(server)].load(ordering: .acquiring)
    return seen & 1 == 1 && now - (seen >> 1) < bound
  }
}
