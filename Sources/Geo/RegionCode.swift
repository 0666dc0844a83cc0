/// A code of one to eight ASCII characters (`EU`, `GB`, `ENG`), packed so that reading one allocates nothing.
public struct RegionCode: Sendable, Hashable {
  /// The characters, the first in the most significant byte; the rest is zero.
  public let packed: UInt64

  /// Takes packed characters; nil when there are none.
  public init?(packed: UInt64) {
    guard packed != 0 else { return nil }
    self.packed = packed
  }

  /// Packs a text; nil when it is empty, longer than eight bytes or not visible ASCII.
  public init?(_ text: some StringProtocol) {
    guard !text.isEmpty, text.utf8.count <= 8, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
    var packed: UInt64 = 0
    for byte in text.utf8 { packed = packed << 8 | UInt64(byte) }
    self.packed = packed << UInt64(8 * (8 - text.utf8.count))
  }
}

extension RegionCode: CustomStringConvertible {
  /// The characters.
  public var description: String {
    var bytes: [UInt8] = []
    var rest = packed
    while rest != 0 {
      bytes.append(UInt8(rest >> 56))
      rest <<= 8
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
