/// One Set-Cookie field, by position in its value (RFC 6265 5.2).
@frozen
public struct SetCookieView: Sendable {
  /// The SameSite attribute.
  @frozen
  public enum SameSite: UInt8, Sendable {
    case absent
    case strict
    case lax
    case none
    case unknown
  }

  /// The cookie's name.
  public var name = ByteRange()
  /// The cookie's value; quotes are part of it.
  public var value = ByteRange()
  /// The value of the last Path attribute; nil when there is none.
  public var path: ByteRange?
  /// The value of the last Domain attribute; nil when there is none.
  public var domain: ByteRange?
  /// The value of the last Max-Age attribute; nil when there is none.
  public var maxAge: ByteRange?
  /// The value of the last Expires attribute; nil when there is none.
  public var expires: ByteRange?
  /// Whether the attribute HttpOnly is there.
  public var isHTTPOnly = false
  /// Whether the attribute Secure is there.
  public var isSecure = false
  /// The last SameSite attribute.
  public var sameSite = SameSite.absent
  /// From the first `;` to the end of the field value: all attributes as they stand, to be copied to another cookie.
  public var attributes = ByteRange()

  /// Reads a field value; nil when it has no `name=`, which clients ignore.
  public init?(_ field: ByteView) {
    var end = field.firstIndex(of: ASCII.semicolon) ?? field.count
    guard let equals = field.slice(0, end).firstIndex(of: ASCII.equals) else { return nil }
    name = field.trimmed(0, equals)
    value = field.trimmed(equals &+ 1, end)
    if name.isEmpty { return nil }
    attributes = ByteRange(end, field.count)
    while end < field.count {
      let start = end &+ 1
      end = field.firstIndex(of: ASCII.semicolon, from: start) ?? field.count
      readAttribute(field, start, end)
    }
  }

  private mutating func readAttribute(_ field: ByteView, _ start: Int, _ end: Int) {
    let equals = field.slice(0, end).firstIndex(of: ASCII.equals, from: start) ?? end
    let attribute = field[field.trimmed(start, equals)]
    let content = field.trimmed(min(equals &+ 1, end), end)
    switch attribute.count {
    case 4: if attribute.equalsIgnoringCase(ByteView("path")) { path = content }
    case 6:
      if attribute.equalsIgnoringCase(ByteView("domain")) { domain = content }
      if attribute.equalsIgnoringCase(ByteView("secure")) { isSecure = true }
    case 7:
      if attribute.equalsIgnoringCase(ByteView("max-age")) { maxAge = content }
      if attribute.equalsIgnoringCase(ByteView("expires")) { expires = content }
    case 8:
      if attribute.equalsIgnoringCase(ByteView("httponly")) { isHTTPOnly = true }
      if attribute.equalsIgnoringCase(ByteView("samesite")) { sameSite = Self.sameSite(field[content]) }
    default: break
    }
  }

  private static func sameSite(_ value: ByteView) -> SameSite {
    if value.equalsIgnoringCase(ByteView("strict")) { return .strict }
    if value.equalsIgnoringCase(ByteView("lax")) { return .lax }
    if value.equalsIgnoringCase(ByteView("none")) { return .none }
    return .unknown
  }
}
