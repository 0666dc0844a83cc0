/// A request's head: positions in the bytes it was parsed from, and what its fields mean for a proxy.
@frozen
public struct RequestHead: Sendable {
  /// The method.
  public internal(set) var method: Method = .other
  /// The method's name.
  public internal(set) var methodName = ByteRange()
  /// The request target as sent.
  public internal(set) var target = ByteRange()
  /// Which form the target has.
  public internal(set) var targetForm: TargetForm = .origin
  /// Path and query of the target. Empty or starting with `?` in an absolute form without a path: put a `/` in front
  /// (for OPTIONS without a query, `*`; RFC 9112 3.2.4).
  public internal(set) var path = ByteRange()
  /// 0 or 1: HTTP/1.0 or HTTP/1.1.
  public internal(set) var minorVersion: UInt8 = 1
  /// How the body ends: `none`, `length` or `chunked`.
  public internal(set) var framing: Framing = .none
  /// The client is willing to send another request on the connection (RFC 9112 9.3).
  public internal(set) var keepAlive = true
  /// The client asks for another protocol: HTTP/1.1, `Connection: upgrade` and an Upgrade field (RFC 9110 7.8).
  public internal(set) var upgrade = false
  /// The client waits for 100 before it sends the body (RFC 9110 10.1.1); never with HTTP/1.0 or without a body.
  public internal(set) var expectsContinue = false
  /// Connection has options other than close, keep-alive and upgrade: names of fields to remove.
  public internal(set) var connectionNamesFields = false
  /// The authority of an absolute target is not what Host says, or there is no Host: the target's goes to the server.
  public internal(set) var hostDiffers = false
  /// Host and perhaps port the request is for: from the absolute target, else from Host. Empty: HTTP/1.0 without Host.
  public internal(set) var host = ByteRange()
  /// Max-Forwards (RFC 9110 7.6.2) of TRACE and OPTIONS requests, capped at 2^31 - 1; -1 when there is none.
  public internal(set) var maxForwards: Int32 = -1

  @usableFromInline var startOffset: UInt32 = 0
  @usableFromInline var fieldsOffset: UInt32 = 0
  @usableFromInline var endOffset: UInt32 = 0
  @usableFromInline var cookieIndex: Int32 = -1
  @usableFromInline var viaIndex: Int32 = -1
  @usableFromInline var forwardedForIndex: Int32 = -1
  @usableFromInline var upgradeIndex: Int32 = -1
  @usableFromInline var hostIndex: Int32 = -1

  /// A head with nothing in it.
  public init() {}

  /// Where the request line starts: behind the empty lines that were skipped.
  @inlinable
  public var start: Int { Int(startOffset) }
  /// Where the first field line starts.
  @inlinable
  public var fieldsStart: Int { Int(fieldsOffset) }
  /// Bytes from the start of the view to the end of the head: the body starts here.
  @inlinable
  public var length: Int { Int(endOffset) }
  /// Index of the first Cookie field; nil when there is none.
  @inlinable
  public var firstCookie: Int? { cookieIndex < 0 ? nil : Int(cookieIndex) }
  /// Index of the first Via field; nil when there is none.
  @inlinable
  public var firstVia: Int? { viaIndex < 0 ? nil : Int(viaIndex) }
  /// Index of the first X-Forwarded-For field; nil when there is none.
  @inlinable
  public var firstForwardedFor: Int? { forwardedForIndex < 0 ? nil : Int(forwardedForIndex) }
  /// Index of the first Upgrade field; nil when there is none.
  @inlinable
  public var firstUpgrade: Int? { upgradeIndex < 0 ? nil : Int(upgradeIndex) }
  /// Index of the Host field; nil when there is none.
  @inlinable
  public var hostField: Int? { hostIndex < 0 ? nil : Int(hostIndex) }
}

/// Parses a request head (RFC 9112 2 to 6), refusing whatever two readers could understand in two ways.
///
/// - Parameters:
///   - view: all bytes received of the request so far; bytes behind the head are not looked at.
///   - resumeOffset: 0 at first, then what `needMore` gave. The bytes before it must be the same as then.
///   - limits: bounds; a head that reaches one of them unfinished is refused.
///   - head: filled when the result is `complete`.
///   - table: filled when the result is `complete`.
public func parseRequestHead(
  _ view: ByteView, resumeOffset: Int = 0, limits: HeadLimits, head: inout RequestHead, into table: inout FieldTable
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
  head = RequestHead()
  let fieldsStart: Int
  switch RequestLineParser(view, end: end, targetBytesMax: limits.targetBytesMax).parse(into: &head) {
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
  var facts = RequestFacts()
  while true {
    switch lines.next(into: storage, count: count, capacity: capacity) {
    case .field(let id):
      let index = count
      count &+= 1
      if id == .other { continue }
      names |= id.bit
      if let error = facts.add(id, storage[index].value, index: index, in: view, to: &head) { return .invalid(error) }
    case .end:
      table.count = count
      table.names = names
      table.namesOthers = facts.connection.namesFields
      head.endOffset = UInt32(truncatingIfNeeded: lines.position)
      if let error = facts.finish(view, &head) { return .invalid(error) }
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

/// What is known of a request while its fields come by.
private struct RequestFacts {
  var framing = FramingFields()
  var connection = ConnectionOptions()
  var hostValue = ByteRange()
  var expects = false
  /// Upgrade to another version of HTTP: behind it requests would follow that nobody here sees. It is not passed on
  /// (RFC 9110 section 7.8 leaves that open).
  var upgradesHTTP = false
  var maxForwards: Int32 = -1

  @inline(__always)
  mutating func add(_ id: FieldName, _ value: ByteRange, index: Int, in view: ByteView, to head: inout RequestHead)
    -> HTTPError?
  {
    let position = Int32(truncatingIfNeeded: index)
    switch id {
    case .host:
      if head.hostIndex >= 0 { return .repeatedHost }
      if !Authority.isValid(view[value]) { return .invalidHost }
      head.hostIndex = position
      hostValue = value
    case .connection: return connection.add(view[value])
    case .contentLength: return framing.addContentLength(view[value])
    case .transferEncoding: return framing.addTransferEncoding(view[value])
    case .cookie: if head.cookieIndex < 0 { head.cookieIndex = position }
    case .via: if head.viaIndex < 0 { head.viaIndex = position }
    case .xForwardedFor: if head.forwardedForIndex < 0 { head.forwardedForIndex = position }
    case .upgrade:
      if head.upgradeIndex < 0 { head.upgradeIndex = position }
      if namesHTTP(view[value]) { upgradesHTTP = true }
    case .expect:
      if view[value].equalsIgnoringCase(ByteView("100-continue")) { expects = true }
    case .maxForwards: return addMaxForwards(view[value], head.method)
    default: break
    }
    return nil
  }

  @inline(never)
  private func namesHTTP(_ value: ByteView) -> Bool {
    var members = ListMembers(value)
    while let member = members.next() {
      let name = value[member]
      if name.equalsIgnoringCase(ByteView("h2c")) || name.equalsIgnoringCase(ByteView("h2"))
        || name.count >= 4 && name.slice(0, 4).equalsIgnoringCase(ByteView("http"))
      {
        return true
      }
    }
    return false
  }

  @inline(never)
  private mutating func addMaxForwards(_ value: ByteView, _ method: Method) -> HTTPError? {
    if method != .trace && method != .options { return nil }
    if value.count == 0 || maxForwards >= 0 { return .invalidMaxForwards }
    var number = 0
    var index = 0
    while index < value.count {
      if !ASCII.isDigit(value[index]) { return .invalidMaxForwards }
      number = min(Int(Int32.max), number &* 10 &+ Int(value[index] &- ASCII.zero))
      index &+= 1
    }
    maxForwards = Int32(truncatingIfNeeded: number)
    return nil
  }

  @inline(__always)
  func finish(_ view: ByteView, _ head: inout RequestHead) -> HTTPError? {
    if let error = framing.conflict(minorVersion: head.minorVersion) { return error }
    if head.hostIndex < 0 && head.minorVersion == 1 { return .missingHost }
    if head.targetForm == .absolute {
      // The target's authority wins (RFC 9112 3.2.2).
      head.hostDiffers = head.hostIndex < 0 || !view[hostValue].equalsIgnoringCase(view[head.host])
    } else {
      head.host = hostValue
    }
    if framing.hasTransferEncoding {
      head.framing = .chunked
    } else if let length = framing.contentLength {
      head.framing = .length(length)
    }
    head.keepAlive = connection.persists(minorVersion: head.minorVersion)
    head.connectionNamesFields = connection.namesFields
    head.upgrade = connection.upgrade && head.upgradeIndex >= 0 && head.minorVersion == 1 && !upgradesHTTP
    head.expectsContinue =
      expects && head.minorVersion == 1 && head.framing != .none && head.framing != .length(0)
    head.maxForwards = maxForwards
    return nil
  }
}
