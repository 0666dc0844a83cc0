import Synchronization

/// What an office learns from answers (rule E3): a site whose own director answered from another site is passed by for
/// one check interval; then one request at a time finds out whether that still holds.
///
/// A handle to memory shared by all workers; the owner frees it with `deallocate`. Times are monotonic nanoseconds.
public struct HintBoard: @unchecked Sendable {
  /// Whom a hint concerns.
  public enum Audience: Int, Sendable {
    /// Users without a cookie of the site: the site takes no new users.
    case newUsers = 0
    /// Its own users, too: one of them was moved.
    case ownUsers = 1
  }

  /// What a site's hint says of a request.
  public enum Verdict: Sendable, Equatable {
    /// No hint: the site in its order.
    case clear
    /// The site comes after the others.
    case passBy
    /// The hint is due for renewal, and this request is the one that finds out.
    case probe
  }

  // Until when the hint holds; 0: no hint.
  private let slots: UnsafeMutablePointer<Atomic<Int64>>
  private let count: Int

  /// A board for so many sites, without hints.
  public init(siteCount: Int) {
    count = siteCount * 2
    slots = .allocate(capacity: max(1, count))
    for index in 0..<max(1, count) { (slots + index).initialize(to: Atomic(0)) }
  }

  /// Frees the board; no copy of the handle may be used after.
  public func deallocate() {
    slots.deinitialize(count: max(1, count))
    slots.deallocate()
  }

  /// A director of the site answered from elsewhere.
  public func set(site: Int, for audience: Audience, until: Int64) {
    slots[site * 2].store(until, ordering: .relaxed)
    if audience == .ownUsers { slots[site * 2 + 1].store(until, ordering: .relaxed) }
  }

  /// The site takes its users again.
  public func clear(site: Int) {
    // Read first: the line stays shared between the workers as long as nothing changes.
    if slots[site * 2].load(ordering: .relaxed) != 0 { slots[site * 2].store(0, ordering: .relaxed) }
    if slots[site * 2 + 1].load(ordering: .relaxed) != 0 { slots[site * 2 + 1].store(0, ordering: .relaxed) }
  }

  /// The site takes these users again.
  func clear(site: Int, for audience: Audience) {
    let slot = site * 2 + audience.rawValue
    if slots[slot].load(ordering: .relaxed) != 0 { slots[slot].store(0, ordering: .relaxed) }
  }

  /// Takes over what another board says of a site.
  public func take(site: Int, from other: HintBoard, site otherSite: Int) {
    for audience in 0..<2 {
      slots[site * 2 + audience].store(
        other.slots[otherSite * 2 + audience].load(ordering: .relaxed), ordering: .relaxed)
    }
  }

  /// Whether a hint stands, due for renewal or not.
  public func isSet(site: Int) -> Bool { slots[site * 2].load(ordering: .relaxed) != 0 }

  /// Whether a hint makes requests pass the site by, and is not yet due for renewal; changes nothing.
  public func passesBy(site: Int, for audience: Audience, now: Int64) -> Bool {
    now < slots[site * 2 + audience.rawValue].load(ordering: .relaxed)
  }

  /// What the hint says of one request, which becomes the probe when the hint is due for renewal.
  public func verdict(site: Int, for audience: Audience, now: Int64, interval: Int64) -> Verdict {
    let slot = site * 2 + audience.rawValue
    let until = slots[slot].load(ordering: .relaxed)
    if until == 0 { return .clear }
    if now < until { return .passBy }
    let won = slots[slot].compareExchange(expected: until, desired: now + interval, ordering: .relaxed).exchanged
    return won ? .probe : .passBy
  }
}
