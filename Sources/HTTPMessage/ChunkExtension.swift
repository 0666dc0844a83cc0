/// The extensions of a chunk (RFC 9112 7.1.1): `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`.
///
/// They are passed on as they are, so one that is not well-formed could mean two things to two readers.
extension ChunkedScanner {
  @inline(never)
  mutating func extensionByte(_ byte: UInt8) -> HTTPError? {
    lineBytes &+= 1
    if lineBytes > Self.extensionBytesMax && byte != ASCII.carriageReturn { return .chunkExtensionTooLong }
    switch state {
    case .spaceBeforeExtension:
      // White space may only stand before an extension, not before the end of the line.
      if byte == ASCII.semicolon { state = .extensionStart } else if !ASCII.isBlank(byte) { return .invalidChunkSize }
      return nil
    case .extensionStart:
      if ASCII.isBlank(byte) { return nil }
      if !ASCII.isToken(byte) { return mistake(byte) }
      state = .extensionName
      return nil
    case .extensionName:
      if ASCII.isToken(byte) { return nil }
      return afterName(byte, ends: true)
    case .extensionNameEnd: return afterName(byte, ends: false)
    case .extensionValueStart:
      if ASCII.isBlank(byte) { return nil }
      if byte == ASCII.quote {
        state = .extensionQuoted
        return nil
      }
      if !ASCII.isToken(byte) { return mistake(byte) }
      state = .extensionValue
      return nil
    case .extensionValue:
      if ASCII.isToken(byte) { return nil }
      return afterValue(byte, ends: true)
    case .extensionValueEnd: return afterValue(byte, ends: true)
    case .extensionSpace: return afterValue(byte, ends: false)
    case .extensionQuoted:
      switch byte {
      case ASCII.quote: state = .extensionValueEnd
      case ASCII.backslash: state = .extensionEscape
      default: return byte == ASCII.carriageReturn ? .invalidChunkExtension : controlCharacter(byte)
      }
      return nil
    default:
      state = .extensionQuoted
      return byte == ASCII.carriageReturn ? .invalidChunkExtension : controlCharacter(byte)
    }
  }

  /// - Parameter ends: the line may end here; behind white space it may not.
  private mutating func afterName(_ byte: UInt8, ends: Bool) -> HTTPError? {
    switch byte {
    case ASCII.equals: state = .extensionValueStart
    case ASCII.semicolon: state = .extensionStart
    case ASCII.space, ASCII.tab: state = .extensionNameEnd
    case ASCII.carriageReturn where ends: state = .sizeLineFeed
    default: return mistake(byte)
    }
    return nil
  }

  private mutating func afterValue(_ byte: UInt8, ends: Bool) -> HTTPError? {
    switch byte {
    case ASCII.semicolon: state = .extensionStart
    case ASCII.space, ASCII.tab: state = .extensionSpace
    case ASCII.carriageReturn where ends: state = .sizeLineFeed
    default: return mistake(byte)
    }
    return nil
  }

  private func mistake(_ byte: UInt8) -> HTTPError {
    if byte == ASCII.carriageReturn { return .invalidChunkExtension }
    return controlCharacter(byte) ?? .invalidChunkExtension
  }
}
