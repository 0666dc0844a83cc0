/// Makes message authentication codes for cookies: HMAC-SHA256 with one of several keys.
public protocol CookieAuthenticator: ~Copyable {
  /// Number of keys, the first of which signs.
  var keyCount: Int { get }
  /// Writes the 32 bytes of the code of a message with a key. False: it could not be made.
  borrowing func makeCode(_ message: ByteView, key: Int, into code: UnsafeMutablePointer<UInt8>) -> Bool
}

/// What a cookie's value is worth.
public enum CookieJudgement {
  /// The value, without its tag. `isFresh`: its tag is the newest key's; without that it should be written anew.
  case believed(value: ByteView, isFresh: Bool)
  /// It has no tag where one is required.
  case unsigned
  /// Its tag is not that of its value and session.
  case forged
}

/// Values of cookies that carry a tag, so that nobody chooses a server or takes over a session by writing one.
///
/// A signed value is `VALUE!TAG`. TAG is the first 132 bits of an HMAC-SHA256 in base64url (RFC 4648 section 5), 22 characters,
/// over: `geodirector cookie 1`, then name of the cookie, value, and session id, each with its length in two bytes before
/// it. With a prefixed cookie the session id is what follows the `~`, so that the prefix holds for one session only: `W14!TAG~123`.
public enum SignedCookie {
  /// Characters that a tag adds to a value, the `!` included.
  public static let suffixCount = 23
  /// Cookies of the name that are judged of one request at most: each costs a code for every key. A browser has one for each path and
  /// domain, and sends those of the longest path first (RFC 6265 section 5.4).
  public static let candidatesMax = 8
  /// What stands before a tag.
  public static let mark: UInt8 = 0x21
  private static let tagCount = 22
  /// Name, value and session id at most; longer ones are not signed, nor believed where a tag is required.
  public static let partMax = 1_024

  /// Judges a value.
  ///
  /// - Parameter text: what stands in the cookie: the whole value, or what is before the `~`.
  /// - Parameter session: what follows the `~`; empty for cookies without.
  /// - Parameter isRequired: a value without tag is not believed.
  public static func judge<Authenticator: CookieAuthenticator & ~Copyable>(
    _ text: ByteView, cookie: ByteView, session: ByteView, isRequired: Bool, with authenticator: borrowing Authenticator
  ) -> CookieJudgement {
    let valueCount = text.count - suffixCount
    guard valueCount >= 0, text[valueCount] == mark, isTag(text.slice(valueCount + 1, text.count)) else {
      return isRequired ? .unsigned : .believed(value: text, isFresh: false)
    }
    let value = text.slice(0, valueCount)
    let tag = text.slice(valueCount + 1, text.count)
    var found: Int?
    // All keys are tried, so that the time does not tell which it was.
    for key in 0..<authenticator.keyCount {
      let isSame = withTag(value, cookie, session, key, authenticator) { agrees($0, tag) }
      if isSame, found == nil { found = key }
    }
    guard let found else { return .forged }
    return .believed(value: value, isFresh: found == 0)
  }

  /// Writes `!TAG` behind a value. Nothing is written when a part is too long or the code cannot be made: false.
  public static func append<Authenticator: CookieAuthenticator & ~Copyable>(
    tagOf value: ByteView, cookie: ByteView, session: ByteView, to writer: inout ByteWriter,
    with authenticator: borrowing Authenticator
  ) -> Bool {
    guard writer.remaining >= suffixCount else { return false }
    return withTag(value, cookie, session, 0, authenticator) { tag in
      guard tag.count == tagCount else { return false }
      writer.append(byte: mark)
      writer.append(tag)
      return true
    }
  }

  /// Compares in a time that does not depend on where they differ.
  private static func agrees(_ first: ByteView, _ second: ByteView) -> Bool {
    guard first.count == second.count else { return false }
    var difference: UInt8 = 0
    for position in 0..<first.count { difference |= first[position] ^ second[position] }
    return difference == 0
  }

  private static func isTag(_ text: ByteView) -> Bool {
    for position in 0..<text.count {
      switch text[position] {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: continue
      default: return false
      }
    }
    return true
  }

  /// Calls `body` with the tag of the parts; with an empty one when there is none.
  private static func withTag<Authenticator: CookieAuthenticator & ~Copyable>(
    _ value: ByteView, _ cookie: ByteView, _ session: ByteView, _ key: Int, _ authenticator: borrowing Authenticator,
    _ body: (ByteView) -> Bool
  ) -> Bool {
    guard value.count <= partMax, cookie.count <= partMax, session.count <= partMax else { return body(ByteView("")) }
    // What is larger would not be on the stack.
    if value.count + cookie.count + session.count <= ordinaryMax {
      return withUnsafeTemporaryAllocation(byteCount: 1_024, alignment: 8) {
        tag(in: $0, value, cookie, session, key, authenticator, body)
      }
    }
    return withUnsafeTemporaryAllocation(byteCount: 3 * partMax + 128, alignment: 8) {
      tag(in: $0, value, cookie, session, key, authenticator, body)
    }
  }

  /// Bytes of all parts that fit into 1,024 with what stands before them.
  private static let ordinaryMax = 960

  private static func tag<Authenticator: CookieAuthenticator & ~Copyable>(
    in memory: UnsafeMutableRawBufferPointer, _ value: ByteView, _ cookie: ByteView, _ session: ByteView, _ key: Int,
    _ authenticator: borrowing Authenticator, _ body: (ByteView) -> Bool
  ) -> Bool {
    var writer = ByteWriter(memory)
    writer.append("geodirector cookie 1")
    // One by one: a list of them would be allocated.
    writer.append(sized: cookie)
    writer.append(sized: value)
    writer.append(sized: session)
    var tag = InlineArray<24, UInt8>(repeating: 0)
    var code = InlineArray<32, UInt8>(repeating: 0)
    var codeSpan = code.mutableSpan
    let isMade = codeSpan.withUnsafeMutableBufferPointer {
      authenticator.makeCode(writer.written, key: key, into: $0.baseAddress!)
    }
    guard isMade else { return body(ByteView("")) }
    // 132 bits in groups of three bytes: four characters each.
    for group in 0..<6 {
      let bits = UInt32(code[group * 3]) << 16 | UInt32(code[group * 3 + 1]) << 8 | UInt32(code[group * 3 + 2])
      for digit in 0..<4 {
        tag[group * 4 + digit] = character(UInt8(truncatingIfNeeded: bits >> UInt32(18 - digit * 6) & 63))
      }
    }
    return tag.span.withUnsafeBufferPointer { body(ByteView($0.baseAddress!, count: tagCount)) }
  }

  private static func character(_ digit: UInt8) -> UInt8 {
    switch digit {
    case 0..<26: 0x41 + digit
    case 26..<52: 0x61 + digit - 26
    case 52..<62: 0x30 + digit - 52
    case 62: 0x2D
    default: 0x5F
    }
  }
}

extension ByteWriter {
  /// Bytes with their length in two bytes before them.
  fileprivate mutating func append(sized bytes: ByteView) {
    append(short: bytes.count)
    append(bytes)
  }
}
