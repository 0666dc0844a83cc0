/// The cookie values of a pool and the group of candidates each names: an open-addressed table over raw bytes.
struct CookieValues: ~Copyable {
  private struct Slot {
    var hash: UInt64 = 0
    var group: Int32 = -1
    var start: Int32 = 0
    var count: Int32 = 0
  }
  private let slots: UnsafeMutablePointer<Slot>
  private let mask: Int
  private let bytes: UnsafeMutablePointer<UInt8>

  /// A table of distinct values; a value's group is its position.
  init(_ values: [String]) {
    var capacity = 4
    while capacity < values.count * 2 { capacity *= 2 }
    mask = capacity - 1
    slots = .allocate(capacity: capacity)
    slots.initialize(repeating: Slot(), count: capacity)
    bytes = .allocate(capacity: max(1, values.reduce(0) { $0 + $1.utf8.count }))
    var offset = 0
    for (group, value) in values.enumerated() {
      let start = offset
      for byte in value.utf8 {
        bytes[offset] = byte
        offset += 1
      }
      let hash = StableHash.hash(UnsafeRawBufferPointer(start: bytes + start, count: offset - start))
      var slot = Int(truncatingIfNeeded: hash) & mask
      while slots[slot].group >= 0 { slot = (slot + 1) & mask }
      slots[slot] = Slot(hash: hash, group: Int32(group), start: Int32(start), count: Int32(offset - start))
    }
  }

  deinit {
    slots.deallocate()
    bytes.deallocate()
  }

  /// The group a value names; -1 for none.
  func group(named value: UnsafeRawBufferPointer) -> Int32 {
    let hash = StableHash.hash(value)
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot].group >= 0 {
      if slots[slot].hash == hash && Int(slots[slot].count) == value.count
        && holds(value, at: Int(slots[slot].start))
      {
        return slots[slot].group
      }
      slot = (slot + 1) & mask
    }
    return -1
  }

  @inline(__always)
  private func holds(_ value: UnsafeRawBufferPointer, at start: Int) -> Bool {
    var index = 0
    while index < value.count && value[index] == bytes[start + index] { index += 1 }
    return index == value.count
  }
}
