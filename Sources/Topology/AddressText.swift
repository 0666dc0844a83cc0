extension Address {
  /// Reads `127.0.0.1:80`, `[::1]:80`, `unix:/path`, `unix:@abstract` or `host.example:80`.
  public init(parsing text: String) throws(TextError) {
    let example = "write it as \"127.0.0.1:8080\", \"[::1]:8080\", \"unix:/path\" or \"host:8080\""
    if text.hasPrefix("unix:") {
      self = try Self.parseUnix(String(text.dropFirst(5)))
      return
    }
    if text.hasPrefix("/") { throw TextError("\"\(text)\" is not an address", mend: "write \"unix:\(text)\"") }
    guard let colon = text.utf8.lastIndex(of: 0x3A), !text.hasSuffix("]") else {
      if !text.isEmpty, text.utf8.allSatisfy(isDigit) {
        throw TextError(
          "\"\(text)\" is a port without a host",
          mend: "write \"127.0.0.1:\(text)\", or \"0.0.0.0:\(text)\" for every interface")
      }
      if isHostName(text) || parseIPv4(text) != nil || (text.hasPrefix("[") && text.hasSuffix("]")) {
        throw TextError("address \"\(text)\" has no port", mend: "write \"\(text):8080\"")
      }
      throw TextError("\"\(text)\" is not an address", mend: example)
    }
    let host = String(text[..<colon])
    let portText = String(text[text.index(after: colon)...])
    if !host.hasPrefix("["), host.utf8.contains(0x3A) {
      if parseIPv6(text) != nil {
        throw TextError("address \"\(text)\" has no port", mend: "write \"[\(text)]:8080\"")
      }
      throw TextError("\"\(text)\" is not an address", mend: "an IPv6 address stands in brackets, as in \"[::1]:8080\"")
    }
    guard let port = parsePort(portText) else {
      throw TextError("\"\(portText)\" is not a port", mend: "ports are 1 to 65535")
    }
    if host.isEmpty || host == "*" {
      throw TextError(
        "address \"\(text)\" has no host", mend: "write \"0.0.0.0:\(port)\" for every interface, or \"[::]:\(port)\"")
    }
    self = try Self(parsingHost: host, port: port)
  }

  /// Reads the host part of an address: `127.0.0.1`, `::1` (brackets allowed) or a host name.
  public init(parsingHost host: String, port: UInt16) throws(TextError) {
    var inner = host
    if host.hasPrefix("["), host.hasSuffix("]") { inner = String(host.dropFirst().dropLast()) }
    if let bits = parseIPv4(host) {
      self = .ipv4(bits, port: port)
    } else if inner.utf8.contains(0x3A), let halves = parseIPv6(inner) {
      self = .ipv6(high: halves.high, low: halves.low, port: port)
    } else if isHostName(host) {
      self = .host(name: host.lowercased(), port: port)
    } else if !host.isEmpty, host.utf8.allSatisfy({ isDigit($0) || $0 == 0x2E }) {
      throw TextError(
        "\"\(host)\" is not an IPv4 address", mend: "write four numbers of 0 to 255 without leading zeros")
    } else {
      throw TextError("\"\(host)\" is not an IP address or host name")
    }
  }

  private static func parseUnix(_ path: String) throws(TextError) -> Address {
    guard path.hasPrefix("/") || (path.hasPrefix("@") && path.utf8.count > 1) else {
      throw TextError(
        "Unix socket path \"\(path)\" is not absolute",
        mend: "write \"unix:/run/name.sock\", or \"unix:@name\" for an abstract one")
    }
    // sun_path holds 108 bytes, the terminating zero included (unix(7)).
    guard path.utf8.count <= 107 else { throw TextError("Unix socket path is longer than 107 bytes") }
    // Paths become part of other programs' configurations, where a line end would begin a line of its own.
    guard !path.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
      throw TextError("Unix socket path contains a control character")
    }
    return .unix(path: path)
  }

  /// The port; nil for a Unix socket.
  public var port: UInt16? {
    switch self {
    case .ipv4(_, let port), .ipv6(_, _, let port), .host(_, let port): port
    case .unix: nil
    }
  }

  /// The same host at another port; a Unix socket stays as it is.
  public func with(port: UInt16) -> Address {
    switch self {
    case .ipv4(let bits, _): .ipv4(bits, port: port)
    case .ipv6(let high, let low, _): .ipv6(high: high, low: low, port: port)
    case .host(let name, _): .host(name: name, port: port)
    case .unix: self
    }
  }

  /// Every interface: `0.0.0.0` or `::`; nothing can connect to it from elsewhere.
  public var isWildcard: Bool {
    switch self {
    case .ipv4(0, _), .ipv6(0, 0, _): true
    default: false
    }
  }

  /// Every interface, of the kind of another address: `[::]` takes no IPv4 here.
  func isWildcard(for other: Address) -> Bool {
    switch (self, other) {
    case (.ipv4(0, _), .ipv4), (.ipv6(0, 0, _), .ipv6): true
    default: false
    }
  }

  /// An address of the machine itself: 127.0.0.0/8, ::1, `localhost`, a Unix socket.
  public var isLoopback: Bool {
    switch self {
    case .ipv4(let bits, _): bits >> 24 == 127
    case .ipv6(let high, let low, _): high == 0 && low == 1
    case .host(let name, _): name == "localhost"
    case .unix: true
    }
  }

  /// The host without the port: `127.0.0.1`, `[::1]`, a host name, `unix:/path`.
  public var hostText: String {
    switch self {
    case .ipv4(let bits, _): formatIPv4(bits)
    case .ipv6(let high, let low, _): "[\(formatIPv6(high: high, low: low))]"
    case .host(let name, _): name
    case .unix(let path): "unix:\(path)"
    }
  }
}

extension Address: CustomStringConvertible {
  /// The address as the topology language writes it.
  public var description: String {
    guard let port else { return hostText }
    return "\(hostText):\(port)"
  }
}

/// A port, 1 to 65535, in decimal digits without sign or leading zeros.
func parsePort(_ text: String) -> UInt16? {
  guard !text.isEmpty, text.utf8.count <= 5, text.utf8.allSatisfy(isDigit), !text.hasPrefix("0") else { return nil }
  return UInt16(text)
}

/// Four decimal octets without leading zeros, so that no reader takes one for octal.
func parseIPv4(_ text: String) -> UInt32? {
  let parts = text.utf8.split(separator: 0x2E, omittingEmptySubsequences: false)
  guard parts.count == 4 else { return nil }
  var bits: UInt32 = 0
  for part in parts {
    guard !part.isEmpty, part.count <= 3, part.allSatisfy(isDigit), part.count == 1 || part.first != 0x30 else {
      return nil
    }
    var octet: UInt32 = 0
    for digit in part { octet = octet * 10 + UInt32(digit - 0x30) }
    guard octet <= 255 else { return nil }
    bits = bits << 8 | octet
  }
  return bits
}

/// An IPv6 address (RFC 4291 section 2.2), without zone.
func parseIPv6(_ text: String) -> (high: UInt64, low: UInt64)? {
  let sides = splitAtDoubleColon(Array(text.utf8))
  guard let sides, let head = parseGroups(sides.head, mayEndInIPv4: sides.tail == nil) else { return nil }
  var groups = head
  if let tailBytes = sides.tail {
    guard let tail = parseGroups(tailBytes, mayEndInIPv4: true), head.count + tail.count <= 7 else { return nil }
    groups += [UInt16](repeating: 0, count: 8 - head.count - tail.count) + tail
  }
  guard groups.count == 8 else { return nil }
  var high: UInt64 = 0
  var low: UInt64 = 0
  for group in groups[..<4] { high = high << 16 | UInt64(group) }
  for group in groups[4...] { low = low << 16 | UInt64(group) }
  return (high, low)
}

/// The parts before and after `::`; no tail without one. Nil when `::` stands twice.
private func splitAtDoubleColon(_ bytes: [UInt8]) -> (head: ArraySlice<UInt8>, tail: ArraySlice<UInt8>?)? {
  var found: Int?
  for index in bytes.indices.dropLast() where bytes[index] == 0x3A && bytes[index + 1] == 0x3A {
    if found != nil { return nil }
    found = index
  }
  guard let found else { return (bytes[...], nil) }
  return (bytes[..<found], bytes[(found + 2)...])
}

private func parseGroups(_ bytes: ArraySlice<UInt8>, mayEndInIPv4: Bool) -> [UInt16]? {
  if bytes.isEmpty { return [] }
  let parts = bytes.split(separator: 0x3A, omittingEmptySubsequences: false)
  var groups: [UInt16] = []
  for (index, part) in parts.enumerated() {
    if index == parts.count - 1, mayEndInIPv4, part.contains(0x2E) {
      guard let bits = parseIPv4(String(decoding: part, as: UTF8.self)) else { return nil }
      groups += [UInt16(bits >> 16), UInt16(truncatingIfNeeded: bits)]
    } else {
      guard !part.isEmpty, part.count <= 4, part.allSatisfy(isHexDigit),
        let group = UInt16(String(decoding: part, as: UTF8.self), radix: 16)
      else { return nil }
      groups.append(group)
    }
  }
  return groups
}

private func isHexDigit(_ byte: UInt8) -> Bool {
  isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)
}

func formatIPv4(_ bits: UInt32) -> String {
  "\(bits >> 24).\(bits >> 16 & 255).\(bits >> 8 & 255).\(bits & 255)"
}

/// The text form of RFC 5952: lower case, the longest run of two or more zero groups as `::`.
func formatIPv6(high: UInt64, low: UInt64) -> String {
  let groups = (0..<8).map { index -> UInt16 in
    let half = index < 4 ? high : low
    return UInt16(truncatingIfNeeded: half >> UInt64(48 - 16 * (index % 4)))
  }
  var best = 0..<0
  var start = 0
  while start < 8 {
    var end = start
    while end < 8, groups[end] == 0 { end += 1 }
    if end - start >= 2, end - start > best.count { best = start..<end }
    start = max(end, start + 1)
  }
  func text(_ range: Range<Int>) -> String { groups[range].map { String($0, radix: 16) }.joined(separator: ":") }
  if best.isEmpty { return text(0..<8) }
  return text(0..<best.lowerBound) + "::" + text(best.upperBound..<8)
}
