/// The Via field (RFC 9110 7.6.3): who a message has passed.
public enum Via {
  /// Whether a member of the field value was received by `pseudonym` (compared without case): the second word of a
  /// member, as in `1.1 SD1 (comment)`. Commas in comments part nothing.
  public static func contains(_ value: ByteView, pseudonym: ByteView) -> Bool {
    var index = 0
    while index < value.count {
      // A member: protocol, white space, received-by, comment.
      index = skip(value, index) { ASCII.isBlank($0) || $0 == ASCII.comma }
      index = skip(value, index) { !ASCII.isBlank($0) && $0 != ASCII.comma }
      index = skip(value, index) { ASCII.isBlank($0) }
      let start = index
      index = skip(value, index) { !ASCII.isBlank($0) && $0 != ASCII.comma && $0 != ASCII.openParenthesis }
      if value.slice(start, index).equalsIgnoringCase(pseudonym) { return true }
      index = memberEnd(value, index)
    }
    return false
  }

  /// Who sent the message, as the last member of the field value has it: its second word. Empty: there is none.
  public static func last(_ value: ByteView) -> ByteView {
    var last = value.slice(0, 0)
    var index = 0
    while index < value.count {
      index = skip(value, index) { ASCII.isBlank($0) || $0 == ASCII.comma }
      if index == value.count { break }
      index = skip(value, index) { !ASCII.isBlank($0) && $0 != ASCII.comma }
      index = skip(value, index) { ASCII.isBlank($0) }
      let start = index
      index = skip(value, index) { !ASCII.isBlank($0) && $0 != ASCII.comma && $0 != ASCII.openParenthesis }
      last = value.slice(start, index)
      index = memberEnd(value, index)
    }
    return last
  }

  /// The comma or the end behind what is left of a member; nested comments and quoted pairs are stepped over.
  private static func memberEnd(_ value: ByteView, _ start: Int) -> Int {
    var depth = 0
    var index = start
    while index < value.count {
      switch value[index] {
      case ASCII.openParenthesis: depth &+= 1
      case ASCII.closeParenthesis: if depth > 0 { depth &-= 1 }
      case ASCII.backslash: if depth > 0 { index &+= 1 }
      case ASCII.comma: if depth == 0 { return index }
      default: break
      }
      index &+= 1
    }
    return value.count
  }

  @inline(__always)
  private static func skip(_ value: ByteView, _ start: Int, while condition: (UInt8) -> Bool) -> Int {
    var index = start
    while index < value.count && condition(value[index]) { index &+= 1 }
    return index
  }
}
