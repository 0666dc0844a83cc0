/// Version 2: a signature, command, family, length, addresses and fields (section 2.2).
enum ProxyHeaderBinary {
  private static let fixedBytes = 16
  /// The longest header taken. Addresses need 232 bytes at most, the rest is fields.
  static let bytesMax = 4_096

  static func parse(_ view: ByteView) -> ProxyHeaderResult {
    let signature = ByteView("\r\n\r\n\0\r\nQUIT\n")
    guard agrees(view, with: signature) else { return .invalid(.noSignature) }
    if view.count > 12, view[12] != 0x20, view[12] != 0x21 { return .invalid(.badCommand) }
    let isLocal = view.count > 12 && view[12] == 0x20
    // Of the proxy's own connection everything behind the command is passed over, the family too (section 2.2).
    if view.count > 13, !isLocal, view[13] >> 4 > 3 || view[13] & 0xF > 2 { return .invalid(.badFamily) }
    guard view.count >= fixedBytes else { return .needMore }
    let length = fixedBytes + Int(view[14]) << 8 + Int(view[15])
    guard length <= bytesMax else { return .invalid(.tooLong) }
    let addresses = isLocal ? 0 : addressBytes(family: view[13] >> 4, transport: view[13] & 0xF)
    guard length - fixedBytes >= addresses else { return .invalid(.tooShort) }
    guard view.count >= length else { return .needMore }
    let header = view.slice(0, length)
    // Of the proxy's own connection, and of one of no known family, the rest is passed over.
    var found = ProxyHeader(source: nil, sourcePort: 0, length: length)
    if isLocal || addresses == 0 { return .complete(found) }
    do { found.tls = try ProxyHeaderFields.read(header, from: fixedBytes + addresses) } catch { return .invalid(error) }
    // Connections of datagrams and of Unix sockets have no address that could stand for this one's peer.
    guard view[13] & 0xF == 1 else { return .complete(found) }
    switch view[13] >> 4 {
    case 1:
      found.source = AddressBits(high: 0, low: 0xFFFF << 32 | ProxyHeaderFields.number(header, 16, 4))
      found.sourcePort = UInt16(ProxyHeaderFields.number(header, 24, 2))
    case 2:
      found.source = AddressBits(
        high: ProxyHeaderFields.number(header, 16, 8), low: ProxyHeaderFields.number(header, 24, 8))
      found.sourcePort = UInt16(ProxyHeaderFields.number(header, 48, 2))
    default: break
    }
    return .complete(found)
  }

  /// Bytes of both addresses; 0 where family or transport are unspecified.
  private static func addressBytes(family: UInt8, transport: UInt8) -> Int {
    guard transport > 0 else { return 0 }
    return switch family {
    case 1: 12
    case 2: 36
    case 3: 216
    default: 0
    }
  }

  /// CRC32c (Castagnoli, reflected) of the header with the four bytes of the checksum itself as zero.
  static func checksum(_ header: ByteView, zeroFrom hole: Int) -> UInt32 {
    var remainder: UInt32 = ~0
    for position in 0..<header.count {
      remainder ^= position >= hole && position < hole + 4 ? 0 : UInt32(header[position])
      for _ in 0..<8 { remainder = remainder >> 1 ^ (remainder & 1 == 1 ? 0x82F6_3B78 : 0) }
    }
    return ~remainder
  }
}
