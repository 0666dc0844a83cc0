internal import HTTPMessage

/// Changes to a head, in ascending order of position, applied while it is copied: everything else keeps its order, case and number.
struct HeadEditor: ~Copyable {
  private struct Edit {
    var start: Int32
    var end: Int32
    var insertion: UnsafePointer<UInt8>?
    var insertionCount: Int32
    var insertion2: UnsafePointer<UInt8>?
    var insertion2Count: Int32
  }
  private var edits: UnsafeMutablePointer<Edit>
  private var capacity: Int
  /// Edits so far.
  private(set) var count = 0

  init(capacity: Int) {
    self.capacity = capacity
    edits = .allocate(capacity: capacity)
  }

  deinit { edits.deallocate() }

  @inline(__always)
  mutating func reset() { count = 0 }

  /// Takes back the edits behind the first `count`. The ones before them must not have grown since, as neighbours do.
  @inline(__always)
  mutating func forget(behind count: Int) { self.count = min(self.count, count) }

  /// Leaves a range out.
  @inline(__always)
  mutating func delete(_ range: ByteRange) {
    replace(range, with: nil, nil)
  }

  /// Puts up to two runs of bytes, which stay valid until `write`, in place of a range.
  @inline(__always)
  mutating func replace(_ range: ByteRange, with insertion: ByteView?, _ second: ByteView?) {
    if count == capacity { grow() }
    // Neighbouring deletions become one copy less.
    if insertion == nil && count > 0 && edits[count - 1].end == Int32(range.start)
      && edits[count - 1].insertion == nil
    {
      edits[count - 1].end = Int32(range.end)
      return
    }
    assert(count == 0 || edits[count - 1].end <= Int32(range.start))
    edits[count] = Edit(
      start: Int32(range.start), end: Int32(range.end), insertion: insertion?.base,
      insertionCount: Int32(insertion?.count ?? 0), insertion2: second?.base,
      insertion2Count: Int32(second?.count ?? 0))
    count += 1
  }

  /// A head with more edits than fields and a few: hundreds of copies of one cookie. Bounded by the size of a head.
  @inline(never)
  private mutating func grow() {
    let larger = UnsafeMutablePointer<Edit>.allocate(capacity: capacity * 2)
    larger.moveInitialize(from: edits, count: count)
    edits.deallocate()
    edits = larger
    capacity *= 2
  }

  /// Copies the bytes from `start` to `end` with the edits applied.
  @inline(__always)
  mutating func write(_ view: ByteView, from start: Int, to end: Int, into writer: inout ByteWriter) {
    var position = start
    for index in 0..<count {
      let edit = edits[index]
      if position < Int(edit.start) { writer.append(view.slice(position, Int(edit.start))) }
      if let insertion = edit.insertion { writer.append(ByteView(insertion, count: Int(edit.insertionCount))) }
      if let insertion = edit.insertion2 { writer.append(ByteView(insertion, count: Int(edit.insertion2Count))) }
      position = Int(edit.end)
    }
    if position < end { writer.append(view.slice(position, end)) }
  }
}
