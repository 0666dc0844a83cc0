/// A cookie value with a server's name in front: `W14~123`.
@frozen
public struct PrefixedValue: Equatable, Sendable {
  /// What stands before the first `~`; the whole value when there is none.
  public var server: ByteRange
  /// What stands behind the first `~`, further ones included; the whole value when there is none.
  public var session: ByteRange
  /// Whether there is a `~`. Without one the value names a server at most, and passes unchanged.
  public var hasPrefix: Bool

  /// Splits a value at its first `~`.
  public init(_ value: ByteView) {
    let whole = ByteRange(0, value.count)
    if let tilde = value.firstIndex(of: ASCII.tilde) {
      server = ByteRange(0, tilde)
      session = ByteRange(tilde &+ 1, value.count)
      hasPrefix = true
    } else {
      server = whole
      session = whole
      hasPrefix = false
    }
  }
}

/// A cookie value with dates: `SITE1|last|first`, as HAProxy writes it for `maxidle` and `maxlife`.
@frozen
public struct DatedValue: Equatable, Sendable {
  /// What stands before the first `|`; the whole value when there is none.
  public var server: ByteRange
  /// When the cookie was last seen, Unix seconds; nil when it is not told or not readable.
  public var lastSeen: UInt32?
  /// When the cookie was first given, Unix seconds; nil when it is not told or not readable.
  public var firstGiven: UInt32?

  /// Splits a value. Whether the dates are still good, or lie in the future, is for the caller to judge.
  public init(_ value: ByteView) {
    guard let bar = value.firstIndex(of: ASCII.bar) else {
      server = ByteRange(0, value.count)
      return
    }
    server = ByteRange(0, bar)
    let next = value.firstIndex(of: ASCII.bar, from: bar &+ 1) ?? value.count
    lastSeen = CookieDate.decode(value.slice(bar &+ 1, next))
    if next < value.count { firstGiven = CookieDate.decode(value.slice(next &+ 1, value.count)) }
  }
}

/// Dates in cookies: Unix time in units of four seconds, 30 bits, as five base64 characters (the alphabet of RFC 4648
/// section 4), most significant first. 30 bits of such units last until the year 2106.
public enum CookieDate {
  /// Characters of a date.
  public static let characterCount = 5

  /// The date of the first five characters, Unix seconds; nil when there are fewer, another character, or zero.
  public static func decode(_ text: ByteView) -> UInt32? {
    if text.count < characterCount { return nil }
    var units: UInt32 = 0
    var index = 0
    while index < characterCount {
      guard let digit = value(of: text[index]) else { return nil }
      units = units &<< 6 | digit
      index &+= 1
    }
    return units == 0 ? nil : units &<< 2
  }

  /// The character at `index` (0 to 4) of the date `seconds`, rounded up to whole units.
  @inline(__always)
  static func character(_ index: Int, of seconds: UInt32) -> UInt8 {
    let units = UInt32(truncatingIfNeeded: (UInt64(seconds) &+ 3) &>> 2)
    let digit = UInt8(truncatingIfNeeded: (units &>> UInt32(24 &- 6 &* index)) & 0x3F)
    switch digit {
    case 0..<26: return 0x41 &+ digit
    case 26..<52: return 0x61 &+ digit &- 26
    case 52..<62: return 0x30 &+ digit &- 52
    case 62: return 0x2B
    default: return 0x2F
    }
  }

  private static func value(of character: UInt8) -> UInt32? {
    switch character {
    case 0x41...0x5A: UInt32(character &- 0x41)
    case 0x61...0x7A: UInt32(character &- 0x61) &+ 26
    case 0x30...0x39: UInt32(character &- 0x30) &+ 52
    case 0x2B: 62
    case 0x2F: 63
    default: nil
    }
  }
}
