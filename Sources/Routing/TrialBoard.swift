import Synchronization

/// Trial attempts at servers believed down: at most one per interval and server in the whole process (rule C2).
///
/// A trial that reaches its server vouches for it until the interval is over, as the checks take a moment to publish
/// what it found out. A handle to memory shared by all workers; the owner frees it with `deallocate`. Times are
/// monotonic nanoseconds.
public struct TrialBoard: @unchecked Sendable {
  private static let pending: Int64 = 1
  private static let reached: Int64 = 2
  private static let stateBits: Int64 = 2

  // When the last trial began, and in the two lowest bits what came of it: nothing (0), `pending` or `reached`.
  private let slots: UnsafeMutablePointer<Atomic<Int64>>
  // When the last one began of those trials that did not reach their server.
  private let failures: UnsafeMutablePointer<Atomic<Int64>>
  private let count: Int

  /// A board for so many servers, no trial made yet.
  public init(count: Int) {
    self.count = count
    slots = .allocate(capacity: count)
    failures = .allocate(capacity: count)
    for index in 0..<count {
      (slots + index).initialize(to: Atomic((Int64.min >> 3) << Self.stateBits))
      (failures + index).initialize(to: Atomic(.min))
    }
  }

  /// Frees the board; no copy of the handle may be used after.
  public func deallocate() {
    slots.deinitialize(count: count)
    slots.deallocate()
    failures.deinitialize(count: count)
    failures.deallocate()
  }

  /// Takes the right to try a server, if the last trial began at least `interval` nanoseconds ago.
  public func begin(_ server: Int32, now: Int64, interval: Int64) -> Bool {
    precondition(server >= 0 && server < count)
    let seen = slots[Int(server)].load(ordering: .relaxed)
    guard now - (seen >> Self.stateBits) >= interval else { return false }
    return slots[Int(server)].compareExchange(
      expected: seen, desired: now << Self.stateBits | Self.pending, ordering: .acquiringAndReleasing
    ).exchanged
  }

  /// Whether `begin` would give the right to a trial; takes nothing.
  public func isDue(_ server: Int32, now: Int64, interval: Int64) -> Bool {
    precondition(server >= 0 && server < count)
    return now - (slots[Int(server)].load(ordering: .relaxed) >> Self.stateBits) >= interval
  }

  /// The outcome of the trial that began at `began` is known; nothing if another has begun since, or it is known already.
  public func finish(_ server: Int32, began: Int64, reached: Bool) {
    _ = slots[Int(server)].compareExchange(
      expected: began << Self.stateBits | Self.pending, desired: began << Self.stateBits | (reached ? Self.reached : 0),
      ordering: .acquiringAndReleasing)
  }

  /// The trial that began at `began` found the server out of reach. To be told before its end is (`finish`).
  public func fail(_ server: Int32, began: Int64) {
    precondition(server >= 0 && server < count)
    failures[Int(server)].store(began, ordering: .releasing)
  }

  /// Whether a trial failed that began at `since` or later: who came then has nothing to learn from another.
  public func hasFailed(_ server: Int32, since: Int64) -> Bool {
    precondition(server >= 0 && server < count)
    return failures[Int(server)].load(ordering: .acquiring) >= since
  }

  /// A trial is under way that began less than `bound` nanoseconds ago: its outcome may be awaited.
  public func isPending(_ server: Int32, now: Int64, bound: Int64) -> Bool {
    has(Self.pending, server, now, bound)
  }

  /// The last trial reached the server and began less than `interval` nanoseconds ago: others may follow it.
  public func vouches(_ server: Int32, now: Int64, interval: Int64) -> Bool {
    has(Self.reached, server, now, interval)
  }

  /// A request has just found out what a trial would: the next trial waits its interval from now. Nothing while one is
  /// under way or vouches for the server.
  public func counts(_ server: Int32, now: Int64) {
    let seen = slots[Int(server)].load(ordering: .relaxed)
    guard seen & (Self.pending | Self.reached) == 0, seen >> Self.stateBits < now else { return }
    _ = slots[Int(server)].compareExchange(
      expected: seen, desired: now << Self.stateBits, ordering: .acquiringAndReleasing)
  }

  /// The server failed again after a trial had reached it.
  public func revoke(_ server: Int32) {
    let seen = slots[Int(server)].load(ordering: .relaxed)
    guard seen & Self.reached != 0 else { return }
    _ = slots[Int(server)].compareExchange(expected: seen, desired: seen & ~Self.reached, ordering: .releasing)
  }

  /// Takes over what another board knows of a server. A trial under way there ends there; here it counts as made.
  public func take(_ server: Int32, from other: TrialBoard, server otherServer: Int32) {
    precondition(server >= 0 && server < count && otherServer >= 0 && otherServer < other.count)
    let seen = other.slots[Int(otherServer)].load(ordering: .acquiring)
    slots[Int(server)].store(seen & ~Self.pending, ordering: .releasing)
    failures[Int(server)].store(other.failures[Int(otherServer)].load(ordering: .acquiring), ordering: .releasing)
  }

  private func has(_ state: Int64, _ server: Int32, _ now: Int64, _ bound: Int64) -> Bool {
    precondition(server >= 0 && server < count)
    let seen = slots[Int(server)].load(ordering: .acquiring)
    return seen & state != 0 && now - (seen >> Self.stateBits) < bound
  }
}
