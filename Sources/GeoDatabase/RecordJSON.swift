extension GeoDatabase {
  /// Appends a whole record as JSON, its keys in the order of the file: every type of the format, bytes as hexadecimal text,
  /// numbers that JSON does not have (infinite, not a number) as null.
  ///
  /// Throws when a record has more than a million values: pointers can make a small file say that.
  public func appendJSON(of record: UInt32, to text: inout [UInt8]) throws(GeoDatabaseError) {
    var writer = RecordWriter(data: data, text: text)
    text = []
    _ = try writer.write(Int(record), depth: 0)
    text = writer.text
  }

  /// A text by its path of keys, such as `["city", "names", "en"]`; nil: there is none.
  public func text(of record: UInt32, _ path: [String]) throws(GeoDatabaseError) -> String? {
    let data = data
    var offset = Int(record)
    search: for key in path {
      let item = try data.target(at: offset).item
      guard item.kind == .map else { return nil }
      var position = item.next
      for _ in 0..<item.size {
        let (name, value) = try data.key(at: position)
        if data.text(name) == key {
          offset = value
          continue search
        }
        position = try data.end(of: value)
      }
      return nil
    }
    let item = try data.target(at: offset).item
    return item.kind == .string ? data.text(item) : nil
  }
}

extension DataSection {
  /// Where the value after one begins; pointers are not followed.
  func end(of offset: Int, depth: Int = 0) throws(GeoDatabaseError) -> Int {
    guard depth < Self.depthMax else { throw corrupt("values are nested too deep", at: offset) }
    let item = try item(at: offset)
    guard item.kind == .map || item.kind == .array else { return item.next }
    var inner = item.next
    for _ in 0..<item.size * (item.kind == .map ? 2 : 1) { inner = try end(of: inner, depth: depth + 1) }
    return inner
  }
}

/// Writes values as JSON.
private struct RecordWriter {
  /// Values of one record at most.
  private static let valuesMax = 1_000_000

  let data: DataSection
  var text: [UInt8]
  private var values = 0

  init(data: DataSection, text: [UInt8]) {
    self.data = data
    self.text = text
  }

  mutating func write(_ offset: Int, depth: Int) throws(GeoDatabaseError) -> Int {
    values += 1
    guard values <= Self.valuesMax, depth < 2 * DataSection.depthMax else {
      throw data.corrupt("a record has no end", at: offset)
    }
    let (item, next) = try data.target(at: offset)
    var inner = item.next
    switch item.kind {
    case .map:
      append("{")
      for index in 0..<item.size {
        if index > 0 { append(",") }
        let key = try data.key(at: inner)
        write(string: key.item)
        append(":")
        inner = try write(key.next, depth: depth + 1)
      }
      append("}")
    case .array:
      append("[")
      for index in 0..<item.size {
        if index > 0 { append(",") }
        inner = try write(inner, depth: depth + 1)
      }
      append("]")
    case .string: write(string: item)
    case .bytes: append("\"" + data.bytes[item.content..<item.next].map(hexadecimal).joined() + "\"")
    case .double: write(Double(bitPattern: try data.unsigned(at: item.content, count: 8)))
    case .float: write(Double(Float(bitPattern: UInt32(try data.unsigned(at: item.content, count: 4)))))
    case .boolean: append(item.size == 0 ? "false" : "true")
    case .uint16, .uint32, .uint64: append("\(try data.unsigned(at: item.content, count: item.size))")
    case .int32:
      let bits = UInt32(try data.unsigned(at: item.content, count: item.size))
      append("\(Int32(bitPattern: bits))")
    case .uint128:
      var number: UInt128 = 0
      for byte in data.bytes[item.content..<item.next] { number = number << 8 | UInt128(byte) }
      append("\(number)")
    case .pointer: throw data.corrupt("a pointer points to a pointer", at: offset)
    }
    return next ?? inner
  }

  private mutating func append(_ piece: String) { text += piece.utf8 }

  private mutating func write(_ number: Double) { append(number.isFinite ? "\(number)" : "null") }

  private mutating func write(string item: DataSection.Item) {
    let raw = data.bytes[item.content..<item.next]
    text.append(0x22)
    if raw.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C }) {
      text += raw
    } else {
      // Bytes that are not UTF-8 become replacement characters.
      for byte in String(decoding: raw, as: UTF8.self).utf8 {
        switch byte {
        case 0x22, 0x5C: text += [0x5C, byte]
        case 0..<0x20: append("\\u00" + hexadecimal(byte))
        default: text.append(byte)
        }
      }
    }
    text.append(0x22)
  }
}

private func hexadecimal(_ byte: UInt8) -> String {
  let digits = Array("0123456789abcdef")
  return String([digits[Int(byte >> 4)], digits[Int(byte & 15)]])
}
