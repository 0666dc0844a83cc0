/// One cookie of a Cookie field, by position in the field's value.
@frozen
public struct CookiePair: Equatable, Sendable {
  /// The name, without white space around it; empty when there is no `=`.
  public var name: ByteRange
  /// The value, without white space around it; quotes are part of it.
  public var value: ByteRange
  /// From the start of the name to the end of the value.
  public var pair: ByteRange
}

/// Iterates over the cookies of one Cookie field value (RFC 6265 4.2, read as laxly as 5.4 makes clients write).
///
/// Only `;` parts cookies. A value wholly within quotes keeps a `;` in it; a quote without its match has no meaning.
@frozen
public struct CookieScanner {
  @usableFromInline let value: ByteView
  @usableFromInline var position = 0

  /// The cookies of a field value.
  @inlinable
  public init(_ value: ByteView) { self.value = value }

  /// Nothing is left behind the cookie that `next` gave last.
  @inlinable
  public var isAtEnd: Bool { position >= value.count }

  /// The next cookie; nil at the end. Empty pieces (`;;`) are skipped.
  public mutating func next() -> CookiePair? {
    let base = value.base
    let count = value.count
    while position < count {
      // Every index is below `count` where a byte is read.
      var start = position
      while start < count && ASCII.isBlank(base[start]) { start &+= 1 }
      var index = start
      while index < count && base[index] != ASCII.equals && base[index] != ASCII.semicolon { index &+= 1 }
      let equals = index
      if index < count && base[index] == ASCII.equals {
        var valueStart = equals &+ 1
        while valueStart < count && ASCII.isBlank(base[valueStart]) { valueStart &+= 1 }
        let isQuoted = valueStart < count && base[valueStart] == ASCII.quote
        let end =
          (isQuoted ? quotedEnd(from: valueStart) : nil)
          ?? ByteScanning(value, end: count).firstIndex(of: ASCII.semicolon, from: equals &+ 1)
        position = end &+ 1
        let valueEnd = trimmedEnd(min(valueStart, end), end)
        let content = ByteRange(min(valueStart, end), valueEnd)
        return CookiePair(
          name: ByteRange(start, trimmedEnd(start, equals)), value: content,
          pair: ByteRange(start, content.isEmpty ? equals &+ 1 : content.end))
      }
      position = equals &+ 1
      let content = ByteRange(start, trimmedEnd(start, equals))
      if content.isEmpty { continue }
      return CookiePair(name: ByteRange(content.start, content.start), value: content, pair: content)
    }
    return nil
  }

  /// The end of the range without the white space before it.
  @inline(__always)
  private func trimmedEnd(_ start: Int, _ end: Int) -> Int {
    var last = end
    while last > start && ASCII.isBlank(value.base[last &- 1]) { last &-= 1 }
    return last
  }

  /// The next cookie of the name (case-sensitive, RFC 6265 5.3); nil when there is none left.
  @inlinable
  public mutating func next(named name: ByteView) -> CookiePair? {
    while let pair = next() {
      if pair.name.count == name.count && value[pair.name].equals(name) { return pair }
    }
    return nil
  }

  /// Where the piece ends whose value starts at `start`, if that value is one quoted string.
  private func quotedEnd(from start: Int) -> Int? {
    if start >= value.count || value[start] != ASCII.quote { return nil }
    var index = start &+ 1
    while index < value.count && value[index] != ASCII.quote {
      index &+= value[index] == ASCII.backslash ? 2 : 1
    }
    index &+= 1
    while index < value.count && ASCII.isBlank(value[index]) { index &+= 1 }
    if index > value.count { return nil }
    return index == value.count || value[index] == ASCII.semicolon ? index : nil
  }
}

/// The ranges to delete from a Cookie field value so that no cookie of a name is left and what is left is well-formed.
///
/// `a=b; SITE=SITE2; SITE=SITE1; c=d` without `SITE` is `a=b; c=d`. The ranges come in order and do not touch.
@frozen
public struct CookieRemoval {
  @usableFromInline var scanner: CookieScanner
  @usableFromInline let name: ByteView
  @usableFromInline var lastKeptEnd = 0
  @usableFromInline var hasKept = false
  @usableFromInline var isFinished = false

  /// Removal of every cookie called `name` (case-sensitive) from a field value.
  @inlinable
  public init(of name: ByteView, from value: ByteView) {
    scanner = CookieScanner(value)
    self.name = name
  }

  /// After `next` has given nil: no cookie is left, so the whole field is to be dropped.
  @inlinable
  public var emptiesField: Bool { !hasKept }

  /// The next range of the value to delete; nil when there is none left.
  public mutating func next() -> ByteRange? {
    var runStart: Int?
    while let pair = scanner.next() {
      if scanner.value[pair.name].equals(name) {
        if runStart == nil { runStart = pair.pair.start }
        continue
      }
      hasKept = true
      lastKeptEnd = pair.pair.end
      if let start = runStart { return ByteRange(start, pair.pair.start) }
    }
    if isFinished { return nil }
    isFinished = true
    if runStart == nil { return nil }
    // The run reaches to the end: the separator before it goes too.
    return ByteRange(hasKept ? lastKeptEnd : 0, scanner.value.count)
  }
}
