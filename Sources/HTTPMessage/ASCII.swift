/// Characters and character classes of the HTTP grammar.
@usableFromInline
enum ASCII {
  static let tab: UInt8 = 0x09
  static let lineFeed: UInt8 = 0x0A
  static let carriageReturn: UInt8 = 0x0D
  static let space: UInt8 = 0x20
  static let quote: UInt8 = 0x22
  static let numberSign: UInt8 = 0x23
  static let percent: UInt8 = 0x25
  static let openParenthesis: UInt8 = 0x28
  static let closeParenthesis: UInt8 = 0x29
  static let asterisk: UInt8 = 0x2A
  static let comma: UInt8 = 0x2C
  static let dot: UInt8 = 0x2E
  static let slash: UInt8 = 0x2F
  static let zero: UInt8 = 0x30
  static let colon: UInt8 = 0x3A
  static let semicolon: UInt8 = 0x3B
  static let equals: UInt8 = 0x3D
  static let questionMark: UInt8 = 0x3F
  static let at: UInt8 = 0x40
  static let openBracket: UInt8 = 0x5B
  static let backslash: UInt8 = 0x5C
  static let closeBracket: UInt8 = 0x5D
  static let bar: UInt8 = 0x7C
  static let tilde: UInt8 = 0x7E

  /// Whether the bit of `byte` is set in a class given as two halves, for 0 to 63 and 64 to 127.
  @inline(__always)
  private static func contains(_ low: UInt64, _ high: UInt64, _ byte: UInt8) -> Bool {
    if byte >= 0x80 { return false }
    return ((byte < 64 ? low : high) &>> UInt64(byte & 63)) & 1 != 0
  }

  /// tchar (RFC 9110 5.6.2): letters, digits and `!#$%&'*+-.^_`|~`.
  @inline(__always)
  static func isToken(_ byte: UInt8) -> Bool {
    contains(0x03FF_6CFA_0000_0000, 0x57FF_FFFF_C7FF_FFFE, byte)
  }

  /// Characters of a reg-name (RFC 3986 3.2.2) but `%`, which stands before two digits, and `,`: a comma in a host
  /// tells of two Host fields that somebody joined.
  @inline(__always)
  static func isRegisteredName(_ byte: UInt8) -> Bool {
    contains(0x2BFF_6FD2_0000_0000, 0x47FF_FFFE_87FF_FFFE, byte)
  }

  @inline(__always)
  static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

  @inline(__always)
  static func isBlank(_ byte: UInt8) -> Bool { byte == space || byte == tab }

  /// The value of a hexadecimal digit, or 255.
  @inline(__always)
  static func hexValue(_ byte: UInt8) -> UInt8 {
    let digit = byte &- 0x30
    if digit < 10 { return digit }
    let letter = (byte | 0x20) &- 0x61
    return letter < 6 ? letter &+ 10 : 255
  }

  @inline(__always)
  static func lowerCased(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
}

extension ByteView {
  /// Whether both hold the same bytes.
  public func equals(_ other: ByteView) -> Bool {
    if count != other.count { return false }
    var index = 0
    while index <= count &- 8 {
      if word(at: index) != other.word(at: index) { return false }
      index &+= 8
    }
    while index < count {
      if base[index] != other.base[index] { return false }
      index &+= 1
    }
    return true
  }

  /// Whether both hold the same bytes, ASCII letters compared without case.
  public func equalsIgnoringCase(_ other: ByteView) -> Bool {
    if count != other.count { return false }
    var index = 0
    while index < count {
      if ASCII.lowerCased(self[index]) != ASCII.lowerCased(other[index]) { return false }
      index &+= 1
    }
    return true
  }

  /// Whether the view starts with the bytes of `other`.
  public func starts(with other: ByteView) -> Bool {
    count >= other.count && slice(0, other.count).equals(other)
  }

  /// The offset of the first `byte` at or after `start`; nil when there is none.
  public func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
    let index = ByteScanning(self, end: count).firstIndex(of: byte, from: start)
    return index < count ? index : nil
  }

  /// The range without spaces and tabs at both ends.
  public func trimmed(_ start: Int, _ end: Int) -> ByteRange {
    var first = start
    var last = end
    while first < last && ASCII.isBlank(self[first]) { first &+= 1 }
    while last > first && ASCII.isBlank(self[last &- 1]) { last &-= 1 }
    return ByteRange(first, last)
  }
}
