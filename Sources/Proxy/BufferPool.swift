/// A worker's buffers: recycled memory of two sizes, handed out only while bytes are in them.
struct BufferPool: ~Copyable {
  /// Bytes of a small buffer: one head of the largest size allowed, or one ordinary response.
  static let small = 16 * 1024 + 1024
  /// Bytes of a large buffer: a head and a body held for a repeat, or a piece of a long body.
  static let large = 80 * 1024 + 1024

  /// Bytes at the end of every buffer that are not part of its capacity: a request keeps its session id there.
  static let reserve = 256

  /// Free buffers of a size kept for reuse; what is over goes back to the system.
  private static let keptMax = 512

  private var smallFree: UnsafeMutablePointer<UnsafeMutableRawPointer>
  private var largeFree: UnsafeMutablePointer<UnsafeMutableRawPointer>
  private var smallCount = 0
  private var largeCount = 0
  /// Buffers handed out now.
  private(set) var inUse = 0

  init() {
    smallFree = .allocate(capacity: Self.keptMax)
    largeFree = .allocate(capacity: Self.keptMax)
  }

  deinit {
    for index in 0..<smallCount { smallFree[index].deallocate() }
    for index in 0..<largeCount { largeFree[index].deallocate() }
    smallFree.deallocate()
    largeFree.deallocate()
  }

  /// A buffer of `small` bytes, its content undefined.
  @inline(__always)
  mutating func takeSmall() -> Buffer {
    inUse += 1
    if smallCount > 0 {
      smallCount -= 1
      return Buffer(base: smallFree[smallCount], isLarge: false)
    }
    return Buffer(base: .allocate(byteCount: Self.small, alignment: 64), isLarge: false)
  }

  /// A buffer of `large` bytes, its content undefined.
  mutating func takeLarge() -> Buffer {
    inUse += 1
    if largeCount > 0 {
      largeCount -= 1
      return Buffer(base: largeFree[largeCount], isLarge: true)
    }
    return Buffer(base: .allocate(byteCount: Self.large, alignment: 64), isLarge: true)
  }

  /// Takes a buffer back; nothing for the empty one.
  @inline(__always)
  mutating func giveBack(_ buffer: inout Buffer) {
    guard let base = buffer.base else { return }
    inUse -= 1
    if buffer.isLarge {
      if largeCount < Self.keptMax {
        largeFree[largeCount] = base
        largeCount += 1
      } else {
        base.deallocate()
      }
    } else if smallCount < Self.keptMax {
      smallFree[smallCount] = base
      smallCount += 1
    } else {
      base.deallocate()
    }
    buffer = .none
  }
}

/// Memory with the range of bytes in it that are still to be used.
struct Buffer {
  var base: UnsafeMutableRawPointer?
  var isLarge: Bool
  /// First byte in use.
  var start = 0
  /// Behind the last byte in use.
  var end = 0

  init(base: UnsafeMutableRawPointer?, isLarge: Bool) {
    self.base = base
    self.isLarge = isLarge
  }

  /// No memory.
  static var none: Buffer { Buffer(base: nil, isLarge: false) }

  @inline(__always) var isHeld: Bool { base != nil }
  @inline(__always) var count: Int { end - start }
  @inline(__always) var capacity: Int { (isLarge ? BufferPool.large : BufferPool.small) - BufferPool.reserve }
  /// Bytes that fit behind the end.
  @inline(__always) var room: Int { capacity - end }
  @inline(__always) var first: UnsafeMutableRawPointer { base! + start }
  @inline(__always) var free: UnsafeMutableRawPointer { base! + end }

  /// The reserve behind the capacity.
  @inline(__always) var reserved: UnsafeMutableRawPointer { base! + capacity }

  /// Moves what is in use to the front.
  mutating func compact() {
    guard start > 0, let base else { return }
    if count > 0 { base.copyMemory(from: base + start, byteCount: count) }
    end -= start
    start = 0
  }
}
