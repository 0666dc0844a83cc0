/// Whether a text is a name (rule B7): `[A-Za-z0-9][A-Za-z0-9_-]{0,63}`.
public func isName(_ text: String) -> Bool {
  let bytes = text.utf8
  guard let first = bytes.first, bytes.count <= 64 else { return false }
  return isAlphanumeric(first) && bytes.allSatisfy { isAlphanumeric($0) || $0 == 0x2D || $0 == 0x5F }
}

/// Whether a text is a token (RFC 9110 section 5.6.2), as cookie names are (RFC 6265 section 4.1.1).
public func isToken(_ text: String) -> Bool {
  !text.isEmpty && text.utf8.allSatisfy { isAlphanumeric($0) || "!#$%&'*+-.^_`|~".utf8.contains($0) }
}

/// Whether a text can be a cookie value that names a server or site: the octets of RFC 6265 section 4.1.1 without those
/// our own forms use, `~` (prefix) and `|` (dates).
public func isCookieValue(_ text: String) -> Bool {
  let excluded = "\",;\\~|".utf8
  return !text.isEmpty && text.utf8.count <= 64
    && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !excluded.contains($0) }
}

/// Whether a text is a host name (RFC 1123 section 2.1): labels of letters, digits and hyphens, 253 bytes at most.
/// A last label of digits only makes it an IPv4 address or nothing. Underscores are allowed, since container networks use them.
public func isHostName(_ text: String) -> Bool {
  guard !text.isEmpty, text.utf8.count <= 253 else { return false }
  let labels = text.utf8.split(separator: 0x2E, omittingEmptySubsequences: false)
  for label in labels {
    guard let first = label.first, let last = label.last, label.count <= 63, first != 0x2D, last != 0x2D,
      label.allSatisfy({ isAlphanumeric($0) || $0 == 0x2D || $0 == 0x5F })
    else { return false }
  }
  return !(labels.last?.allSatisfy(isDigit) ?? true)
}

/// Whether a text can stand in an application's `hosts`: a host name, an IPv4 address, an IPv6 address in brackets, or
/// `*.` and a host name.
public func isHostPattern(_ text: String) -> Bool {
  if text.hasPrefix("*.") { return isHostName(String(text.dropFirst(2))) }
  if text.hasPrefix("["), text.hasSuffix("]") { return parseIPv6(String(text.dropFirst().dropLast())) != nil }
  return isHostName(text) || parseIPv4(text) != nil
}

func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

func isAlphanumeric(_ byte: UInt8) -> Bool {
  isDigit(byte) || (byte >= 0x41 && byte <= 0x5A) || (byte >= 0x61 && byte <= 0x7A)
}
