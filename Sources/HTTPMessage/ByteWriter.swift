/// Writes into memory that somebody else owns, never beyond its end.
///
/// What does not fit is left out and `hasOverflowed` set, to be checked once when all is written.
@frozen
public struct ByteWriter {
  @usableFromInline let base: UnsafeMutableRawPointer
  /// Bytes that may be written in all; -1 once something did not fit.
  @usableFromInline var limit: Int
  @usableFromInline var used = 0

  /// Bytes written so far.
  @inlinable
  public var position: Int {
    @inline(__always) get { used }
  }
  /// Something did not fit.
  @inlinable
  public var hasOverflowed: Bool {
    @inline(__always) get { limit < 0 }
  }

  /// A writer over `buffer`, which must outlive it.
  @inlinable @inline(__always)
  public init(_ buffer: UnsafeMutableRawBufferPointer) {
    if let address = buffer.baseAddress {
      base = address
      limit = buffer.count
    } else {
      // Nothing will be written there.
      base = UnsafeMutableRawPointer(bitPattern: 1)!
      limit = 0
    }
  }

  /// Bytes that still fit.
  public var remaining: Int { hasOverflowed ? 0 : limit &- used }

  /// What was written.
  public var written: ByteView { ByteView(UnsafeRawBufferPointer(start: base, count: used)) }

  /// Whether `count` more bytes fit; says so for all time if they do not.
  @inlinable @inline(__always)
  mutating func reserve(_ count: Int) -> Bool {
    if count > limit &- used {
      limit = -1
      return false
    }
    return true
  }

  /// Writes bytes, all or none.
  public mutating func append(_ bytes: ByteView) {
    if bytes.count == 0 || !reserve(bytes.count) { return }
    (base + used).copyMemory(from: UnsafeRawPointer(bytes.base), byteCount: bytes.count)
    used &+= bytes.count
  }

  /// Writes a literal, all or none: where its length is known at compile time, without a call.
  @inlinable @inline(__always)
  public mutating func append(_ literal: StaticString) {
    let count = literal.utf8CodeUnitCount
    if count == 0 || !reserve(count) { return }
    (base + used).copyMemory(from: UnsafeRawPointer(literal.utf8Start), byteCount: count)
    used &+= count
  }

  /// Writes one byte.
  @inlinable @inline(__always)
  public mutating func append(byte: UInt8) {
    if !reserve(1) { return }
    base.storeBytes(of: byte, toByteOffset: used, as: UInt8.self)
    used &+= 1
  }

  /// Writes an IPv4 address, its first octet in the most significant place, as `127.0.0.1`, all or none.
  public mutating func append(dotted address: UInt32) {
    // The longest takes sixteen bytes while it is made; near the end of the memory that is done elsewhere.
    if limit &- used >= 16 {
      used &+= Self.writeDotted(address, to: base + used)
      return
    }
    var memory: (UInt64, UInt64) = (0, 0)
    withUnsafeMutableBytes(of: &memory) { memory in
      let count = Self.writeDotted(address, to: memory.baseAddress!)
      append(ByteView(UnsafeRawBufferPointer(start: memory.baseAddress!, count: count)))
    }
  }

  @inline(__always)
  private static func writeDotted(_ address: UInt32, to memory: UnsafeMutableRawPointer) -> Int {
    var index = 0
    var shift: UInt32 = 32
    while shift > 0 {
      shift &-= 8
      let octet = (address &>> shift) & 0xFF
      let tens = octet / 10
      let hundreds = octet / 100
      // Three digits and a dot, the first digit in the lowest byte: hundreds | (tens - 10 hundreds) << 8 | (octet - 10 tens) << 16.
      let digits = octet &<< 16 &- tens &* 0x9FF00 &- hundreds &* 0x9FF
      // Those that are zeros in front are shifted out, but not the last.
      let zeros = UInt32(truncatingIfNeeded: (digits | 0x1_0000).trailingZeroBitCount) & 24
      (memory + index).storeBytes(of: ((digits &+ 0x2E30_3030) &>> zeros).littleEndian, as: UInt32.self)
      index &+= 4 &- Int(truncatingIfNeeded: zeros &>> 3)
    }
    // Without the last dot.
    return index &- 1
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
    let bytes = base.assumingMemoryBound(to: UInt8.self)
    var index = used &+ digits
    while index > used {
      index &-= 1
      bytes[index] = ASCII.zero &+ UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
    used &+= digits
  }

  /// Writes a number in hexadecimal, lower case, without leading zeros, all or none.
  public mutating func append(hexadecimal number: UInt64) {
    let digits = max(1, (67 &- number.leadingZeroBitCount) / 4)
    if !reserve(digits) { return }
    var rest = number
    let bytes = base.assumingMemoryBound(to: UInt8.self)
    var index = used &+ digits
    while index > used {
      index &-= 1
      let digit = UInt8(truncatingIfNeeded: rest & 0xF)
      bytes[index] = digit < 10 ? ASCII.zero &+ digit : 0x61 &+ digit &- 10
      rest &>>= 4
    }
    used &+= digits
  }

  /// Writes a date as `CookieDate` reads it: five characters, all or none.
  /// - Parameter seconds: Unix seconds, rounded up to units of four.
  public mutating func append(cookieDate seconds: UInt32) {
    if !reserve(CookieDate.characterCount) { return }
    let bytes = base.assumingMemoryBound(to: UInt8.self)
    var index = 0
    while index < CookieDate.characterCount {
      bytes[used &+ index] = CookieDate.character(index, of: seconds)
      index &+= 1
    }
    used &+= CookieDate.characterCount
  }
}
