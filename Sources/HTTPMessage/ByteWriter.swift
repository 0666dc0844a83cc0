/// Writes into memory that somebody else owns, never beyond its end.
///
/// What does not fit is left out and `hasOverflowed` set, to be checked once when all is written.
@frozen
public struct ByteWriter {
  @usableFromInline let buffer: UnsafeMutableRawBufferPointer
  /// Bytes written so far.
  public private(set) var position = 0
  /// Something did not fit.
  public private(set) var hasOverflowed = false

  /// A writer over `buffer`, which must outlive it.
  public init(_ buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }

  /// Bytes that still fit.
  public var remaining: Int { buffer.count &- position }

  /// What was written.
  public var written: ByteView { ByteView(UnsafeRawBufferPointer(rebasing: buffer[..<position])) }

  /// Whether `count` more bytes fit; says so for all time if they do not.
  @inline(__always)
  private mutating func reserve(_ count: Int) -> Bool {
    if hasOverflowed || count > buffer.count &- position {
      hasOverflowed = true
      return false
    }
    return true
  }

  /// Writes bytes, all or none.
  public mutating func append(_ bytes: ByteView) {
    if bytes.count == 0 || !reserve(bytes.count) { return }
    (buffer.baseAddress! + position).copyMemory(from: UnsafeRawPointer(bytes.base), byteCount: bytes.count)
    position &+= bytes.count
  }

  /// Writes a literal, all or none.
  @inlinable @inline(__always)
  public mutating func append(_ literal: StaticString) { append(ByteView(literal)) }

  /// Writes one byte.
  public mutating func append(byte: UInt8) {
    if !reserve(1) { return }
    buffer[position] = byte
    position &+= 1
  }

  /// Writes a number in decimal, all or none.
  public mutating func append(decimal number: UInt64) {
    var digits = 1
    var rest = number / 10
    while rest > 0 {
      digits &+= 1
      rest /= 10
    }
    append(decimal: number, digits: digits)
  }

  /// Writes the low `digits` decimal digits of a number, with leading zeros, all or none.
  public mutating func append(decimal number: UInt64, digits: Int) {
    if !reserve(digits) { return }
    var rest = number
    var index = position &+ digits
    while index > position {
      index &-= 1
      buffer[index] = ASCII.zero &+ UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
    position &+= digits
  }

  /// Writes a number in hexadecimal, lower case, without leading zeros, all or none.
  public mutating func append(hexadecimal number: UInt64) {
    let digits = max(1, (67 &- number.leadingZeroBitCount) / 4)
    if !reserve(digits) { return }
    var rest = number
    var index = position &+ digits
    while index > position {
      index &-= 1
      let digit = UInt8(truncatingIfNeeded: rest & 0xF)
      buffer[index] = digit < 10 ? ASCII.zero &+ digit : 0x61 &+ digit &- 10
      rest &>>= 4
    }
    position &+= digits
  }

  /// Writes a date as `CookieDate` reads it: five characters, all or none.
  /// - Parameter seconds: Unix seconds, rounded up to units of four.
  public mutating func append(cookieDate seconds: UInt32) {
    if !reserve(CookieDate.characterCount) { return }
    var index = 0
    while index < CookieDate.characterCount {
      buffer[position &+ index] = CookieDate.character(index, of: seconds)
      index &+= 1
    }
    position &+= CookieDate.characterCount
  }
}
