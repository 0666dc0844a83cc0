/// What the Connection fields of one message say (RFC 9110 7.6.1).
@usableFromInline
struct ConnectionOptions {
  var close = false
  var keepAlive = false
  var upgrade = false
  /// Options other than these three: names of fields to remove.
  var namesFields: Bool { named > 0 }
  private var named = 0
  /// Every one is looked for among all fields: more would keep us comparing for long.
  private static let namedMax = 64

  /// Takes one Connection field.
  @inline(__always)
  mutating func add(_ value: ByteView) -> HTTPError? {
    // What browsers and servers send, without a walk.
    if value.count == 10 && lowerCased(value.word(at: 0)) == packed("keep-ali")
      && lowerCased(value.word(at: 2)) == packed("ep-alive")
    {
      keepAlive = true
      return nil
    }
    return addList(value)
  }

  @inline(never)
  private mutating func addList(_ value: ByteView) -> HTTPError? {
    var members = ListMembers(value)
    while let member = members.next() {
      let option = value[member]
      if option.equalsIgnoringCase(ByteView("close")) {
        close = true
      } else if option.equalsIgnoringCase(ByteView("keep-alive")) {
        keepAlive = true
      } else if option.equalsIgnoringCase(ByteView("upgrade")) {
        upgrade = true
      } else {
        named += 1
        if named > Self.namedMax { return .tooManyFields }
      }
    }
    return nil
  }

  /// Whether the connection may be used again (RFC 9112 9.3).
  @inline(__always)
  func persists(minorVersion: UInt8) -> Bool {
    !close && (minorVersion == 1 || keepAlive)
  }
}

/// The members of a comma-separated list of tokens, empty ones left out (RFC 9110 5.6.1).
///
/// Commas in quoted strings are not told apart: for lists of tokens only.
@frozen
public struct ListMembers {
  @usableFromInline let value: ByteView
  @usableFromInline var position = 0

  /// The members of a field value.
  @inlinable
  public init(_ value: ByteView) { self.value = value }

  /// The next member without the white space around it; nil at the end.
  public mutating func next() -> ByteRange? {
    while position < value.count {
      let end = ByteScanning(value, end: value.count).firstIndex(of: ASCII.comma, from: position)
      let member = value.trimmed(position, end)
      position = end &+ 1
      if !member.isEmpty { return member }
    }
    return nil
  }
}
