internal import CMaxMindDB

/// Goes through a whole database once: every record of the search tree leads somewhere, and everything that can be reached
/// from there is well formed, ends, and is not nested too deep. libmaxminddb checks that what it reads lies within the file,
/// but goes as deep as the data tells it to.
struct Verification {
  private let tree: UnsafeRawBufferPointer
  private let data: DataSection
  private let nodeCount: Int
  private let recordBits: Int

  init(_ database: MMDB_s, _ metadata: GeoMetadata) {
    data = DataSection(database, metadata)
    tree = UnsafeRawBufferPointer(start: database.file_content, count: data.fileOffset - 16)
    nodeCount = metadata.nodeCount
    recordBits = metadata.recordBits
  }

  /// - Returns: the offsets of all records in the data, rising.
  func run() throws(GeoDatabaseError) -> [UInt32] {
    let records = try self.records()
    var checked = OffsetSet(count: data.bytes.count)
    for record in records { _ = try check(Int(record), depth: 0, &checked) }
    return records
  }

  private func records() throws(GeoDatabaseError) -> [UInt32] {
    var met = OffsetSet(count: data.bytes.count)
    let nodeBytes = recordBits / 4
    let first = nodeCount + 16
    for node in 0..<nodeCount {
      let at = node * nodeBytes
      let (left, right) = values(at: at)
      if left > nodeCount { try enter(left - first, from: at, into: &met) }
      if right > nodeCount { try enter(right - first, from: at, into: &met) }
    }
    return met.all
  }

  @inline(__always)
  private func enter(_ offset: Int, from node: Int, into met: inout OffsetSet) throws(GeoDatabaseError) {
    guard offset >= 0, offset < data.bytes.count else { throw .corrupt(what: "a node leads nowhere", at: node) }
    met.insert(offset)
  }

  /// The two records of a node.
  @inline(__always)
  private func values(at offset: Int) -> (Int, Int) {
    func byte(_ index: Int) -> Int { Int(tree[offset + index]) }
    switch recordBits {
    case 24:
      return (byte(0) << 16 | byte(1) << 8 | byte(2), byte(3) << 16 | byte(4) << 8 | byte(5))
    case 28:
      // The middle byte has the highest four bits of both.
      return (
        (byte(3) & 0xF0) << 20 | byte(0) << 16 | byte(1) << 8 | byte(2),
        (byte(3) & 0x0F) << 24 | byte(4) << 16 | byte(5) << 8 | byte(6)
      )
    default:
      return (
        byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3), byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7)
      )
    }
  }

  /// Checks a value and all in it. What a pointer leads to is checked once only.
  ///
  /// - Returns: where the next value begins.
  private func check(_ offset: Int, depth: Int, _ checked: inout OffsetSet) throws(GeoDatabaseError) -> Int {
    guard depth < DataSection.depthMax else { throw data.corrupt("values are nested too deep", at: offset) }
    let (item, next) = try data.target(at: offset)
    if item.kind == .map || item.kind == .array {
      let start = next == nil ? offset : try data.item(at: offset).size
      if let next, checked.contains(start) { return next }
      var inner = item.next
      for _ in 0..<item.size {
        if item.kind == .map { inner = try data.key(at: inner).next }
        inner = try check(inner, depth: depth + 1, &checked)
      }
      if next == nil { return inner }
      checked.insert(start)
    }
    return next ?? item.next
  }
}

/// A set of offsets below a bound: a bit each.
private struct OffsetSet {
  private var words: [UInt64]

  init(count: Int) { words = [UInt64](repeating: 0, count: (count + 63) / 64) }

  mutating func insert(_ offset: Int) { words[offset >> 6] |= 1 << UInt64(offset & 63) }

  func contains(_ offset: Int) -> Bool { words[offset >> 6] >> UInt64(offset & 63) & 1 == 1 }

  /// Rising.
  var all: [UInt32] {
    var found: [UInt32] = []
    for (index, word) in words.enumerated() {
      var rest = word
      while rest != 0 {
        found.append(UInt32(index * 64 + rest.trailingZeroBitCount))
        rest &= rest - 1
      }
    }
    return found
  }
}
