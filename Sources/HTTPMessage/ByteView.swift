/// A run of bytes in memory that somebody else owns, with checked access.
///
/// A view holds no memory alive: it must not outlive the buffer it was made from. Positions that the parsers of this
/// module give out are offsets from the start of the view they were given.
@frozen
public struct ByteView {
  /// The first byte. Never to be read when `count` is 0.
  public let base: UnsafePointer<UInt8>
  /// Number of bytes.
  public let count: Int

  /// A view of `count` bytes at `base`.
  @inlinable @inline(__always)
  public init(_ base: UnsafePointer<UInt8>, count: Int) {
    precondition(count >= 0)
    self.base = base
    self.count = count
  }

  /// A view of a raw buffer; an empty buffer may have no address.
  @inlinable @inline(__always)
  public init(_ buffer: UnsafeRawBufferPointer) {
    if let address = buffer.baseAddress {
      self.init(address.assumingMemoryBound(to: UInt8.self), count: buffer.count)
    } else {
      self.init(UnsafePointer(bitPattern: 1)!, count: 0)
    }
  }

  /// A view of a byte buffer; an empty buffer may have no address.
  @inlinable @inline(__always)
  public init(_ buffer: UnsafeBufferPointer<UInt8>) {
    self.init(UnsafeRawBufferPointer(buffer))
  }

  /// A view of a literal's UTF-8 bytes.
  @inlinable @inline(__always)
  public init(_ literal: StaticString) {
    precondition(literal.hasPointerRepresentation)
    self.init(literal.utf8Start, count: literal.utf8CodeUnitCount)
  }

  /// The byte at `offset`; traps outside the view.
  @inlinable
  public subscript(_ offset: Int) -> UInt8 {
    @inline(__always) get {
      precondition(UInt(bitPattern: offset) < UInt(bitPattern: count))
      return base[offset]
    }
  }

  /// The bytes of `range`; traps when it reaches outside the view.
  @inlinable
  public subscript(_ range: ByteRange) -> ByteView {
    @inline(__always) get { slice(range.start, range.end) }
  }

  /// The bytes from `start` up to, not including, `end`; traps outside the view.
  @inlinable @inline(__always)
  public func slice(_ start: Int, _ end: Int) -> ByteView {
    precondition(start >= 0 && start <= end && end <= count)
    return ByteView(base + start, count: end &- start)
  }

  /// Eight bytes from `offset`, the first in the least significant place; traps outside the view.
  @inlinable @inline(__always)
  public func word(at offset: Int) -> UInt64 {
    precondition(offset >= 0 && offset <= count &- 8)
    return UInt64(littleEndian: UnsafeRawPointer(base + offset).loadUnaligned(as: UInt64.self))
  }

  /// Up to eight bytes from `offset`, as `word(at:)`, zero where the view has ended or beyond `length` (0 to 8).
  @inlinable @inline(__always)
  public func word(at offset: Int, length: Int) -> UInt64 {
    if offset <= count &- 8 {
      let all = word(at: offset)
      return length >= 8 ? all : all & ((1 &<< (UInt64(truncatingIfNeeded: length) &* 8)) &- 1)
    }
    return shortWord(at: offset, length: length)
  }

  @usableFromInline @inline(never)
  func shortWord(at offset: Int, length: Int) -> UInt64 {
    var result: UInt64 = 0
    var index = 0
    while index < length && index < 8 && offset + index < count {
      result |= UInt64(self[offset + index]) &<< (UInt64(index) &* 8)
      index += 1
    }
    return result
  }

  /// The raw bytes, for system calls and copies.
  @inlinable
  public var rawBuffer: UnsafeRawBufferPointer {
    @inline(__always) get { UnsafeRawBufferPointer(start: UnsafeRawPointer(base), count: count) }
  }
}

/// A range of a message by offset and length, small enough to keep many of.
@frozen
public struct ByteRange: Equatable, Sendable {
  @usableFromInline var offset: UInt32
  @usableFromInline var byteCount: UInt32

  /// The empty range at 0.
  @inlinable @inline(__always)
  public init() {
    offset = 0
    byteCount = 0
  }

  /// From `start` up to, not including, `end`; both at most 2^32 - 1.
  @inlinable @inline(__always)
  public init(_ start: Int, _ end: Int) {
    offset = UInt32(start)
    byteCount = UInt32(end &- start)
  }

  @inlinable @inline(__always)
  init(offset: UInt32, byteCount: UInt32) {
    self.offset = offset
    self.byteCount = byteCount
  }

  /// The first byte's offset.
  @inlinable
  public var start: Int {
    @inline(__always) get { Int(offset) }
  }

  /// The offset behind the last byte.
  @inlinable
  public var end: Int {
    @inline(__always) get { Int(offset) &+ Int(byteCount) }
  }

  /// Number of bytes.
  @inlinable
  public var count: Int {
    @inline(__always) get { Int(byteCount) }
  }

  /// Whether there is no byte in it.
  @inlinable
  public var isEmpty: Bool {
    @inline(__always) get { byteCount == 0 }
  }

  /// The same range seen from a view that starts `distance` bytes earlier.
  @inlinable @inline(__always)
  public func shifted(by distance: Int) -> ByteRange {
    ByteRange(start &+ distance, end &+ distance)
  }
}

extension Span where Element == UInt8 {
  /// Calls `body` with a view of the span's bytes, valid during the call.
  @inlinable @inline(__always)
  public func withByteView<Result, Failure: Error>(_ body: (ByteView) throws(Failure) -> Result) throws(Failure)
    -> Result
  {
    try withUnsafeBufferPointer { (buffer) throws(Failure) in try body(ByteView(buffer)) }
  }
}
