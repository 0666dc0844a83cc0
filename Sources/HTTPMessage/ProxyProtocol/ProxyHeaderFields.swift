/// The fields behind the addresses of a header of version 2: type, length in two bytes, value (section 2.2).
enum ProxyHeaderFields {
  /// The protocol that the client's TLS agreed on (PP2_TYPE_ALPN).
  static let applicationProtocol: UInt8 = 0x01
  /// The host that the client asked for (PP2_TYPE_AUTHORITY).
  static let authority: UInt8 = 0x02
  /// The field that holds a checksum (PP2_TYPE_CRC32C).
  static let checksum: UInt8 = 0x03
  /// An identifier of the connection (PP2_TYPE_UNIQUE_ID).
  static let uniqueID: UInt8 = 0x05
  /// What is known of the client's TLS; it has fields of its own (PP2_TYPE_SSL).
  static let tls: UInt8 = 0x20
  /// Within PP2_TYPE_SSL: version, common name of the client's certificate, and suite.
  static let tlsVersion: UInt8 = 0x21
  static let tlsCommonName: UInt8 = 0x22
  static let tlsCipher: UInt8 = 0x23

  /// Bytes in front of the fields within PP2_TYPE_SSL: `client` and `verify`.
  private static let tlsFixedBytes = 5
  /// The longest name of a host, and of a protocol (RFC 7301 section 3.1).
  private static let nameBytesMax = 255
  /// The longest identifier (section 2.2.5).
  private static let identifierBytesMax = 128

  /// Goes through them all: every one is whole, what is read stands once at most, a checksum is right (section 2.2.3).
  ///
  /// - Returns: what they tell of the client's TLS; nil: it spoke none, or nothing is told.
  static func read(_ header: ByteView, from start: Int) throws(ProxyHeaderError) -> ProxyTLS? {
    var fields = Fields(header, from: start, to: header.count)
    var told: ByteRange?
    var name = ByteRange()
    var spoken = ByteRange()
    while let field = try fields.next() {
      switch field.type {
      case applicationProtocol: try take(field.value, bytesMax: nameBytesMax, into: &spoken)
      case authority: try take(field.value, bytesMax: nameBytesMax, into: &name)
      case checksum:
        guard field.value.count == 4 else { throw .badField }
        let sum = ProxyHeaderBinary.checksum(header, zeroFrom: field.value.start)
        guard UInt64(sum) == number(header, field.value.start, 4) else { throw .badChecksum }
      case uniqueID: guard field.value.count <= identifierBytesMax else { throw .badField }
      case tls:
        guard told == nil, field.value.count >= tlsFixedBytes else { throw .badField }
        told = field.value
      default: break
      }
    }
    guard let told, var found = try readTLS(header, told) else { return nil }
    found.serverName = name
    found.applicationProtocol = spoken
    return found
  }

  /// Which of two would hold nobody could say.
  private static func take(
    _ value: ByteRange, bytesMax: Int = .max, into place: inout ByteRange
  ) throws(ProxyHeaderError) {
    guard place == ByteRange(), value.count <= bytesMax else { throw .badField }
    place = value
  }

  /// What stands in PP2_TYPE_SSL; nil: the client spoke no TLS.
  private static func readTLS(_ header: ByteView, _ told: ByteRange) throws(ProxyHeaderError) -> ProxyTLS? {
    var found = ProxyTLS(
      client: ProxyTLSClient(rawValue: header[told.start]),
      verification: UInt32(truncatingIfNeeded: number(header, told.start + 1, 4)))
    var fields = Fields(header, from: told.start + tlsFixedBytes, to: told.end)
    while let field = try fields.next() {
      switch field.type {
      case tlsVersion: try take(field.value, into: &found.version)
      case tlsCommonName: try take(field.value, into: &found.commonName)
      case tlsCipher: try take(field.value, into: &found.cipher)
      default: break
      }
    }
    return found.client.contains(.tls) ? found : nil
  }

  /// Big-endian.
  static func number(_ view: ByteView, _ offset: Int, _ bytes: Int) -> UInt64 {
    var value: UInt64 = 0
    for position in offset..<offset + bytes { value = value << 8 | UInt64(view[position]) }
    return value
  }
}

/// Fields one after another; the last one ends where they all do.
private struct Fields {
  private let header: ByteView
  private var position: Int
  private let end: Int

  init(_ header: ByteView, from start: Int, to end: Int) {
    self.header = header
    position = start
    self.end = end
  }

  /// The next one; nil: there are no more.
  mutating func next() throws(ProxyHeaderError) -> (type: UInt8, value: ByteRange)? {
    guard position < end else { return nil }
    guard position + 3 <= end else { throw .badField }
    let value = ByteRange(
      position + 3, position + 3 + Int(ProxyHeaderFields.number(header, position + 1, 2)))
    guard value.end <= end else { throw .badField }
    defer { position = value.end }
    return (header[position], value)
  }
}
