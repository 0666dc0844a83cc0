/// Draws a member in proportion to its weight in constant time: Walker's alias method, built as by Vose (1991).
///
/// Each of n equally likely slots belongs to one member up to a threshold and to a second one above it.
struct AliasTable {
  private struct Slot {
    /// The slot's own member is drawn when the fraction, of 2^32, is below this.
    var threshold: UInt64
    var alias: Int32
  }

  /// The members, in the order given; a draw returns a position in it.
  private(set) var members: [WeightedServer] = []
  private var slots: [Slot] = []

  /// Takes over the members; O(n).
  mutating func rebuild(_ usable: [WeightedServer]) {
    members = usable
    let count = UInt64(usable.count)
    let total = usable.reduce(into: UInt64(0)) { $0 += UInt64($1.weight) }
    // Member i has mass weight * count, a slot holds `total`: the sums agree, in whole numbers.
    var mass = usable.map { UInt64($0.weight) * count }
    slots = usable.indices.map { Slot(threshold: 1 << 32, alias: Int32($0)) }
    var small: [Int] = []
    var large: [Int] = []
    for position in usable.indices {
      if mass[position] < total { small.append(position) } else { large.append(position) }
    }
    while let poor = small.popLast(), let rich = large.popLast() {
      slots[poor] = Slot(threshold: (mass[poor] << 32) / total, alias: Int32(rich))
      mass[rich] -= total - mass[poor]
      if mass[rich] < total { small.append(rich) } else { large.append(rich) }
    }
  }

  /// The position in `members` that belongs to 64 evenly spread bits; there must be a member.
  @inline(__always)
  func position(_ bits: UInt64) -> Int {
    let product = bits.multipliedFullWidth(by: UInt64(slots.count))
    let slot = slots[Int(product.high)]
    return (product.low >> 32) < slot.threshold ? Int(product.high) : Int(slot.alias)
  }
}
