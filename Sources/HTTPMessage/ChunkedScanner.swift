/// What came of scanning a piece of a chunked body.
@frozen
public enum ChunkedScan: Equatable, Sendable {
  /// The whole piece belongs to the body, and there is more to come.
  case needMore
  /// The body, its trailer section included, ended after this many bytes of the piece.
  case complete(consumed: Int)
  /// The body is not well-formed: the connection must be closed.
  case invalid(HTTPError)
}

/// Follows a chunked body (RFC 9112 7.1) that is relayed as it is, piece after piece, to find where it ends.
///
/// A value of a few words; pieces may be cut anywhere. Chunk data is skipped, not looked at.
@frozen
public struct ChunkedScanner: Sendable {
  /// Bytes of a chunk's extensions at most.
  public static let extensionBytesMax = 1_024
  /// Bytes of the trailer section at most.
  public static let trailerBytesMax = 8_192
  /// Hexadecimal digits of a chunk size at most, leading zeros included.
  public static let sizeDigitsMax = 16
  /// A chunk is smaller than this.
  public static let chunkBytesLimit: UInt64 = 1 << 60

  @usableFromInline
  @frozen
  enum State: UInt8, Sendable {
    case sizeStart
    case size
    case spaceBeforeExtension
    case extensionStart
    case extensionName
    case extensionNameEnd
    case extensionValueStart
    case extensionValue
    case extensionQuoted
    case extensionEscape
    case extensionValueEnd
    case extensionSpace
    case sizeLineFeed
    case data
    case dataReturn
    case dataLineFeed
    case trailerStart
    case trailerName
    case trailerValue
    case trailerLineFeed
    case lastLineFeed
    case done
  }

  @usableFromInline var state = State.sizeStart
  @usableFromInline var digits: UInt8 = 0
  /// Bytes of the extensions of this chunk, or of the trailer section.
  @usableFromInline var lineBytes: UInt32 = 0
  /// The size as far as it is read, then the bytes of data still to come.
  @usableFromInline var remaining: UInt64 = 0
  /// Hash of the trailer name being read, letters in lower case.
  @usableFromInline var nameHash: UInt64 = 0
  /// Bytes of chunk data so far, whole sizes counted as soon as they are announced.
  public internal(set) var announcedBytes: UInt64 = 0

  /// At the start of a body.
  public init() {}

  /// Bytes of chunk data seen so far: what limits on bodies count.
  @inlinable
  public var dataBytes: UInt64 { state == .data ? announcedBytes &- remaining : announcedBytes }

  /// Whether the body has ended.
  @inlinable
  public var isComplete: Bool { state == .done }

  /// Scans the next piece of the body.
  ///
  /// After `complete` no further call is allowed; after `invalid` neither.
  public mutating func scan(_ view: ByteView) -> ChunkedScan {
    precondition(state != .done, "the body has ended")
    var index = 0
    let count = view.count
    while index < count {
      if state == .data {
        let available = UInt64(count &- index)
        if available < remaining {
          remaining &-= available
          return .needMore
        }
        index &+= Int(remaining)
        remaining = 0
        state = .dataReturn
        continue
      }
      if let error = step(view[index]) { return .invalid(error) }
      index &+= 1
      if state == .done { return .complete(consumed: index) }
    }
    return .needMore
  }

  @inline(__always)
  private mutating func step(_ byte: UInt8) -> HTTPError? {
    switch state {
    case .sizeStart, .size: return sizeByte(byte)
    case .spaceBeforeExtension, .extensionStart, .extensionName, .extensionNameEnd, .extensionValueStart,
      .extensionValue,
      .extensionQuoted, .extensionEscape, .extensionValueEnd, .extensionSpace:
      return extensionByte(byte)
    case .sizeLineFeed:
      if byte != ASCII.lineFeed { return .bareCarriageReturn }
      if remaining == 0 {
        lineBytes = 0
        state = .trailerStart
      } else {
        announcedBytes &+= remaining
        state = .data
      }
      return nil
    case .data: return nil
    case .dataReturn:
      if byte != ASCII.carriageReturn { return .invalidChunkEnd }
      state = .dataLineFeed
      return nil
    case .dataLineFeed:
      if byte != ASCII.lineFeed { return .invalidChunkEnd }
      state = .sizeStart
      digits = 0
      return nil
    case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed, .lastLineFeed: return trailerByte(byte)
    case .done: return nil
    }
  }

  @inline(__always)
  private mutating func sizeByte(_ byte: UInt8) -> HTTPError? {
    let value = ASCII.hexValue(byte)
    if value < 16 {
      if digits >= Self.sizeDigitsMax { return .chunkSizeOverflow }
      digits &+= 1
      remaining = remaining &<< 4 | UInt64(value)
      state = .size
      return remaining >= Self.chunkBytesLimit ? .chunkSizeOverflow : nil
    }
    if state == .sizeStart { return .invalidChunkSize }
    lineBytes = 0
    switch byte {
    case ASCII.carriageReturn: state = .sizeLineFeed
    case ASCII.semicolon: state = .extensionStart
    case ASCII.space, ASCII.tab:
      state = .spaceBeforeExtension
      lineBytes = 1
    case ASCII.lineFeed: return .bareLineFeed
    default: return .invalidChunkSize
    }
    return nil
  }

  @inline(__always)
  func controlCharacter(_ byte: UInt8) -> HTTPError? {
    if byte >= ASCII.space && byte != 0x7F || byte == ASCII.tab { return nil }
    return byte == ASCII.lineFeed ? .bareLineFeed : .controlCharacter
  }

  /// The trailer section: field lines as strict as those of a head (RFC 9112 7.1.2).
  @inline(never)
  private mutating func trailerByte(_ byte: UInt8) -> HTTPError? {
    lineBytes &+= 1
    if lineBytes > Self.trailerBytesMax { return .trailersTooLong }
    switch state {
    case .trailerStart:
      switch byte {
      case ASCII.carriageReturn: state = .lastLineFeed
      case ASCII.lineFeed: return .bareLineFeed
      case ASCII.space, ASCII.tab: return .foldedLine
      case ASCII.colon: return .emptyFieldName
      default:
        if !ASCII.isToken(byte) { return .invalidFieldName }
        nameHash = TrailerName.start
        nameHash = TrailerName.extend(nameHash, byte)
        state = .trailerName
      }
    case .trailerName:
      if byte == ASCII.colon {
        if TrailerName.isForbidden(nameHash) { return .forbiddenTrailer }
        state = .trailerValue
      } else if ASCII.isToken(byte) {
        nameHash = TrailerName.extend(nameHash, byte)
      } else {
        switch byte {
        case ASCII.space, ASCII.tab: return .spaceBeforeColon
        case ASCII.carriageReturn: return .missingColon
        case ASCII.lineFeed: return .bareLineFeed
        default: return .invalidFieldName
        }
      }
    case .trailerValue:
      if byte == ASCII.carriageReturn { state = .trailerLineFeed } else { return controlCharacter(byte) }
    case .trailerLineFeed:
      if byte != ASCII.lineFeed { return .bareCarriageReturn }
      state = .trailerStart
    default:
      if byte != ASCII.lineFeed { return .bareCarriageReturn }
      state = .done
    }
    return nil
  }
}

/// Names that must not stand in a trailer section, since a reader that merges it into the head would be misled about
/// framing or routing, who asks or who the user is (RFC 9110 6.5.1). Told by a 64-bit FNV-1a hash, so that a name cut in pieces needs no memory.
enum TrailerName {
  static let start: UInt64 = 0xCBF2_9CE4_8422_2325

  @inline(__always)
  static func extend(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
    (hash ^ UInt64(ASCII.lowerCased(byte))) &* 0x0000_0100_0000_01B3
  }

  static func hash(_ name: StaticString) -> UInt64 {
    let view = ByteView(name)
    var result = start
    var index = 0
    while index < view.count {
      result = extend(result, view[index])
      index &+= 1
    }
    return result
  }

  private static let forbidden: [UInt64] = [
    hash("content-length"), hash("transfer-encoding"), hash("host"), hash("connection"), hash("upgrade"), hash("te"),
    hash("expect"), hash("max-forwards"), hash("via"), hash("cookie"), hash("set-cookie"), hash("authorization"),
    hash("proxy-authorization"), hash("forwarded"), hash("x-forwarded-for"), hash("x-forwarded-proto"),
    hash("x-forwarded-host"), hash("x-original-to"),
  ]

  static func isForbidden(_ hash: UInt64) -> Bool { forbidden.contains(hash) }
}
