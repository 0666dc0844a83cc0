/// The events to come: a heap for those of the present tick, and three wheels of unsorted buckets for later ones.
///
/// An event is put into a bucket, moved once or twice as its time draws nearer, and sorted only among those of the same
/// tick, so that the cost of an event does not grow with how many wait: a million users think at the same time. A tick is as
/// long as a few events take to come, so that few users cost no more than many.
struct EventQueue: ~Copyable {
  private static let slotBits: Int64 = 12
  private static let slots = 1 << 12
  private static let levels = 3
  /// The furthest an event may lie ahead, in nanoseconds, with the shortest tick: 2^48, 3 days. Later ones come then.
  static let horizonNanoseconds: Int64 = 1 << (ticksShortest + 3 * slotBits)
  private static let ticksShortest: Int64 = 12
  private static let ticksLongest: Int64 = 26

  /// A tick is 2 to this power nanoseconds.
  private let tickBits: Int64
  private var heap: UnsafeMutablePointer<Event>
  private var heapCount = 0
  private var heapCapacity = 1024
  /// Buckets are lists of chunks, a cache line each: first the number of its events and the next chunk, packed into an
  /// event's place, then up to three events.
  private var chunks: UnsafeMutablePointer<Event>
  private var chunkCount = 0
  private var chunkCapacity = 1024
  private var freeChunk: Int32 = -1
  // Those that are never set again are `var` as in `Run`.
  /// First chunk of each bucket, level by level; -1: empty.
  private var buckets: UnsafeMutablePointer<Int32>
  /// One bit for each bucket that is not empty, and one for each word of those.
  private var used: UnsafeMutablePointer<UInt64>
  private var summary: UnsafeMutablePointer<UInt64>
  private var tick: Int64 = 0
  /// Events waiting.
  private(set) var count = 0

  private static let chunkBits = 2
  private static let chunkLength: Int32 = 3

  /// An empty queue at time 0, for about so many events a second, `together` of them in a tick.
  init(eventsPerSecond: Double = 100_000, together: Double = 8) {
    var bits = Self.ticksShortest
    while bits < Self.ticksLongest, Double(Int64(2) << bits) * eventsPerSecond <= together * 1e9 { bits += 1 }
    tickBits = bits
    heap = .allocate(capacity: heapCapacity)
    chunks = Self.allocate(chunkCapacity)
    buckets = .allocate(capacity: Self.slots * Self.levels)
    buckets.initialize(repeating: -1, count: Self.slots * Self.levels)
    used = .allocate(capacity: Self.slots / 64 * Self.levels)
    used.initialize(repeating: 0, count: Self.slots / 64 * Self.levels)
    summary = .allocate(capacity: Self.levels)
    summary.initialize(repeating: 0, count: Self.levels)
  }

  private static func allocate(_ chunks: Int) -> UnsafeMutablePointer<Event> {
    UnsafeMutableRawPointer.allocate(byteCount: chunks << 6, alignment: 64)
      .bindMemory(to: Event.self, capacity: chunks << chunkBits)
  }

  deinit {
    heap.deallocate()
    chunks.deallocate()
    buckets.deallocate()
    used.deallocate()
    summary.deallocate()
  }

  /// Adds an event; its time must not be before that of the last one taken.
  @inline(__always)
  mutating func push(_ event: Event) {
    count += 1
    place(event)
  }

  /// Takes the earliest event if it is not after `end`.
  @inline(__always)
  mutating func pop(until end: Int64) -> Event? {
    guard hasReady || refill() else { return nil }
    return popReady(until: end)
  }

  /// Events of the present tick are left.
  @inline(__always) var hasReady: Bool { heapCount > 0 }

  /// The events of the present tick, in no order that means anything.
  @inline(__always) var ready: UnsafeBufferPointer<Event> { UnsafeBufferPointer(start: heap, count: heapCount) }

  /// Goes on to the next tick with events. False: there are none.
  @inline(never)
  mutating func refill() -> Bool {
    while heapCount == 0 {
      guard count > 0, advance() else { return false }
    }
    return true
  }

  /// Takes the earliest event of the present tick, of which there must be one, if it is not after `end`.
  @inline(__always)
  mutating func popReady(until end: Int64) -> Event? {
    let first = heap[0]
    guard first.time <= end else { return nil }
    count &-= 1
    heapCount &-= 1
    if heapCount > 0 { siftDown(heap[heapCount], from: 0) }
    return first
  }

  @inline(__always)
  private mutating func place(_ event: Event) {
    let due = event.time >> tickBits
    if due <= tick {
      pushHeap(event)
    } else if due >> Self.slotBits == tick >> Self.slotBits {
      append(event, level: 0, slot: Int(due) & (Self.slots - 1))
    } else if due >> (2 * Self.slotBits) == tick >> (2 * Self.slotBits) {
      append(event, level: 1, slot: Int(due >> Self.slotBits) & (Self.slots - 1))
    } else {
      let far = min(due >> (2 * Self.slotBits), (tick >> (2 * Self.slotBits)) + Int64(Self.slots - 1))
      append(event, level: 2, slot: Int(far) & (Self.slots - 1))
    }
  }

  // MARK: The heap, four children a node

  @inline(__always)
  private mutating func pushHeap(_ event: Event) {
    if heapCount == heapCapacity { growHeap() }
    var hole = heapCount
    heapCount &+= 1
    while hole > 0 {
      let parent = (hole &- 1) >> 2
      guard event < heap[parent] else { break }
      heap[hole] = heap[parent]
      hole = parent
    }
    heap[hole] = event
  }

  @inline(__always)
  private mutating func siftDown(_ event: Event, from start: Int) {
    var hole = start
    while true {
      let first = hole << 2 &+ 1
      guard first < heapCount else { break }
      var best = first
      let last = min(first &+ 4, heapCount)
      var child = first &+ 1
      while child < last {
        if heap[child] < heap[best] { best = child }
        child &+= 1
      }
      guard heap[best] < event else { break }
      heap[hole] = heap[best]
      hole = best
    }
    heap[hole] = event
  }

  @inline(never)
  private mutating func growHeap() {
    let larger = UnsafeMutablePointer<Event>.allocate(capacity: heapCapacity * 2)
    larger.moveInitialize(from: heap, count: heapCount)
    heap.deallocate()
    heap = larger
    heapCapacity *= 2
  }

  // MARK: The wheels

  @inline(__always)
  private mutating func append(_ event: Event, level: Int, slot: Int) {
    let bucket = level << Int(Self.slotBits) | slot
    var chunk = buckets[bucket]
    var filled: Int32 = chunk < 0 ? Self.chunkLength : chunks[Int(chunk) << Self.chunkBits].filled
    if filled == Self.chunkLength {
      let fresh = takeChunk()
      chunks[Int(fresh) << Self.chunkBits] = Event(filled: 0, next: chunk)
      if chunk < 0 {
        used[bucket >> 6] |= 1 << UInt64(bucket & 63)
        summary[level] |= 1 << UInt64(slot >> 6)
      }
      buckets[bucket] = fresh
      chunk = fresh
      filled = 0
    }
    let position = Int(chunk) << Self.chunkBits
    chunks[position].filled = filled &+ 1
    chunks[position &+ 1 &+ Int(filled)] = event
  }

  @inline(__always)
  private mutating func takeChunk() -> Int32 {
    if freeChunk >= 0 {
      let chunk = freeChunk
      freeChunk = chunks[Int(chunk) << Self.chunkBits].next
      return chunk
    }
    if chunkCount == chunkCapacity { growChunks() }
    let chunk = Int32(truncatingIfNeeded: chunkCount)
    chunkCount += 1
    return chunk
  }

  @inline(never)
  private mutating func growChunks() {
    let larger = Self.allocate(chunkCapacity * 2)
    larger.moveInitialize(from: chunks, count: chunkCount << Self.chunkBits)
    chunks.deallocate()
    chunks = larger
    chunkCapacity *= 2
  }

  /// Moves on to the next bucket that holds something. False: there is none.
  private mutating func advance() -> Bool {
    for level in 0..<Self.levels {
      let bits = Int64(level) * Self.slotBits
      let position = Int(tick >> bits) & (Self.slots - 1)
      guard let slot = nextSlot(level, after: position) else { continue }
      // The wheel of the last level goes round; the others end where the next level's bucket ends.
      let start = tick >> bits
      let turns = slot > position ? start - Int64(position) : start - Int64(position) + Int64(Self.slots)
      tick = (turns + Int64(slot)) << bits
      empty(level, slot)
      return true
    }
    return false
  }

  private func nextSlot(_ level: Int, after position: Int) -> Int? {
    if let found = firstSlot(level, from: position + 1, to: Self.slots) { return found }
    return level == Self.levels - 1 ? firstSlot(level, from: 0, to: position) : nil
  }

  private func firstSlot(_ level: Int, from start: Int, to end: Int) -> Int? {
    guard start < end else { return nil }
    let words = used + level * (Self.slots / 64)
    var word = start >> 6
    var bits = words[word] & (~0 << UInt64(start & 63))
    if bits == 0 {
      guard word < 63 else { return nil }
      let rest = summary[level] & (~0 << UInt64(word + 1))
      guard rest != 0 else { return nil }
      word = rest.trailingZeroBitCount
      bits = words[word]
    }
    let found = word << 6 | bits.trailingZeroBitCount
    return found < end ? found : nil
  }

  private mutating func empty(_ level: Int, _ slot: Int) {
    let bucket = level << Int(Self.slotBits) | slot
    var chunk = buckets[bucket]
    buckets[bucket] = -1
    used[bucket >> 6] &= ~(1 << UInt64(bucket & 63))
    if used[bucket >> 6] == 0 { summary[level] &= ~(1 << UInt64(slot >> 6)) }
    while chunk >= 0 {
      // Placing may grow the memory of the chunks, so nothing of it is held meanwhile.
      let position = Int(chunk) << Self.chunkBits
      let filled = Int(chunks[position].filled)
      for offset in 1...filled { place(chunks[position &+ offset]) }
      let next = chunks[position].next
      chunks[position].next = freeChunk
      freeChunk = chunk
      chunk = next
    }
  }
}

/// The head of a chunk in an event's place.
extension Event {
  @inline(__always)
  fileprivate init(filled: Int32, next: Int32) {
    time = Int64(filled)
    payload = UInt64(UInt32(bitPattern: next))
  }

  @inline(__always)
  fileprivate var filled: Int32 {
    get { Int32(truncatingIfNeeded: time) }
    set { time = Int64(newValue) }
  }

  @inline(__always)
  fileprivate var next: Int32 {
    get { Int32(truncatingIfNeeded: payload) }
    set { payload = UInt64(UInt32(bitPattern: newValue)) }
  }
}
