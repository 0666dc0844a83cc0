/// How the end of a body is told (RFC 9112 6.3).
@frozen
public enum Framing: Equatable, Sendable {
  /// There is no body.
  case none
  /// A body of this many bytes, possibly 0, given by Content-Length.
  case length(UInt64)
  /// A chunked body.
  case chunked
  /// The body of a response that lasts until the server closes.
  case untilClose
}

/// Bounds on a head.
@frozen
public struct HeadLimits: Sendable {
  /// Bytes of the whole head at most, empty lines before it included; at most 2^31 - 1. More is refused with 431.
  public var headBytesMax: Int
  /// Bytes of a request target at most. More is refused with 414.
  public var targetBytesMax: Int
  /// Header fields at most; the table's capacity is a bound too. More is refused with 431.
  public var fieldsMax: Int

  /// Limits, by default 32 KiB for a head, 16 KiB for a target, 128 fields.
  @inlinable
  public init(headBytesMax: Int = 32_768, targetBytesMax: Int = 16_384, fieldsMax: Int = 128) {
    precondition(headBytesMax > 0 && headBytesMax <= Int(Int32.max) && targetBytesMax > 0 && fieldsMax > 0)
    self.headBytesMax = headBytesMax
    self.targetBytesMax = targetBytesMax
    self.fieldsMax = fieldsMax
  }
}

/// What came of parsing a head.
@frozen
public enum HeadResult: Equatable, Sendable {
  /// The head is complete and valid; head and table are filled.
  case complete
  /// More bytes are needed. Call again with all bytes of the head and this offset; head and table hold nothing of use.
  case needMore(scannedUpTo: Int)
  /// The message must be refused.
  case invalid(HTTPError)
}

/// Decides whether a head of which a part was seen before is worth parsing again, so that a head delivered in many
/// small pieces costs time linear in its size although no state but one offset is kept between calls.
@usableFromInline
enum HeadResumption {
  /// False when `view` surely holds neither the end of a head nor, in its new part, a forbidden byte.
  ///
  /// A parse is also tried whenever the size passes a power of two: so mistakes that only the parser sees are found
  /// early, at no more than twice the cost.
  static func worthParsing(_ view: ByteView, resumeOffset: Int, limit: Int) -> Bool {
    if view.count >= limit || resumeOffset > view.count { return true }
    if view.count.leadingZeroBitCount != resumeOffset.leadingZeroBitCount { return true }
    let scan = ByteScanning(view, end: view.count)
    // A line end may have been cut in two.
    var index = max(0, resumeOffset &- 1)
    while true {
      index = scan.fieldValueEnd(from: index)
      if index == view.count { return false }
      switch view[index] {
      case ASCII.carriageReturn:
        if index &+ 1 == view.count { return false }
        if view[index &+ 1] != ASCII.lineFeed { return true }
        index &+= 1
        if index >= 2 && view[index &- 2] == ASCII.lineFeed { return true }
        if index == 1 { return true }
        index &+= 1
      case ASCII.lineFeed:
        if index == 0 || view[index &- 1] != ASCII.carriageReturn { return true }
        if index < 3 || view[index &- 2] == ASCII.lineFeed { return true }
        index &+= 1
      default:
        return true
      }
    }
  }
}
