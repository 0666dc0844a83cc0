import Foundation
import Testing
import Topology

/// A value of a MaxMind DB.
indirect enum Value: Hashable, Sendable {
  case map([Pair])
  case array([Value])
  case string(String)
  case double(Double)
  case float(Float)
  case bytes([UInt8])
  case uint16(UInt16)
  case uint32(UInt32)
  case uint64(UInt64)
  case uint128(UInt128)
  case int32(Int32)
  case boolean(Bool)
}

/// A key and its value.
struct Pair: Hashable, Sendable {
  var key: String
  var value: Value
}

extension Value: ExpressibleByDictionaryLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral,
  ExpressibleByFloatLiteral
{
  init(dictionaryLiteral elements: (String, Value)...) { self = .map(elements.map { Pair(key: $0.0, value: $0.1) }) }
  init(stringLiteral text: String) { self = .string(text) }
  init(arrayLiteral elements: Value...) { self = .array(elements) }
  init(floatLiteral number: Double) { self = .double(number) }

  /// A record as GeoLite2 City has them.
  static func city(
    _ latitude: Double, _ longitude: Double, _ continent: String, _ country: String, _ parts: [String] = []
  ) -> Value {
    [
      "continent": ["code": .string(continent)], "country": ["iso_code": .string(country)],
      "location": [
        "accuracy_radius": .uint16(50), "latitude": .double(latitude), "longitude": .double(longitude),
      ], "subdivisions": .array(parts.map { ["iso_code": .string($0)] }),
    ]
  }
}

/// Writes MaxMind DB files (format 2.0) for tests.
struct DatabaseWriter {
  var recordBits = 28
  var ipVersion = 6
  /// Ranges and their values, a later one over an earlier one.
  var entries: [(network: String, value: Value)] = []

  private enum Node {
    case empty, data(Int)
    case node(Int)
  }

  func file() throws -> [UInt8] {
    var nodes: [(Node, Node)] = [(.empty, .empty)]
    var data = Encoder()
    for (text, value) in entries {
      let network = try Network(parsing: text)
      let offset = data.shared(value)
      let whole = UInt128(network.high) << 64 | UInt128(network.low)
      var bits: [Bool] = (0..<network.prefixLength).map { index in whole >> UInt128(127 - index) & 1 == 1 }
      // IPv4 addresses stand at ::/96 in a tree of IPv6 addresses, and alone in one of IPv4 addresses.
      if network.isIPv4 {
        let own = Array(bits.dropFirst(96))
        bits = ipVersion == 4 ? own : [Bool](repeating: false, count: 96) + own
      }
      enter(.data(offset), at: bits, in: &nodes)
    }
    return assembled(nodes, data.bytes)
  }

  private func enter(_ leaf: Node, at bits: [Bool], in nodes: inout [(Node, Node)]) {
    var at = 0
    for (depth, bit) in bits.enumerated() {
      let child = bit ? nodes[at].1 : nodes[at].0
      let next: Node
      if depth == bits.count - 1 {
        next = leaf
      } else if case .node = child {
        next = child
      } else {
        // What was said of the whole range still holds for its halves.
        nodes.append((child, child))
        next = .node(nodes.count - 1)
      }
      if bit { nodes[at].1 = next } else { nodes[at].0 = next }
      if case .node(let number) = next { at = number }
    }
  }

  private func assembled(_ nodes: [(Node, Node)], _ data: [UInt8]) -> [UInt8] {
    func number(_ node: Node) -> UInt64 {
      switch node {
      case .empty: UInt64(nodes.count)
      case .node(let number): UInt64(number)
      case .data(let offset): UInt64(nodes.count + 16 + offset)
      }
    }
    var bytes: [UInt8] = []
    for node in nodes {
      let (left, right) = (number(node.0), number(node.1))
      func big(_ value: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - $0))) }
      }
      switch recordBits {
      case 24: bytes += big(left, 3) + big(right, 3)
      case 28: bytes += big(left, 3) + [UInt8(left >> 24) << 4 | UInt8(right >> 24)] + big(right, 3)
      default: bytes += big(left, 4) + big(right, 4)
      }
    }
    var metadata = Encoder()
    metadata.write([
      "node_count": .uint32(UInt32(nodes.count)), "record_size": .uint16(UInt16(recordBits)),
      "ip_version": .uint16(UInt16(ipVersion)), "database_type": "Test-City", "languages": ["en", "de"],
      "binary_format_major_version": .uint16(2), "binary_format_minor_version": .uint16(0),
      "build_epoch": .uint64(1_700_000_000), "description": ["en": "made by a test"],
    ])
    return bytes + [UInt8](repeating: 0, count: 16) + data + [0xAB, 0xCD, 0xEF] + Array("MaxMind.com".utf8)
      + metadata.bytes
  }
}

/// Encodes values; what `shared` was given twice is written once, and inner values become pointers to it.
struct Encoder {
  var bytes: [UInt8] = []
  private var offsets: [Value: Int] = [:]

  mutating func shared(_ value: Value) -> Int {
    if let offset = offsets[value] { return offset }
    let offset = bytes.count
    write(value)
    offsets[value] = offset
    return offset
  }

  mutating func write(_ value: Value) {
    if let offset = offsets[value], offset < 2048 {
      bytes += [0x20 | UInt8(offset >> 8), UInt8(offset & 255)]
      return
    }
    func big<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
      Array(withUnsafeBytes(of: number.bigEndian) { Array($0) }.drop { $0 == 0 })
    }
    switch value {
    case .map(let pairs):
      control(7, pairs.count)
      for pair in pairs {
        write(.string(pair.key))
        write(pair.value)
      }
    case .array(let values):
      control(11, values.count)
      for value in values { write(value) }
    case .string(let text):
      if text.utf8.count > 3, bytes.count < 2048 { offsets[value] = bytes.count }
      control(2, text.utf8.count)
      bytes += text.utf8
    case .bytes(let raw):
      control(4, raw.count)
      bytes += raw
    case .double(let number):
      control(3, 8)
      bytes += withUnsafeBytes(of: number.bitPattern.bigEndian) { Array($0) }
    case .float(let number):
      control(15, 4)
      bytes += withUnsafeBytes(of: number.bitPattern.bigEndian) { Array($0) }
    case .uint16(let number): put(5, big(number))
    case .uint32(let number): put(6, big(number))
    case .uint64(let number): put(9, big(number))
    case .uint128(let number): put(10, big(number))
    case .int32(let number): put(8, number < 0 ? withUnsafeBytes(of: number.bigEndian) { Array($0) } : big(number))
    case .boolean(let flag): control(14, flag ? 1 : 0)
    }
  }

  private mutating func put(_ kind: Int, _ number: [UInt8]) {
    control(kind, number.count)
    bytes += number
  }

  private mutating func control(_ kind: Int, _ size: Int) {
    let (short, more): (Int, [UInt8]) =
      switch size {
      case ..<29: (size, [])
      case ..<285: (29, [UInt8(size - 29)])
      case ..<65821: (30, [UInt8((size - 285) >> 8), UInt8((size - 285) & 255)])
      default: (31, [UInt8((size - 65821) >> 16), UInt8((size - 65821) >> 8 & 255), UInt8((size - 65821) & 255)])
      }
    bytes += kind > 7 ? [UInt8(short), UInt8(kind - 7)] : [UInt8(kind << 5 | short)]
    bytes += more
  }
}

/// A folder of a test's own, removed after it.
final class Folder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("geo-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appendingPathComponent(name).path }

  /// Writes a file beside and renames it into place.
  func replace(_ name: String, _ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path(name)), options: .atomic)
  }

  /// Overwrites a file as `cat > file` does: cut short first, then written anew.
  func overwrite(_ name: String, _ bytes: [UInt8]) throws {
    let file = try #require(fopen(path(name), "w"))
    defer { fclose(file) }
    #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
  }
}
