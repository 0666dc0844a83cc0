/// One field line of a head, by position.
@frozen
public struct Field: Sendable {
  @usableFromInline var nameOffset: UInt32
  @usableFromInline var valueOffset: UInt32
  @usableFromInline var valueLength: UInt32
  @usableFromInline var lineEndOffset: UInt32
  @usableFromInline var nameLength: UInt16
  /// Which known name it bears.
  public var id: FieldName
  /// Not to be forwarded.
  public var isDropped: Bool

  @inlinable @inline(__always)
  init(
    nameOffset: UInt32, valueOffset: UInt32, valueLength: UInt32, lineEndOffset: UInt32, nameLength: UInt16,
    id: FieldName,
    isDropped: Bool
  ) {
    self.nameOffset = nameOffset
    self.valueOffset = valueOffset
    self.valueLength = valueLength
    self.lineEndOffset = lineEndOffset
    self.nameLength = nameLength
    self.id = id
    self.isDropped = isDropped
  }

  /// The name, which is also where the line starts.
  @inlinable
  public var name: ByteRange {
    @inline(__always) get { ByteRange(offset: nameOffset, byteCount: UInt32(nameLength)) }
  }

  /// The value, without the white space around it.
  @inlinable
  public var value: ByteRange {
    @inline(__always) get { ByteRange(offset: valueOffset, byteCount: valueLength) }
  }

  /// The whole line, its CRLF included.
  @inlinable
  public var line: ByteRange {
    @inline(__always) get { ByteRange(offset: nameOffset, byteCount: lineEndOffset &- nameOffset) }
  }
}

/// The field lines of one head: storage that a caller makes once and uses for message after message.
///
/// Holds positions, no bytes; they are valid for the head that was parsed last.
public struct FieldTable: ~Copyable {
  @usableFromInline let storage: UnsafeMutablePointer<Field>
  /// How many fields a head may have.
  public let capacity: Int
  /// Number of fields of the head parsed last.
  public internal(set) var count: Int
  /// The known names that are there, by bit: what is not need not be looked for.
  @usableFromInline var names: UInt32 = 0
  /// A Connection field names other fields, which go with it.
  var namesOthers = false

  /// Storage for `capacity` fields, 1 to 65,536: about 20 bytes each, allocated here and nowhere else.
  public init(capacity: Int = 128) {
    precondition(capacity > 0 && capacity <= 65_536)
    storage = .allocate(capacity: capacity)
    self.capacity = capacity
    count = 0
  }

  deinit { storage.deallocate() }

  /// The field at `index`, 0 to `count - 1`; traps outside.
  @inlinable
  public subscript(_ index: Int) -> Field {
    @inline(__always) get {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      return storage[index]
    }
  }

  /// Whether a field of the name is there, forwarded or not.
  @inlinable @inline(__always)
  public func has(_ name: FieldName) -> Bool { names & name.bit != 0 }

  /// Marks the field at `index` as not to be forwarded; traps outside 0 to `count - 1`.
  @inlinable
  public mutating func drop(_ index: Int) {
    precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
    storage[index].isDropped = true
  }

  /// Whether the first field of the name will not be forwarded; also when there is none.
  public func isDropped(_ name: FieldName) -> Bool {
    firstIndex(of: name).map { storage[$0].isDropped } ?? true
  }

  /// Marks every field of the name as not to be forwarded.
  public mutating func drop(_ name: FieldName) {
    if !has(name) { return }
    var index = 0
    while index < count {
      if storage[index].id == name { storage[index].isDropped = true }
      index &+= 1
    }
  }

  /// The first field of the name at or after `start`; nil when there is none.
  public func firstIndex(of name: FieldName, from start: Int = 0) -> Int? {
    precondition(start >= 0)
    if !has(name) { return nil }
    var index = start
    while index < count {
      if storage[index].id == name { return index }
      index &+= 1
    }
    return nil
  }

  /// Whether a field of the name is there that is to be forwarded.
  public func keeps(_ name: FieldName) -> Bool {
    if !has(name) { return false }
    var index = 0
    while index < count {
      if storage[index].id == name && !storage[index].isDropped { return true }
      index &+= 1
    }
    return false
  }

  /// The first field at or after `start` whose name is `name`, compared without case; nil when there is none.
  public func firstIndex(named name: ByteView, in view: ByteView, from start: Int = 0) -> Int? {
    precondition(start >= 0)
    var index = start
    while index < count {
      if view[storage[index].name].equalsIgnoringCase(name) { return index }
      index &+= 1
    }
    return nil
  }

  /// The next run of neighbouring lines that are kept, as one range to copy, and moves `index` behind it.
  ///
  /// Starting at 0, call until it gives nil: a head with nothing dropped is one run.
  @inlinable
  public func nextKeptRun(_ index: inout Int) -> ByteRange? {
    precondition(index >= 0)
    while index < count && storage[index].isDropped { index &+= 1 }
    if index >= count { return nil }
    let start = storage[index].line.start
    var end = start
    while index < count && !storage[index].isDropped {
      end = Int(storage[index].lineEndOffset)
      index &+= 1
    }
    return ByteRange(start, end)
  }
}
