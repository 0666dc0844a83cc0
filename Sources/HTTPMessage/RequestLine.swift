/// Request methods (RFC 9110 9.3, RFC 5789); names are case-sensitive.
@frozen
public enum Method: UInt8, Sendable, CaseIterable {
  case get
  case head
  case post
  case put
  case delete
  case options
  case trace
  case patch
  case connect
  /// Any other; its name is in `RequestHead.methodName`.
  case other

  /// Whether the method asks for nothing but information (RFC 9110 9.2.1).
  public var isSafe: Bool {
    switch self {
    case .get, .head, .options, .trace: true
    default: false
    }
  }

  /// Whether doing it twice is as doing it once, so that it may be tried again (RFC 9110 9.2.2).
  public var isIdempotent: Bool {
    switch self {
    case .get, .head, .options, .trace, .put, .delete: true
    default: false
    }
  }

  static func recognise(_ name: ByteView) -> Method {
    let word = name.word(at: 0, length: min(8, name.count))
    switch name.count {
    case 3:
      if word == packed("GET\0\0\0\0\0") { return .get }
      if word == packed("PUT\0\0\0\0\0") { return .put }
    case 4:
      if word == packed("HEAD\0\0\0\0") { return .head }
      if word == packed("POST\0\0\0\0") { return .post }
    case 5:
      if word == packed("PATCH\0\0\0") { return .patch }
      if word == packed("TRACE\0\0\0") { return .trace }
    case 6: if word == packed("DELETE\0\0") { return .delete }
    case 7:
      if word == packed("OPTIONS\0") { return .options }
      if word == packed("CONNECT\0") { return .connect }
    default: break
    }
    return .other
  }
}

/// The forms of a request target (RFC 9112 3.2). Authority form belongs to CONNECT, which is refused.
@frozen
public enum TargetForm: UInt8, Sendable {
  /// A path, perhaps with a query.
  case origin
  /// A whole URI, as sent to proxies.
  case absolute
  /// `*`, for OPTIONS.
  case asterisk
}

/// Parses request lines (RFC 9112 3).
struct RequestLineParser {
  /// Empty lines before the request line that are skipped (RFC 9112 2.2).
  static let emptyLinesMax = 2
  /// Longer methods are refused with 501 (RFC 9112 3).
  static let methodBytesMax = 32

  enum Step {
    /// The line was good; the fields start at the offset.
    case complete(Int)
    case needMore
    case invalid(HTTPError)
  }

  let view: ByteView
  let scan: ByteScanning
  let targetBytesMax: Int

  @inline(__always)
  init(_ view: ByteView, end: Int, targetBytesMax: Int) {
    self.view = view
    scan = ByteScanning(view, end: end)
    self.targetBytesMax = targetBytesMax
  }

  @inline(__always)
  func parse(into head: inout RequestHead) -> Step {
    let end = scan.end
    if end == 0 { return .needMore }
    var start = 0
    if view[0] <= ASCII.space {
      switch skipEmptyLines() {
      case .complete(let position): start = position
      case let step: return step
      }
    }
    // Method.
    let methodEnd = scan.tokenEnd(from: start)
    if methodEnd &- start > Self.methodBytesMax { return .invalid(.methodTooLong) }
    if methodEnd >= end { return .needMore }
    if view[methodEnd] != ASCII.space || methodEnd == start { return malformed(at: methodEnd) }
    head.startOffset = UInt32(truncatingIfNeeded: start)
    head.methodName = ByteRange(start, methodEnd)
    head.method = Method.recognise(view.slice(start, methodEnd))
    // Target.
    let targetStart = methodEnd &+ 1
    let targetLimit = min(end, targetStart &+ targetBytesMax &+ 1)
    let targetEnd = ByteScanning(view, end: targetLimit).targetEnd(from: targetStart)
    if targetEnd &- targetStart > targetBytesMax { return .invalid(.targetTooLong) }
    if targetEnd >= end { return .needMore }
    if view[targetEnd] != ASCII.space || targetEnd == targetStart {
      if targetEnd == targetStart || view[targetEnd] == ASCII.carriageReturn || view[targetEnd] == ASCII.lineFeed {
        return malformed(at: targetEnd)
      }
      return .invalid(.invalidTarget)
    }
    head.target = ByteRange(targetStart, targetEnd)
    if head.method == .connect { return .invalid(.connectNotSupported) }
    if let error = parseTarget(into: &head) { return .invalid(error) }
    // Version.
    let versionStart = targetEnd &+ 1
    if versionStart &+ 10 <= end && view[versionStart &+ 8] == ASCII.carriageReturn
      && view[versionStart &+ 9] == ASCII.lineFeed
    {
      let version = view.word(at: versionStart)
      if version == packed("HTTP/1.1") {
        head.minorVersion = 1
        return .complete(versionStart &+ 10)
      }
      if version == packed("HTTP/1.0") {
        head.minorVersion = 0
        return .complete(versionStart &+ 10)
      }
    }
    return otherVersion(at: versionStart)
  }

  @inline(never)
  private func skipEmptyLines() -> Step {
    var index = 0
    var lines = 0
    while index < scan.end && view[index] == ASCII.carriageReturn {
      if index &+ 1 >= scan.end { return .needMore }
      if view[index &+ 1] != ASCII.lineFeed { return .invalid(.bareCarriageReturn) }
      lines &+= 1
      if lines > Self.emptyLinesMax { return .invalid(.tooManyEmptyLines) }
      index &+= 2
    }
    return index < scan.end ? .complete(index) : .needMore
  }

  /// The request line stops where a space had to be.
  @inline(never)
  private func malformed(at index: Int) -> Step {
    switch view[index] {
    case ASCII.lineFeed: return .invalid(.bareLineFeed)
    case ASCII.carriageReturn:
      if index &+ 1 >= scan.end { return .needMore }
      return .invalid(view[index &+ 1] == ASCII.lineFeed ? .malformedRequestLine : .bareCarriageReturn)
    case 0..<ASCII.space, 0x7F: return .invalid(view[index] == ASCII.tab ? .malformedRequestLine : .controlCharacter)
    default: return .invalid(.malformedRequestLine)
    }
  }

  /// Not a line end behind HTTP/1.0 or HTTP/1.1: incomplete, another version, or a mistake, told by its first byte.
  @inline(never)
  private func otherVersion(at start: Int) -> Step {
    switch HTTPVersion.parse(view, from: start, end: scan.end) {
    case .needMore: return .needMore
    case .invalid(let error): return .invalid(error)
    case .complete(let major, _):
      let lineEnd = start &+ HTTPVersion.length
      if lineEnd >= scan.end { return .needMore }
      if view[lineEnd] == ASCII.lineFeed { return .invalid(.bareLineFeed) }
      if view[lineEnd] != ASCII.carriageReturn { return .invalid(.malformedVersion) }
      if lineEnd &+ 1 >= scan.end { return .needMore }
      if view[lineEnd &+ 1] != ASCII.lineFeed { return .invalid(.bareCarriageReturn) }
      // HTTP/0.x as a version is nobody's protocol; HTTP/1.2 and up and HTTP/2 are versions we do not speak.
      return .invalid(major == 0 ? .malformedVersion : .unsupportedVersion)
    }
  }

  /// Tells the form of the target and where its authority and path are.
  @inline(__always)
  private func parseTarget(into head: inout RequestHead) -> HTTPError? {
    let target = head.target
    if view[target.start] == ASCII.slash {
      head.targetForm = .origin
      head.path = target
      return nil
    }
    return parseUncommonTarget(into: &head)
  }

  @inline(never)
  private func parseUncommonTarget(into head: inout RequestHead) -> HTTPError? {
    let target = head.target
    let bytes = view[target]
    if bytes.count == 1 && bytes[0] == ASCII.asterisk {
      if head.method != .options { return .invalidTarget }
      head.targetForm = .asterisk
      head.path = target
      return nil
    }
    let schemeLength: Int
    if bytes.count >= 7 && bytes.slice(0, 7).equalsIgnoringCase(ByteView("http://")) {
      schemeLength = 7
    } else if bytes.count >= 8 && bytes.slice(0, 8).equalsIgnoringCase(ByteView("https://")) {
      schemeLength = 8
    } else {
      return .invalidTarget
    }
    var end = schemeLength
    while end < bytes.count && bytes[end] != ASCII.slash && bytes[end] != ASCII.questionMark {
      if bytes[end] == ASCII.at { return .userinfoInTarget }
      end &+= 1
    }
    if !Authority.isValid(bytes.slice(schemeLength, end)) { return .invalidTarget }
    head.targetForm = .absolute
    head.host = ByteRange(target.start &+ schemeLength, target.start &+ end)
    head.path = ByteRange(target.start &+ end, target.end)
    return nil
  }
}

/// `HTTP/1.1` and its like (RFC 9112 2.3).
enum HTTPVersion {
  static let length = 8

  enum Step {
    case complete(major: UInt8, minor: UInt8)
    case needMore
    case invalid(HTTPError)
  }

  static func parse(_ view: ByteView, from start: Int, end: Int) -> Step {
    let name = ByteView("HTTP/")
    var index = 0
    while index < length {
      if start &+ index >= end { return .needMore }
      let byte = view[start &+ index]
      switch index {
      case 0..<5: if byte != name[index] { return .invalid(mistake(byte)) }
      case 6: if byte != ASCII.dot { return .invalid(mistake(byte)) }
      default: if !ASCII.isDigit(byte) { return .invalid(mistake(byte)) }
      }
      index &+= 1
    }
    return .complete(major: view[start &+ 5] &- ASCII.zero, minor: view[start &+ 7] &- ASCII.zero)
  }

  private static func mistake(_ byte: UInt8) -> HTTPError {
    if byte == ASCII.lineFeed { return .bareLineFeed }
    return byte < ASCII.space && byte != ASCII.carriageReturn && byte != ASCII.tab
      ? .controlCharacter : .malformedVersion
  }
}
