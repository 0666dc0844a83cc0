/// Reads the field lines of a head, one a call, into a table (RFC 9112 5).
@usableFromInline
struct FieldLineParser {
  /// What a line was.
  enum Step {
    /// A field, the table's last.
    case field
    /// The empty line that ends the head.
    case end
    case needMore
    case invalid(HTTPError)
  }

  let view: ByteView
  let scan: ByteScanning
  let fieldsMax: Int
  /// Where the next line starts.
  var position: Int

  @inline(__always)
  init(_ view: ByteView, end: Int, position: Int, fieldsMax: Int) {
    self.view = view
    scan = ByteScanning(view, end: end)
    self.position = position
    self.fieldsMax = fieldsMax
  }

  /// Reads one line.
  @inline(__always)
  mutating func next(into table: inout FieldTable) -> Step {
    let start = position
    let end = scan.end
    let colon = scan.tokenEnd(from: start)
    if colon >= end { return .needMore }
    let stop = view[colon]
    if stop != ASCII.colon || colon == start { return lineWithoutName(start: start, stop: colon) }
    let nameLength = colon &- start
    if nameLength > 0xFFFF { return .invalid(.headTooLong) }

    var valueStart = colon &+ 1
    while valueStart < end && ASCII.isBlank(view[valueStart]) { valueStart &+= 1 }
    let lineEnd = scan.fieldValueEnd(from: valueStart)
    if lineEnd &+ 1 >= end || view[lineEnd] != ASCII.carriageReturn || view[lineEnd &+ 1] != ASCII.lineFeed {
      return lineWithoutEnd(at: lineEnd)
    }
    var valueEnd = lineEnd
    while valueEnd > valueStart && ASCII.isBlank(view[valueEnd &- 1]) { valueEnd &-= 1 }
    if table.count >= fieldsMax { return .invalid(.tooManyFields) }
    let field = Field(
      nameStart: start, nameLength: UInt16(truncatingIfNeeded: nameLength),
      id: FieldName.recognise(view, from: start, length: nameLength), value: ByteRange(valueStart, valueEnd),
      lineEnd: lineEnd &+ 2)
    if !table.append(field) { return .invalid(.tooManyFields) }
    position = lineEnd &+ 2
    return .field
  }

  /// A line that does not start with a token and a colon: the end of the head or a mistake.
  @inline(never)
  private mutating func lineWithoutName(start: Int, stop: Int) -> Step {
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
