/// What a server answered to a ClientHello.
public enum HelloAnswer: Equatable, Sendable {
  /// A ServerHello: the server speaks TLS.
  case hello
  /// An alert, by its number (RFC 8446 section 6): it speaks TLS, but not with us.
  case alert(UInt8)
  /// So far it could become one of them.
  case needMore
  /// It does not speak TLS.
  case notTLS

  /// Alerts that are only warnings (RFC 6066 section 3: `unrecognized_name`) at most before the ServerHello.
  private static let warningsMax = 4

  /// What the first bytes of an answer are. Alerts that are only warnings are passed over: a ServerHello may follow.
  public init(_ view: ByteView) {
    var rest = view
    for _ in 0..<Self.warningsMax {
      guard rest.count >= 7, rest[0] == 21, rest[1] == 3, rest[3] == 0, rest[4] == 2, rest[5] == 1, rest[6] != 0 else {
        break
      }
      rest = rest.slice(7, rest.count)
    }
    self.init(record: rest)
  }

  private init(record view: ByteView) {
    guard view.count > 0 else {
      self = .needMore
      return
    }
    guard view[0] == 22 || view[0] == 21, view.count < 2 || view[1] == 3 else {
      self = .notTLS
      return
    }
    let isAlert = view[0] == 21
    guard view.count >= 5 else {
      self = .needMore
      return
    }
    let length = Int(view[3]) << 8 | Int(view[4])
    guard isAlert ? length == 2 : length >= 1 && length <= ClientHelloParser.recordMax else {
      self = .notTLS
      return
    }
    guard view.count >= (isAlert ? 7 : 6) else {
      self = .needMore
      return
    }
    if isAlert {
      self = .alert(view[6])
    } else {
      self = view[5] == 2 ? .hello : .notTLS
    }
  }
}

extension ByteWriter {
  /// Random bytes that a ClientHello needs: its random, then the session id of middlebox compatibility.
  public static let clientHelloRandomBytes = 64

  /// Writes a ClientHello for TLS 1.2 and 1.3 that asks a server for its ServerHello and no more: it offers no key, so that a
  /// server of TLS 1.3 answers with the ServerHello that asks for one (RFC 8446 section 4.1.4).
  ///
  /// - Parameter serverName: the host asked for; nil or an address: no name is sent (RFC 6066 section 3).
  /// - Parameter random: `clientHelloRandomBytes` bytes.
  public mutating func append(clientHelloFor serverName: ByteView?, random: ByteView) {
    precondition(random.count == Self.clientHelloRandomBytes)
    let name = serverName ?? ByteView("")
    let nameBytes = name.count > 0 ? 9 + name.count : 0
    let extensions = nameBytes + Self.fixedExtensions.count
    let body = 2 + 32 + 1 + 32 + Self.suites.count + 2 + 2 + extensions
    append(bytes: 22, 3, 1)
    append(short: body + 4)
    append(bytes: 1, 0)
    append(short: body)
    append(bytes: 3, 3)
    append(random.slice(0, 32))
    append(byte: 32)
    append(random.slice(32, 64))
    append(bytes: Self.suites)
    append(bytes: 1, 0)
    append(short: extensions)
    if name.count > 0 {
      append(short: 0)
      append(short: name.count + 5)
      append(short: name.count + 3)
      append(byte: 0)
      append(short: name.count)
      append(name)
    }
    append(bytes: Self.fixedExtensions)
  }

  /// With their length: those of TLS 1.3, then ECDHE with AES-GCM and ChaCha20.
  private static let suites: [UInt8] = [
    0, 18, 0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xC0, 0x2B, 0xC0, 0x2F, 0xC0, 0x2C, 0xC0, 0x30, 0xCC, 0xA9, 0xCC, 0xA8,
  ]

  /// supported_groups, ec_point_formats, signature_algorithms, extended_master_secret, renegotiation_info, ALPN `http/1.1`,
  /// supported_versions, key_share without a share.
  private static let fixedExtensions: [UInt8] =
    [0, 10, 0, 8, 0, 6, 0, 0x1D, 0, 0x17, 0, 0x18] + [0, 11, 0, 2, 1, 0]
    + [0, 13, 0, 18, 0, 16, 4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1] + [0, 23, 0, 0] + [0xFF, 1, 0, 1, 0]
    + [0, 16, 0, 11, 0, 9, 8] + Array("http/1.1".utf8) + [0, 43, 0, 5, 4, 3, 4, 3, 3] + [0, 51, 0, 2, 0, 0]

  mutating func append(bytes: UInt8...) { append(bytes: bytes) }

  mutating func append(bytes: [UInt8]) { for byte in bytes { append(byte: byte) } }

  /// Two bytes, big-endian.
  mutating func append(short number: Int) {
    append(byte: UInt8(truncatingIfNeeded: number >> 8))
    append(byte: UInt8(truncatingIfNeeded: number))
  }
}
