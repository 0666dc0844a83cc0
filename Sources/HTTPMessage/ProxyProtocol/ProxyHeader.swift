/// Why a PROXY protocol header was refused.
public enum ProxyHeaderError: UInt8, Error, Sendable, CaseIterable {
  /// It begins neither as version 1 nor as version 2.
  case noSignature
  /// Version 1: no end of the line within 107 bytes, or a line feed or carriage return alone.
  case badLine
  /// Version 1: the line is not as it is written in section 2.1.
  case badText
  /// Version 2: another version than 2, or an unknown command.
  case badCommand
  /// Version 2: an unknown address family or transport.
  case badFamily
  /// Version 2: longer than is accepted.
  case tooLong
  /// Version 2: the addresses do not fit into the length.
  case tooShort
  /// Version 2: what follows the addresses is not made of whole fields, or one of them is longer or shorter than it can be, or stands
  /// there twice.
  case badField
  /// Version 2: the checksum is another one.
  case badChecksum
}

/// What a PROXY protocol header told.
public struct ProxyHeader: Equatable, Sendable {
  /// Where the proxied connection came from. Nil: the connection is the proxy's own (LOCAL), or of a family without IP
  /// addresses; the connection's own peer stands.
  public var source: AddressBits?
  /// The port at the source; 0 without one.
  public var sourcePort: UInt16
  /// Bytes of the header; the connection's data follow.
  public var length: Int
  /// The TLS that the client spoke with the proxy. Nil: it spoke none, or nothing is told; so is it always of version 1, and of a
  /// connection that is the proxy's own.
  public var tls: ProxyTLS?
}

/// What came of looking for a header.
public enum ProxyHeaderResult: Equatable, Sendable {
  /// It is there.
  case complete(ProxyHeader)
  /// So far it could become one.
  case needMore
  /// It cannot become one.
  case invalid(ProxyHeaderError)
}

/// Looks for a header of the PROXY protocol at the start of a connection's bytes, version 1 or 2 by its first bytes
/// (The PROXY protocol, versions 1 & 2, sections 2.1 and 2.2). Nothing is kept between calls.
public func parseProxyHeader(_ view: ByteView) -> ProxyHeaderResult {
  guard view.count > 0 else { return .needMore }
  if view[0] == 0x50 { return ProxyHeaderText.parse(view) }
  return ProxyHeaderBinary.parse(view)
}

/// Whether the view is, as far as both go, the same as the text.
func agrees(_ view: ByteView, with text: ByteView) -> Bool {
  for position in 0..<min(view.count, text.count) where view[position] != text[position] { return false }
  return true
}
