extension Network {
  /// Reads a range in CIDR form, `10.0.0.0/8` or `2001:db8::/32`; an address alone is a range of one.
  public init(parsing text: String) throws(TextError) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let bare = parts[0]
    var prefix: Int?
    if parts.count == 2 {
      guard !parts[1].isEmpty, parts[1].utf8.count <= 3, parts[1].utf8.allSatisfy(isDigit), let value = Int(parts[1])
      else { throw TextError("\"\(parts[1])\" is not a prefix length", mend: "write a network as \"10.0.0.0/8\"") }
      prefix = value
    }
    let width: Int
    if let bits = parseIPv4(bare) {
      width = 32
      (high, low) = (0, 0xFFFF_0000_0000 | UInt64(bits))
    } else if let halves = parseIPv6(bare) {
      width = 128
      (high, low) = (halves.high, halves.low)
    } else {
      throw TextError("\"\(text)\" is not a network", mend: "write it as \"10.0.0.0/8\" or \"2001:db8::/32\"")
    }
    guard (prefix ?? width) <= width else {
      throw TextError("prefix length \(prefix ?? 0) is longer than the address", mend: "at most /\(width)")
    }
    prefixLength = 128 - width + (prefix ?? width)
    guard self == masked else {
      throw TextError("network \"\(text)\" has bits set beyond its prefix", mend: "did you mean \"\(masked)\"?")
    }
  }

  /// Reads one IP address, without a port or a prefix length.
  public init(parsingAddress text: String) throws(TextError) {
    guard !text.contains("/"), let address = try? Network(parsing: text) else {
      throw TextError("\"\(text)\" is not an IPv4 or IPv6 address")
    }
    self = address
  }

  /// The range of one address; nil for a host name or a Unix socket.
  public init?(of address: Address) {
    switch address {
    case .ipv4(let bits, _): self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(bits), prefixLength: 128)
    case .ipv6(let high, let low, _): self.init(high: high, low: low, prefixLength: 128)
    case .host, .unix: return nil
    }
  }

  /// Whether it is a range of IPv4 addresses (::ffff:0:0/96 and below).
  public var isIPv4: Bool { prefixLength >= 96 && high == 0 && low >> 32 == 0xFFFF }

  /// Every address, or every IPv4 address.
  public var isEverybody: Bool { prefixLength == 0 || (isIPv4 && prefixLength == 96) }

  /// The range with all bits beyond the prefix cleared.
  public var masked: Network {
    let highMask: UInt64 = prefixLength >= 64 ? .max : prefixLength == 0 ? 0 : .max << UInt64(64 - prefixLength)
    let lowMask: UInt64 = prefixLength <= 64 ? 0 : prefixLength == 128 ? .max : .max << UInt64(128 - prefixLength)
    return Network(high: high & highMask, low: low & lowMask, prefixLength: prefixLength)
  }

  /// Whether an address, in the 128-bit form, is inside.
  public func contains(high otherHigh: UInt64, low otherLow: UInt64) -> Bool {
    let other = Network(high: otherHigh, low: otherLow, prefixLength: prefixLength).masked
    return other.high == masked.high && other.low == masked.low
  }
}

extension Network: CustomStringConvertible {
  /// CIDR form.
  public var description: String {
    if isIPv4 { return "\(formatIPv4(UInt32(truncatingIfNeeded: low)))/\(prefixLength - 96)" }
    return "\(formatIPv6(high: high, low: low))/\(prefixLength)"
  }
}
