/// A response's head: positions in the bytes it was parsed from, and what its fields mean for a proxy.
@frozen
public struct ResponseHead: Sendable {
  /// The status code, 100 to 599.
  public internal(set) var status: Int = 0
  /// The reason phrase, often empty.
  public internal(set) var reason = ByteRange()
  /// 0 or 1: HTTP/1.0 or HTTP/1.1.
  public internal(set) var minorVersion: UInt8 = 1
  /// How the body ends.
  public internal(set) var framing: Framing = .none
  /// The server lets the connection be used again; never when the body lasts until the close.
  public internal(set) var keepAlive = true
  /// The server asks for another protocol: `Connection: upgrade` and an Upgrade field; with status 101 it has changed.
  public internal(set) var upgrade = false
  /// Connection has options other than close, keep-alive and upgrade: names of fields to remove.
  public internal(set) var connectionNamesFields = false
  /// There is a Date field.
  public internal(set) var hasDate = false
  /// Content-Length as sent, also where it does not frame a body (HEAD, 304); nil when there is none.
  public internal(set) var contentLength: UInt64?

  @usableFromInline var fieldsOffset: UInt32 = 0
  @usableFromInline var endOffset: UInt32 = 0
  @usableFromInline var setCookieIndex: Int32 = -1
  @usableFromInline var viaIndex: Int32 = -1
  @usableFromInline var proxyStatusIndex: Int32 = -1
  @usableFromInline var cacheControlIndex: Int32 = -1

  /// A head with nothing in it.
  public init() {}

  /// Whether this is an interim response (1xx), to be followed by another.
  @inlinable
  public var isInterim: Bool { status < 200 }
  /// The status line has the space behind the status code that RFC 9112 4 demands, though no reason may follow: of an HTTP/1.1
  /// response it may be copied.
  @inlinable
  public var hasReasonSpace: Bool { reason.start == StatusLineForm.reasonStart }
  /// Where the first field line starts.
  @inlinable
  public var fieldsStart: Int { Int(fieldsOffset) }
  /// Bytes of the head: the body starts here.
  @inlinable
  public var length: Int { Int(endOffset) }
  /// Index of the first Set-Cookie field; nil when there is none.
  @inlinable
  public var firstSetCookie: Int? { setCookieIndex < 0 ? nil : Int(setCookieIndex) }
  /// Index of the first Via field; nil when there is none.
  @inlinable
  public var firstVia: Int? { viaIndex < 0 ? nil : Int(viaIndex) }
  /// Index of the last Proxy-Status field; nil when there is none.
  @inlinable
  public var lastProxyStatus: Int? { proxyStatusIndex < 0 ? nil : Int(proxyStatusIndex) }
  /// Index of the first Cache-Control field; nil when there is none.
  @inlinable
  public var firstCacheControl: Int? { cacheControlIndex < 0 ? nil : Int(cacheControlIndex) }
}

/// Parses a response head (RFC 9112 4 to 6) with the strictness of `parseRequestHead`.
///
/// Content-Length and Transfer-Encoding in a 1xx or 204 response, where RFC 9110 8.6 and RFC 9112 6.1 forbid them, are
/// marked as dropped in the table. A status line may lack the space behind the status code, as many servers write it:
/// see `hasReasonSpace` before you copy it.
///
/// - Parameters:
///   - view: all bytes received of the response so far; bytes behind the head are not looked at.
///   - resumeOffset: 0 at first, then what `needMore` gave. The bytes before it must be the same as then.
///   - toHead: the request was HEAD: there is no body whatever the fields say.
///   - limits: bounds; a head that reaches one of them unfinished is refused.
///   - head: filled when the result is `complete`.
///   - table: filled when the result is `complete`.
public func parseResponseHead(
  _ view: ByteView, resumeOffset: Int = 0, toHead: Bool, limits: HeadLimits, head: inout ResponseHead,
  into table: inout FieldTable
) -> HeadResult {
  let end = min(view.count, limits.headBytesMax)
  if resumeOffset > 0
    && !HeadResumption.worthParsing(view, resumeOffset: resumeOffset, limit: limits.headBytesMax)
  {
    return .needMore(scannedUpTo: view.count)
  }
  table.count = 0
  table.names = 0
  table.namesOthers = false
  head = ResponseHead()
  let fieldsStart: Int
  switch StatusLineParser(view, end: end).parse(into: &head) {
  case .complete(let position): fieldsStart = position
  case .needMore: return incomplete(view, limits)
  case .invalid(let error): return .invalid(error)
  }
  head.fieldsOffset = UInt32(truncatingIfNeeded: fieldsStart)

  var lines = FieldLineParser(view, end: end, position: fieldsStart)
  let storage = table.storage
  let capacity = min(limits.fieldsMax, table.capacity)
  var count = 0
  var names: UInt32 = 0
  var framing = FramingFields()
  var connection = ConnectionOptions()
  var hasUpgrade = false
  while true {
    switch lines.next(into: storage, count: count, capacity: capacity) {
    case .field(let id):
      let position = Int32(truncatingIfNeeded: count)
      let value = storage[count].value
      count &+= 1
      names |= id.bit
      switch id {
      case .other: break
      case .connection:
        if let error = connection.add(view[value]) { return .invalid(error) }
      case .contentLength:
        if let error = framing.addContentLength(view[value]) { return .invalid(error) }
      case .transferEncoding:
        if let error = framing.addTransferEncoding(view[value]) { return .invalid(error) }
      case .setCookie: if head.setCookieIndex < 0 { head.setCookieIndex = position }
      case .via: if head.viaIndex < 0 { head.viaIndex = position }
      case .cacheControl: if head.cacheControlIndex < 0 { head.cacheControlIndex = position }
      case .proxyStatus: head.proxyStatusIndex = position
      case .date: head.hasDate = true
      case .upgrade: hasUpgrade = true
      default: break
      }
    case .end:
      table.count = count
      table.names = names
      table.namesOthers = connection.namesFields
      head.endOffset = UInt32(truncatingIfNeeded: lines.position)
      if let error = framing.conflict(minorVersion: head.minorVersion) { return .invalid(error) }
      head.contentLength = framing.contentLength
      head.connectionNamesFields = connection.namesFields
      head.upgrade = connection.upgrade && hasUpgrade && head.minorVersion == 1
      head.keepAlive = connection.persists(minorVersion: head.minorVersion)
      head.decideFraming(framing, toHead: toHead, &table)
      return .complete
    case .needMore: return incomplete(view, limits)
    case .invalid(let error): return .invalid(error)
    }
  }
}

@inline(never)
private func incomplete(_ view: ByteView, _ limits: HeadLimits) -> HeadResult {
  view.count >= limits.headBytesMax ? .invalid(.headTooLong) : .needMore(scannedUpTo: view.count)
}

extension ResponseHead {
  /// RFC 9112 6.3, in its order.
  @inline(__always)
  fileprivate mutating func decideFraming(_ fields: FramingFields, toHead: Bool, _ table: inout FieldTable) {
    if status < 200 || status == 204 {
      framing = .none
      if fields.hasTransferEncoding || fields.contentLength != nil {
        table.drop(.contentLength)
        table.drop(.transferEncoding)
      }
    } else if toHead || status == 304 {
      framing = .none
    } else if fields.hasTransferEncoding {
      framing = .chunked
    } else if let length = fields.contentLength {
      framing = .length(length)
    } else {
      framing = .untilClose
      keepAlive = false
    }
  }
}

@usableFromInline
enum StatusLineForm {
  /// Where the reason starts behind `HTTP/1.1 200 `.
  @inlinable static var reasonStart: Int { 13 }
}

/// Parses status lines (RFC 9112 4).
struct StatusLineParser {
  let view: ByteView
  let scan: ByteScanning

  @inline(__always)
  init(_ view: ByteView, end: Int) {
    self.view = view
    scan = ByteScanning(view, end: end)
  }

  @inline(__always)
  func parse(into head: inout ResponseHead) -> RequestLineParser.Step {
    let end = scan.end
    if end < 13 { return shortLine() }
    let version = view.word(at: 0)
    if version == packed("HTTP/1.1") {
      head.minorVersion = 1
    } else if version == packed("HTTP/1.0") {
      head.minorVersion = 0
    } else {
      return shortLine()
    }
    let hundreds = view[9] &- ASCII.zero
    let tens = view[10] &- ASCII.zero
    let ones = view[11] &- ASCII.zero
    if view[8] != ASCII.space || hundreds > 9 || tens > 9 || ones > 9 { return .invalid(.malformedStatusLine) }
    head.status = Int(hundreds) &* 100 &+ Int(tens) &* 10 &+ Int(ones)
    if head.status < 100 || head.status > 599 { return .invalid(.statusOutOfRange) }
    var reasonStart = 12
    if view[12] == ASCII.space {
      reasonStart = StatusLineForm.reasonStart
    } else if view[12] != ASCII.carriageReturn {
      return .invalid(view[12] == ASCII.lineFeed ? .bareLineFeed : .malformedStatusLine)
    }
    let lineEnd = scan.fieldValueEnd(from: reasonStart)
    if lineEnd >= end { return .needMore }
    if view[lineEnd] != ASCII.carriageReturn {
      return .invalid(view[lineEnd] == ASCII.lineFeed ? .bareLineFeed : .controlCharacter)
    }
    if lineEnd &+ 1 >= end { return .needMore }
    if view[lineEnd &+ 1] != ASCII.lineFeed { return .invalid(.bareCarriageReturn) }
    head.reason = ByteRange(reasonStart, lineEnd)
    return .complete(lineEnd &+ 2)
  }

  /// Fewer bytes than a status line has, or another version.
  @inline(never)
  private func shortLine() -> RequestLineParser.Step {
    switch HTTPVersion.parse(view, from: 0, end: scan.end) {
    case .needMore: return .needMore
    case .invalid: return .invalid(.malformedStatusLine)
    case .complete(let major, let minor):
      if major != 1 || minor > 1 { return .invalid(.unsupportedVersion) }
      // A line that has ended already is no status line.
      let lineFeed = scan.firstIndex(of: ASCII.lineFeed, from: HTTPVersion.length)
      return lineFeed < scan.end ? .invalid(.malformedStatusLine) : .needMore
    }
  }
}
