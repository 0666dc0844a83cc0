/// The data of a MaxMind DB, or its metadata: values that begin with a control byte (MaxMind DB file format 2.0, section
/// "Output Data Section"). Every access is checked, for bytes that may be anything.
struct DataSection {
  /// The kinds of values, by their numbers in the format.
  enum Kind: UInt8 {
    case pointer = 1
    case string, double, bytes, uint16, uint32, map, int32, uint64, uint128, array
    case boolean = 14
    case float
  }

  /// The beginning of a value.
  struct Item {
    var kind: Kind
    /// Bytes of content; of a map pairs, of an array elements, of a boolean its value, of a pointer where it points.
    var size: Int
    /// Where the content begins.
    var content: Int
    /// Where the next value begins; of maps and arrays where their first element does.
    var next: Int
  }

  let bytes: UnsafeRawBufferPointer
  /// Where the section begins in the file, for errors.
  let fileOffset: Int

  /// Values may be nested so deep.
  static let depthMax = 64

  func corrupt(_ what: String, at offset: Int) -> GeoDatabaseError { .corrupt(what: what, at: fileOffset + offset) }

  /// The value at an offset; pointers are not followed.
  func item(at offset: Int) throws(GeoDatabaseError) -> Item {
    guard offset >= 0, offset < bytes.count else { throw corrupt("a value lies beyond the data", at: offset) }
    let control = Int(bytes[offset])
    var position = offset + 1
    var number = UInt8(control >> 5)
    if number == 1 { return try pointer(control, at: offset) }
    if number == 0 {
      guard position < bytes.count else { throw corrupt("a value is cut off", at: offset) }
      number = bytes[position] &+ 7
      position += 1
      guard number > 7 else { throw corrupt("a value has an unknown type", at: offset) }
    }
    guard let kind = Kind(rawValue: number) else { throw corrupt("a value has an unknown type", at: offset) }
    var size = control & 31
    if size > 28 {
      let more = size - 28
      let base = [29, 285, 65821][more - 1]
      size = base + Int(try unsigned(at: position, count: more))
      position += more
    }
    switch kind {
    case .map, .array, .boolean, .pointer: return Item(kind: kind, size: size, content: position, next: position)
    case .string, .bytes: break
    case .double where size == 8, .float where size == 4, .uint16 where size <= 2, .uint32 where size <= 4,
      .int32 where size <= 4, .uint64 where size <= 8, .uint128 where size <= 16:
      break
    default: throw corrupt("a value has a size its type cannot have", at: offset)
    }
    guard size <= bytes.count - position else { throw corrupt("a value is cut off", at: offset) }
    return Item(kind: kind, size: size, content: position, next: position + size)
  }

  private func pointer(_ control: Int, at offset: Int) throws(GeoDatabaseError) -> Item {
    let count = (control >> 3 & 3) + 1
    let raw = Int(try unsigned(at: offset + 1, count: count))
    let upper = count == 4 ? 0 : (control & 7) << (8 * count)
    let base = [0, 2048, 526_336, 0][count - 1]
    return Item(kind: .pointer, size: base + upper + raw, content: offset + 1, next: offset + 1 + count)
  }

  /// A big-endian number of at most 8 bytes.
  func unsigned(at offset: Int, count: Int) throws(GeoDatabaseError) -> UInt64 {
    guard offset + count <= bytes.count else { throw corrupt("a value is cut off", at: offset) }
    var number: UInt64 = 0
    for index in offset..<offset + count { number = number << 8 | UInt64(bytes[index]) }
    return number
  }

  /// The value that is meant at an offset: a pointer is followed, once. `next` is where the value after it begins; that of
  /// a map or array without a pointer is known only after its elements.
  func target(at offset: Int) throws(GeoDatabaseError) -> (item: Item, next: Int?) {
    let found = try item(at: offset)
    guard found.kind == .pointer else {
      return (found, found.kind == .map || found.kind == .array ? nil : found.next)
    }
    let target = try item(at: found.size)
    guard target.kind != .pointer else { throw corrupt("a pointer points to a pointer", at: offset) }
    return (target, found.next)
  }

  /// A key of a map and where its value begins.
  func key(at offset: Int) throws(GeoDatabaseError) -> (item: Item, next: Int) {
    let (item, next) = try target(at: offset)
    guard item.kind == .string, let next else { throw corrupt("a key is not a text", at: offset) }
    return (item, next)
  }

  func text(_ item: Item) -> String {
    String(decoding: UnsafeRawBufferPointer(rebasing: bytes[item.content..<item.content + item.size]), as: UTF8.self)
  }
}
