/// What a ClientHello asks for, as far as a pool is chosen by it (RFC 8446 section 4.1.2, RFC 6066 section 3, RFC 7301).
public struct ClientHello {
  /// The host asked for (SNI), as it was written; nil: none.
  public var serverName: ByteView?
  /// The protocols offered (ALPN); nil: the extension is not there.
  public var protocols: ProtocolNames?
  /// TLS 1.3 is offered.
  public var offersTLS13: Bool
  /// Bytes of the records it stands in.
  public var length: Int
}

/// Why bytes are no ClientHello.
public enum ClientHelloError: UInt8, Error, Sendable, CaseIterable {
  /// The first record is none of a handshake of SSL 3 or later.
  case notTLS
  /// A record within the message is empty, too long, or of another kind.
  case badRecord
  /// The handshake begins with another message.
  case notClientHello
  /// The message is longer than the memory for it, or than `ClientHelloParser.bytesMax`.
  case tooLong
  /// Lengths do not fit into each other, an extension stands twice, or a name is not one.
  case malformed
}

/// What came of looking for a ClientHello.
public enum ClientHelloResult {
  /// It is there; its views are of the bytes looked at, or of the memory given.
  case complete(ClientHello)
  /// So far it could become one.
  case needMore
  /// It cannot become one.
  case invalid(ClientHelloError)
}

/// Protocol names in the form of ALPN: a byte of length before each.
public struct ProtocolNames {
  private let list: ByteView
  private var position = 0

  init(_ list: ByteView) { self.list = list }

  /// The next name; nil: there are no more.
  public mutating func next() -> ByteView? {
    guard position < list.count else { return nil }
    let end = position + 1 + Int(list[position])
    defer { position = end }
    return list.slice(position + 1, end)
  }
}

/// Looks for a ClientHello at the start of a connection's bytes, without decrypting anything. Nothing is kept between calls.
public enum ClientHelloParser {
  /// Bytes of a message at most.
  public static let bytesMax = 16_384
  /// Bytes of a record's content at most (RFC 8446 section 5.1).
  static let recordMax = 16_384
  private static let handshake: UInt8 = 22
  private static let clientHello: UInt8 = 1

  /// - Parameter scratch: memory for a message in several records, `bytesMax` bytes to take each that is taken at all.
  public static func parse(_ view: ByteView, scratch: UnsafeMutableRawBufferPointer) -> ClientHelloResult {
    // What is wrong from the start is told from the start.
    if view.count > 0, view[0] != handshake { return .invalid(.notTLS) }
    if view.count > 1, view[1] != 3 { return .invalid(.notTLS) }
    if view.count > 5, view[5] != clientHello { return .invalid(.notClientHello) }
    var joined = ByteWriter(UnsafeMutableRawBufferPointer(rebasing: scratch[..<min(scratch.count, bytesMax)]))
    var position = 0
    var total: Int?
    while true {
      guard position + 5 <= view.count else { return needMoreOrInvalid(view, position) }
      let length = Int(view[position + 3]) << 8 | Int(view[position + 4])
      guard view[position] == handshake, view[position + 1] == 3, length > 0, length <= recordMax else {
        return .invalid(.badRecord)
      }
      let isFirst = position == 0
      let end = position + 5 + length
      let content = view.slice(position + 5, min(end, view.count))
      if isFirst, let size = messageLength(content) {
        guard size <= bytesMax else { return .invalid(.tooLong) }
        // The whole message in one record is read where it is.
        if content.count >= size { return ClientHelloBody.parse(content.slice(4, size), length: end) }
        if length >= size { return .needMore }
      }
      guard end <= view.count else { return .needMore }
      joined.append(content)
      if joined.hasOverflowed { return .invalid(.tooLong) }
      if total == nil { total = messageLength(joined.written) }
      if let total {
        guard total <= min(bytesMax, scratch.count) else { return .invalid(.tooLong) }
        if joined.position >= total { return ClientHelloBody.parse(joined.written.slice(4, total), length: end) }
      }
      position = end
    }
  }

  /// A record that has only begun must be of the right kind as far as it goes.
  private static func needMoreOrInvalid(_ view: ByteView, _ position: Int) -> ClientHelloResult {
    if position < view.count, view[position] != handshake { return .invalid(.badRecord) }
    if position + 1 < view.count, view[position + 1] != 3 { return .invalid(.badRecord) }
    return .needMore
  }

  /// Bytes of the message with its head of four; nil: the head is not complete.
  private static func messageLength(_ view: ByteView) -> Int? {
    guard view.count >= 4 else { return nil }
    return 4 + (Int(view[1]) << 16 | Int(view[2]) << 8 | Int(view[3]))
  }
}

/// The body of the message.
private enum ClientHelloBody {
  static func parse(_ body: ByteView, length: Int) -> ClientHelloResult {
    var reader = VectorReader(body)
    var hello = ClientHello(serverName: nil, protocols: nil, offersTLS13: false, length: length)
    guard reader.skip(2 + 32), let session = reader.vector(1), session.count <= 32, let suites = reader.vector(2),
      suites.count >= 2, suites.count % 2 == 0, let compressions = reader.vector(1), compressions.count >= 1
    else { return .invalid(.malformed) }
    if reader.isAtEnd { return .complete(hello) }
    guard let extensions = reader.vector(2), reader.isAtEnd else { return .invalid(.malformed) }
    var list = VectorReader(extensions)
    var hasVersions = false
    while !list.isAtEnd {
      guard let kind = list.number(2), let content = list.vector(2) else { return .invalid(.malformed) }
      switch kind {
      case 0:
        guard hello.serverName == nil, let name = serverName(content) else { return .invalid(.malformed) }
        hello.serverName = name
      case 16:
        guard hello.protocols == nil, let names = protocols(content) else { return .invalid(.malformed) }
        hello.protocols = names
      case 43:
        guard !hasVersions, let offers = offersTLS13(content) else { return .invalid(.malformed) }
        hasVersions = true
        hello.offersTLS13 = offers
      default: break
      }
    }
    return .complete(hello)
  }

  /// A list of exactly one name of the only type there is.
  private static func serverName(_ content: ByteView) -> ByteView? {
    var reader = VectorReader(content)
    guard let list = reader.vector(2), reader.isAtEnd else { return nil }
    var names = VectorReader(list)
    guard names.number(1) == 0, let name = names.vector(2), names.isAtEnd, name.count >= 1, name.count <= 255 else {
      return nil
    }
    for position in 0..<name.count where name[position] <= 0x20 || name[position] >= 0x7F { return nil }
    return name
  }

  private static func protocols(_ content: ByteView) -> ProtocolNames? {
    var reader = VectorReader(content)
    guard let list = reader.vector(2), reader.isAtEnd, list.count >= 2 else { return nil }
    var names = VectorReader(list)
    while !names.isAtEnd {
      guard let name = names.vector(1), name.count >= 1 else { return nil }
    }
    return ProtocolNames(list)
  }

  private static func offersTLS13(_ content: ByteView) -> Bool? {
    var reader = VectorReader(content)
    guard let list = reader.vector(1), reader.isAtEnd, list.count >= 2, list.count % 2 == 0 else { return nil }
    for position in stride(from: 0, to: list.count, by: 2) where list[position] == 3 && list[position + 1] == 4 {
      return true
    }
    return false
  }
}

/// Reads numbers and vectors with their length in front (RFC 8446 section 3).
struct VectorReader {
  private let view: ByteView
  private var position = 0

  init(_ view: ByteView) { self.view = view }

  var isAtEnd: Bool { position == view.count }

  mutating func skip(_ count: Int) -> Bool {
    guard count <= view.count - position else { return false }
    position += count
    return true
  }

  /// Big-endian.
  mutating func number(_ bytes: Int) -> Int? {
    guard bytes <= view.count - position else { return nil }
    var value = 0
    for _ in 0..<bytes {
      value = value << 8 | Int(view[position])
      position += 1
    }
    return value
  }

  /// A vector whose length stands in so many bytes.
  mutating func vector(_ lengthBytes: Int) -> ByteView? {
    guard let count = number(lengthBytes), count <= view.count - position else { return nil }
    position += count
    return view.slice(position - count, position)
  }
}
