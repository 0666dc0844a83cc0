/// The last member of a Proxy-Status field: what the hop next to us says (RFC 9209 2).
///
/// Reads the list strictly enough that commas and semicolons in strings part nothing.
@frozen
public struct ProxyStatusMember: Sendable {
  /// The hop's name: the token, or the string without its quotes.
  public var node = ByteRange()
  /// The value of the last `error` parameter, a token; nil when there is none.
  public var error: ByteRange?

  /// The last member of a field value; nil when it is malformed or empty, or the member uses escapes in its name.
  public init?(lastOf value: ByteView) {
    // Find the comma outside strings that is the last one.
    var start = 0
    var index = 0
    while index < value.count {
      switch value[index] {
      case ASCII.comma: start = index &+ 1
      case ASCII.quote:
        guard let close = Self.stringEnd(value, index) else { return nil }
        index = close
      default: break
      }
      index &+= 1
    }
    let member = value.trimmed(start, value.count)
    if member.isEmpty { return nil }
    var position = member.start
    guard let item = Self.bareItem(value, &position, member.end) else { return nil }
    node = item
    while position < member.end {
      if value[position] != ASCII.semicolon { return nil }
      position &+= 1
      while position < member.end && value[position] == ASCII.space { position &+= 1 }
      let key = position
      position = ByteScanning(value, end: member.end).tokenEnd(from: position)
      if position == key { return nil }
      let isError = value.slice(key, position).equals(ByteView("error"))
      if position < member.end && value[position] == ASCII.equals {
        position &+= 1
        guard let content = Self.bareItem(value, &position, member.end) else { return nil }
        if isError { error = content }
      }
    }
  }

  /// A token, number or string at `position`, which moves behind it.
  private static func bareItem(_ value: ByteView, _ position: inout Int, _ end: Int) -> ByteRange? {
    if position >= end { return nil }
    if value[position] == ASCII.quote {
      guard let close = stringEnd(value, position) else { return nil }
      let content = ByteRange(position &+ 1, close)
      // No node of ours has a name that would need escapes.
      if value[content].firstIndex(of: ASCII.backslash) != nil { return nil }
      position = close &+ 1
      return content
    }
    let start = position
    // Tokens of structured fields may hold `:` and `/` too (RFC 8941 3.3.4).
    while position < end
      && (ASCII.isToken(value[position]) || value[position] == ASCII.colon || value[position] == ASCII.slash
        || value[position] == ASCII.questionMark)
    {
      position &+= 1
    }
    return position == start ? nil : ByteRange(start, position)
  }

  /// The offset of the quote that closes the string opened at `open`.
  private static func stringEnd(_ value: ByteView, _ open: Int) -> Int? {
    var index = open &+ 1
    while index < value.count {
      if value[index] == ASCII.quote { return index }
      index &+= value[index] == ASCII.backslash ? 2 : 1
    }
    return nil
  }
}
