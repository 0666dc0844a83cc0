internal import CReactor

/// A worker's buffers: recycled memory of three sizes, handed out only while bytes are in them.
///
/// The memory is the worker's own, in pages of its own: of what a crowd has needed a bounded part is kept for reuse, the rest goes
/// back to the system at the moment it is given back, wherever it lies.
struct BufferPool: ~Copyable {
  /// Bytes of a small buffer: one head of the largest size allowed, or one ordinary response.
  static let small = Buffer.Size.small.bytes
  /// Bytes of a large buffer: a head and a body held for a repeat, or a piece of a long body.
  static let large = Buffer.Size.large.bytes

  /// Bytes at the end of every buffer that are not part of its capacity: a request keeps its session id there.
  static let reserve = 256

  private var shelves: (Shelf, Shelf, Shelf)
  /// Buffers handed out now.
  private(set) var inUse = 0

  init() {
    shelves = (Shelf(.small, keptMax: 512), Shelf(.middle, keptMax: 128), Shelf(.large, keptMax: 128))
  }

  deinit {
    shelves.0.deallocate()
    shelves.1.deallocate()
    shelves.2.deallocate()
  }

  /// A buffer of `small` bytes, its content undefined.
  @inline(__always)
  mutating func takeSmall() -> Buffer {
    inUse += 1
    return Buffer(base: shelves.0.take(), size: .small)
  }

  /// A buffer of `large` bytes, its content undefined.
  mutating func takeLarge() -> Buffer {
    inUse += 1
    return Buffer(base: shelves.2.take(), size: .large)
  }

  /// The smallest buffer that holds so many bytes, at most those of a large one, its content undefined.
  mutating func take(for count: Int) -> Buffer {
    if count <= Buffer.Size.small.capacity { return takeSmall() }
    guard count <= Buffer.Size.middle.capacity else { return takeLarge() }
    inUse += 1
    return Buffer(base: shelves.1.take(), size: .middle)
  }

  /// Takes a buffer back; nothing for the empty one.
  @inline(__always)
  mutating func giveBack(_ buffer: inout Buffer) {
    guard let base = buffer.base else { return }
    inUse -= 1
    switch buffer.size {
    case .small: shelves.0.put(base)
    case .middle: shelves.1.put(base)
    case .large: shelves.2.put(base)
    }
    buffer = .none
  }
}

/// The buffers of one size.
private struct Shelf {
  /// Buffers of one mapping.
  private static let blockCount = 64
  private static let page = 4_096

  /// Bytes from one buffer to the next: whole pages, so that each can go back to the system alone.
  private let stride: Int
  /// Where a buffer may begin behind the beginning of its pages, in `shift` steps: beginning all at the same place they would contend
  /// for the same few lines of the processor's cache.
  private let shifts: Int
  private static let shift = 192
  /// Free buffers kept as they are; the pages of what is over go back to the system.
  private let keptMax: Int
  private let kept: UnsafeMutablePointer<UnsafeMutableRawPointer>
  private var keptCount = 0
  /// Free buffers without memory: their addresses stay ours.
  private var bare: [UnsafeMutableRawPointer] = []
  private var blocks: [UnsafeMutableRawPointer] = []

  #if ADDRESS_SANITIZER
    /// Bytes of one buffer: whatever of a block is not handed out is poisoned, the gaps behind the buffers included.
    private let bytes: Int
  #endif

  init(_ size: Buffer.Size, keptMax: Int) {
    #if ADDRESS_SANITIZER
      bytes = size.bytes
    #endif
    stride = (size.bytes + 2_048 + Self.page - 1) / Self.page * Self.page
    shifts = (stride - size.bytes) / Self.shift + 1
    self.keptMax = keptMax
    kept = .allocate(capacity: keptMax)
  }

  func deallocate() {
    for block in blocks {
      #if ADDRESS_SANITIZER
        cr_unpoison(block, stride * Self.blockCount)
      #endif
      cr_unmap(block, stride * Self.blockCount)
    }
    kept.deallocate()
  }

  @inline(__always)
  mutating func take() -> UnsafeMutableRawPointer {
    #if ADDRESS_SANITIZER
      let base = keptCount > 0 ? kept[keptCount - 1] : takeBare()
      if keptCount > 0 { keptCount -= 1 }
      cr_unpoison(base, bytes)
      return base
    #else
      guard keptCount > 0 else { return takeBare() }
      keptCount -= 1
      return kept[keptCount]
    #endif
  }

  @inline(__always)
  mutating func put(_ base: UnsafeMutableRawPointer) {
    #if ADDRESS_SANITIZER
      cr_poison(base, bytes)
    #endif
    guard keptCount < keptMax else { return putBare(base) }
    kept[keptCount] = base
    keptCount += 1
  }

  @inline(never)
  private mutating func takeBare() -> UnsafeMutableRawPointer {
    if let base = bare.popLast() { return base }
    guard let block = cr_map(stride * Self.blockCount) else { fatalError("no memory for buffers") }
    blocks.append(block)
    #if ADDRESS_SANITIZER
      cr_poison(block, stride * Self.blockCount)
    #endif
    // The first ones are handed out first.
    for index in (0..<Self.blockCount).reversed() {
      bare.append(block + index * stride + (blocks.count + index) % shifts * Self.shift)
    }
    return bare.removeLast()
  }

  @inline(never)
  private mutating func putBare(_ base: UnsafeMutableRawPointer) {
    cr_give_back_pages(
      UnsafeMutableRawPointer(bitPattern: UInt(bitPattern: base) & ~UInt(Self.page - 1))!, stride)
    bare.append(base)
  }
}

/// Memory with the range of bytes in it that are still to be used.
struct Buffer {
  /// How much memory a buffer has.
  enum Size: UInt8, CaseIterable {
    case small, middle, large

    /// All bytes.
    var bytes: Int {
      switch self {
      case .small: 16 * 1024 + 1024
      case .middle: 32 * 1024 + 1024
      case .large: 80 * 1024 + 1024
      }
    }

    /// Bytes without the reserve.
    var capacity: Int { bytes - BufferPool.reserve }
  }

  var base: UnsafeMutableRawPointer?
  private var first32: Int32 = 0
  private var last32: Int32 = 0
  var size: Size

  init(base: UnsafeMutableRawPointer?, size: Size) {
    self.base = base
    self.size = size
  }

  /// No memory.
  static var none: Buffer { Buffer(base: nil, size: .small) }

  /// First byte in use.
  @inline(__always) var start: Int {
    get { Int(first32) }
    set { first32 = Int32(newValue) }
  }
  /// Behind the last byte in use.
  @inline(__always) var end: Int {
    get { Int(last32) }
    set { last32 = Int32(newValue) }
  }

  @inline(__always) var isHeld: Bool { base != nil }
  @inline(__always) var count: Int { end - start }
  @inline(__always) var capacity: Int { size.capacity }
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
