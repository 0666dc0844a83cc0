/// An IP address in 128-bit form, IPv4 as ::ffff:a.b.c.d, two big-endian halves.
public struct AddressBits: Equatable, Sendable {
  /// The high half.
  public let high: UInt64
  /// The low half.
  public let low: UInt64

  /// By its halves.
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Reads a member of X-Forwarded-For: `192.0.2.1`, `2001:db8::1` or `[2001:db8::1]`, the first and last also with a port.
  /// Nil for anything else: names, `unknown`, zones, numbers out of range.
  public init?(forwarded text: ByteView) {
    if text.count > 0 && text[0] == 0x5B {
      guard let end = text.firstIndex(of: 0x5D), end + 1 == text.count || Self.isPort(text.slice(end + 1, text.count))
      else { return nil }
      self.init(ipv6: text.slice(1, end))
      return
    }
    guard let colon = text.firstIndex(of: 0x3A) else {
      self.init(ipv4: text)
      return
    }
    if text.slice(colon + 1, text.count).firstIndex(of: 0x3A) != nil {
      self.init(ipv6: text)
    } else if Self.isPort(text.slice(colon, text.count)) {
      self.init(ipv4: text.slice(0, colon))
    } else {
      return nil
    }
  }

  /// Reads four decimal numbers with dots; nothing else.
  init?(ipv4 text: ByteView) {
    guard let bits = Self.parseIPv4(text) else { return nil }
    self.init(high: 0, low: 0xFFFF << 32 | UInt64(bits))
  }

  /// Colon and digits.
  private static func isPort(_ text: ByteView) -> Bool {
    guard text.count >= 2, text.count <= 6, text[0] == 0x3A else { return false }
    for position in 1..<text.count where !(0x30...0x39).contains(text[position]) { return false }
    return true
  }

  private static func parseIPv4(_ text: ByteView) -> UInt32? {
    var bits: UInt32 = 0
    var octets = 0
    var value: UInt32 = 0
    var digits = 0
    for position in 0...text.count {
      if position < text.count, (0x30...0x39).contains(text[position]) {
        // A leading zero would mean octal to some.
        if digits > 0 && value == 0 { return nil }
        value = value * 10 + UInt32(text[position] - 0x30)
        digits += 1
        if value > 255 { return nil }
        continue
      }
      guard digits > 0, octets < 4, position == text.count || text[position] == 0x2E else { return nil }
      bits = bits << 8 | value
      octets += 1
      value = 0
      digits = 0
    }
    return octets == 4 ? bits : nil
  }

  /// Reads the text form of RFC 4291 section 2.2, without brackets and zone.
  init?(ipv6 text: ByteView) {
    // Groups before and behind the gap.
    var groups: (high: UInt64, low: UInt64) = (0, 0)
    var count = 0
    var gap: Int?
    var position = 0
    func shifted(_ bits: (high: UInt64, low: UInt64), by groups: Int) -> (high: UInt64, low: UInt64) {
      var bits = bits
      for _ in 0..<groups { bits = (bits.high << 16 | bits.low >> 48, bits.low << 16) }
      return bits
    }
    if text.count >= 2 && text[0] == 0x3A && text[1] == 0x3A {
      gap = 0
      position = 2
    }
    while position < text.count {
      let rest = text.slice(position, text.count)
      let end = rest.firstIndex(of: 0x3A) ?? rest.count
      let group = rest.slice(0, end)
      if end == rest.count, group.firstIndex(of: 0x2E) != nil {
        guard let dotted = Self.parseIPv4(group) else { return nil }
        groups = shifted(groups, by: 2)
        groups.low |= UInt64(dotted)
        count += 2
        position = text.count
        break
      }
      guard let value = Self.parseGroup(group) else { return nil }
      groups = shifted(groups, by: 1)
      groups.low |= value
      count += 1
      if count > 8 { return nil }
      position += end
      guard position < text.count else { break }
      position += 1
      if position == text.count { return nil }
      if text[position] == 0x3A {
        guard gap == nil else { return nil }
        gap = count
        position += 1
      }
    }
    guard let gap else {
      guard count == 8 else { return nil }
      self.init(high: groups.high, low: groups.low)
      return
    }
    guard count < 8 else { return nil }
    // What stands behind the gap stays, what stands before it moves to the front.
    let behind = count - gap
    var front: (high: UInt64, low: UInt64) = groups
    for _ in 0..<behind { front = (front.high >> 16, front.low >> 16 | front.high << 48) }
    front = shifted(front, by: 8 - gap)
    var mask: (high: UInt64, low: UInt64) = (0, 0)
    for _ in 0..<behind { mask = (mask.high << 16 | mask.low >> 48, mask.low << 16 | 0xFFFF) }
    self.init(high: front.high | groups.high & mask.high, low: front.low | groups.low & mask.low)
  }

  private static func parseGroup(_ text: ByteView) -> UInt64? {
    guard text.count >= 1, text.count <= 4 else { return nil }
    var value: UInt64 = 0
    for position in 0..<text.count {
      let byte = text[position]
      switch byte {
      case 0x30...0x39: value = value << 4 | UInt64(byte - 0x30)
      case 0x41...0x46: value = value << 4 | UInt64(byte - 0x37)
      case 0x61...0x66: value = value << 4 | UInt64(byte - 0x57)
      default: return nil
      }
    }
    return value
  }
}

/// The members of an X-Forwarded-For value from the last, which the nearest proxy wrote, to the first.
public struct ForwardedForScanner {
  private let value: ByteView
  private var end: Int

  /// Members of a field value; empty ones are passed over.
  public init(_ value: ByteView) {
    self.value = value
    end = value.count
  }

  /// The next member, without white space around it; nil: there are no more.
  public mutating func next() -> ByteView? {
    while end > 0 {
      var start = end
      while start > 0 && value[start - 1] != 0x2C { start -= 1 }
      var first = start
      var last = end
      end = max(0, start - 1)
      while first < last && Self.isSpace(value[first]) { first += 1 }
      while last > first && Self.isSpace(value[last - 1]) { last -= 1 }
      if first < last { return value.slice(first, last) }
    }
    return nil
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
