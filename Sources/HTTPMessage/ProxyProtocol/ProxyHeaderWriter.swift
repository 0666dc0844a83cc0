/// Where a connection came from and went to.
public struct ProxyRoute: Equatable, Sendable {
  /// The client.
  public var source: AddressBits
  /// The client's port.
  public var sourcePort: UInt16
  /// The address it connected to.
  public var destination: AddressBits
  /// The port it connected to.
  public var destinationPort: UInt16

  /// From one end to the other.
  public init(source: AddressBits, sourcePort: UInt16, destination: AddressBits, destinationPort: UInt16) {
    self.source = source
    self.sourcePort = sourcePort
    self.destination = destination
    self.destinationPort = destinationPort
  }

  /// Both ends are IPv4; an IPv4 end beside an IPv6 one is written in the mapped form.
  var isIPv4: Bool { source.isIPv4 && destination.isIPv4 }
}

extension ByteWriter {
  /// Writes a header of version 1, a line of text (section 2.1); nil: `UNKNOWN`.
  public mutating func append(proxyLine route: ProxyRoute?) {
    guard let route else { return append("PROXY UNKNOWN\r\n") }
    if route.isIPv4 { append("PROXY TCP4 ") } else { append("PROXY TCP6 ") }
    for address in [route.source, route.destination] {
      if route.isIPv4 { append(dotted: UInt32(truncatingIfNeeded: address.low)) } else { append(groups: address) }
      append(byte: 0x20)
    }
    append(decimal: UInt64(route.sourcePort))
    append(byte: 0x20)
    append(decimal: UInt64(route.destinationPort))
    append("\r\n")
  }

  private mutating func append(groups address: AddressBits) {
    for position in 0..<8 {
      let half = position < 4 ? address.high : address.low
      append(hexadecimal: half >> UInt64(48 - position % 4 * 16) & 0xFFFF)
      if position < 7 { append(byte: 0x3A) }
    }
  }

  /// Writes a header of version 2 (section 2.2).
  ///
  /// - Parameter route: nil: the connection is the proxy's own (LOCAL), such as a check's; then nothing else is told.
  /// - Parameter tls: what the client spoke; nil: no TLS.
  /// - Parameter fields: the same as fields that `append(proxyFields:)` wrote before.
  /// - Parameter checksum: a CRC32c of the header is added.
  public mutating func append(
    proxyHeader route: ProxyRoute?, tls: ProxyTLSFields? = nil, fields: ByteView? = nil, checksum: Bool = false
  ) {
    let start = position
    append("\r\n\r\n\0\r\nQUIT\n")
    guard let route else {
      append(bytes: 0x20, 0x00, 0, 0)
      return
    }
    append(bytes: 0x21, route.isIPv4 ? 0x11 : 0x21)
    let lengthAt = position
    append(short: 0)
    if route.isIPv4 {
      append(bigEndian: route.source.low, bytes: 4)
      append(bigEndian: route.destination.low, bytes: 4)
    } else {
      for address in [route.source, route.destination] {
        append(bigEndian: address.high, bytes: 8)
        append(bigEndian: address.low, bytes: 8)
      }
    }
    append(short: Int(route.sourcePort))
    append(short: Int(route.destinationPort))
    if let tls { append(proxyFields: tls) }
    if let fields { append(fields) }
    if checksum {
      append(bytes: ProxyHeaderFields.checksum, 0, 4)
      append(bigEndian: 0, bytes: 4)
    }
    guard !hasOverflowed else { return }
    patch(short: position - lengthAt - 2, at: lengthAt)
    guard checksum else { return }
    let sum = ProxyHeaderBinary.checksum(written.slice(start, position), zeroFrom: position - start - 4)
    patch(short: Int(sum >> 16), at: position - 4)
    patch(short: Int(sum & 0xFFFF), at: position - 2)
  }

  /// Writes the fields of a header that tell of TLS (sections 2.2.1, 2.2.2 and 2.2.6), `ProxyTLSFields.bytesMax` bytes at most.
  public mutating func append(proxyFields tls: ProxyTLSFields) {
    append(field: ProxyHeaderFields.applicationProtocol, tls.applicationProtocol)
    append(field: ProxyHeaderFields.authority, tls.serverName)
    append(byte: ProxyHeaderFields.tls)
    let lengthAt = position
    append(short: 0)
    append(byte: tls.client.rawValue)
    append(bigEndian: UInt64(tls.verification), bytes: 4)
    append(field: ProxyHeaderFields.tlsVersion, tls.version)
    append(field: ProxyHeaderFields.tlsCommonName, tls.commonName)
    append(field: ProxyHeaderFields.tlsCipher, tls.cipher)
    if !hasOverflowed { patch(short: position - lengthAt - 2, at: lengthAt) }
  }

  /// Type, length and value; nothing without a value, or with one that is too long.
  private mutating func append(field type: UInt8, _ value: ByteView?) {
    guard let value, value.count > 0, value.count <= ProxyTLSFields.valueBytesMax else { return }
    append(byte: type)
    append(short: value.count)
    append(value)
  }

  private mutating func append(bigEndian number: UInt64, bytes: Int) {
    for position in 0..<bytes { append(byte: UInt8(truncatingIfNeeded: number >> UInt64((bytes - 1 - position) * 8))) }
  }

  private func patch(short number: Int, at offset: Int) {
    precondition(offset >= 0 && offset + 2 <= position)
    base.storeBytes(of: UInt8(truncatingIfNeeded: number >> 8), toByteOffset: offset, as: UInt8.self)
    base.storeBytes(of: UInt8(truncatingIfNeeded: number), toByteOffset: offset + 1, as: UInt8.self)
  }
}
