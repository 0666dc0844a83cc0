/// Reads the field lines of a head, one a call, into a table (RFC 9112 5).
@usableFromInline
struct FieldLineParser {
  /// What a line was.
  enum Step {
    /// A field, the table's last, and which known name it bears.
    case field(FieldName)
    /// The empty line that ends the head.
    case end
    case needMore
    case invalid(HTTPError)
  }

  let view: ByteView
  let scan: ByteScanning
  /// Where the next line starts.
  var position: Int

  @inline(__always)
  init(_ view: ByteView, end: Int, position: Int) {
    self.view = view
    scan = ByteScanning(view, end: end)
    self.position = position
  }

  /// Reads one line; a field is put behind the `count` fields of `storage`, which has room for `capacity`.
  @inline(__always)
  mutating func next(into storage: UnsafeMutablePointer<Field>, count: Int, capacity: Int) -> Step {
    let start = position
    let end = scan.end
    let base = view.base
    // The empty line that ends the head.
    if start &+ 2 <= end && base[start] == ASCII.carriageReturn && base[start &+ 1] == ASCII.lineFeed {
      position = start &+ 2
      return .end
    }
    let colon = scan.nameEnd(from: start)
    // `nameEnd` has looked at the colon, so it lies before the end.
    if colon < 0 { return lineWithoutName(start: start) }
    let length = colon &- start
    if length > 0xFFFF { return .invalid(.headTooLong) }
    var first = colon &+ 1
    // One space as a rule; more, or none, are looked at one by one.
    if first < end && base[first] == ASCII.space { first &+= 1 }
    while first < end && ASCII.isBlank(base[first]) { first &+= 1 }
    let lineEnd = scan.fieldValueEnd(from: first)
    if lineEnd &+ 1 >= end || base[lineEnd] != ASCII.carriageReturn || base[lineEnd &+ 1] != ASCII.lineFeed {
      return lineWithoutEnd(at: lineEnd)
    }
    var last = lineEnd
    while last > first && ASCII.isBlank(base[last &- 1]) { last &-= 1 }
    if count >= capacity { return .invalid(.tooManyFields) }
    let id = FieldName.recognise(base + start, length: length, isPadded: start &+ 8 <= end)
    (storage + count).initialize(
      to: Field(
        nameOffset: UInt32(truncatingIfNeeded: start), valueOffset: UInt32(truncatingIfNeeded: first),
        valueLength: UInt32(truncatingIfNeeded: last &- first), lineEndOffset: UInt32(truncatingIfNeeded: lineEnd &+ 2),
        nameLength: UInt16(truncatingIfNeeded: length), id: id, isDropped: false))
    position = lineEnd &+ 2
    return .field(id)
  }

  /// A line that does not start with a token and a colon: the end of the head or a mistake.
  @inline(never)
  private mutating func lineWithoutName(start: Int) -> Step {
    let stop = scan.tokenEnd(from: start)
    if stop >= scan.end { return .needMore }
    if stop == start {
      switch view[start] {
      case ASCII.carriageReturn:
        if start &+ 1 >= scan.end { return .needMore }
        if view[start &+ 1] != ASCII.lineFeed { return .invalid(.bareCarriageReturn) }
        position = start &+ 2
        return .end
      case ASCII.colon: return .invalid(.emptyFieldName)
      case ASCII.space, ASCII.tab: return .invalid(.foldedLine)
      default: break
      }
    }
    switch view[stop] {
    case ASCII.lineFeed: return .invalid(.bareLineFeed)
    case ASCII.carriageReturn:
      if stop &+ 1 >= scan.end { return .needMore }
      return .invalid(view[stop &+ 1] == ASCII.lineFeed ? .missingColon : .bareCarriageReturn)
    case ASCII.space, ASCII.tab:
      var index = stop
      while index < scan.end && ASCII.isBlank(view[index]) { index &+= 1 }
      if index >= scan.end { return .needMore }
      return .invalid(view[index] == ASCII.colon ? .spaceBeforeColon : .invalidFieldName)
    default: return .invalid(.invalidFieldName)
    }
  }

  /// A value that is not followed by CRLF.
  @inline(never)
  private func lineWithoutEnd(at lineEnd: Int) -> Step {
    if lineEnd >= scan.end { return .needMore }
    switch view[lineEnd] {
    case ASCII.carriageReturn: return lineEnd &+ 1 >= scan.end ? .needMore : .invalid(.bareCarriageReturn)
    case ASCII.lineFeed: return .invalid(.bareLineFeed)
    default: return .invalid(.controlCharacter)
    }
  }
}
