/// Version 1: a line of text, `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443` (section 2.1).
enum ProxyHeaderText {
  /// The longest line with its end, by the specification.
  private static let lineMax = 107

  static func parse(_ view: ByteView) -> ProxyHeaderResult {
    let start = ByteView("PROXY ")
    guard agrees(view, with: start) else { return .invalid(.noSignature) }
    let known = min(view.count, lineMax)
    var end = 0
    while end < known && view[end] != 0x0D && view[end] != 0x0A { end += 1 }
    if end == known { return known == lineMax ? .invalid(.badLine) : .needMore }
    guard view[end] == 0x0D, end < lineMax - 1 else { return .invalid(.badLine) }
    guard end + 1 < view.count else { return .needMore }
    guard view[end + 1] == 0x0A else { return .invalid(.badLine) }
    // A line that ends within the signature is none.
    guard end > start.count else { return .invalid(.badText) }
    return parse(line: view.slice(start.count, end), length: end + 2)
  }

  private static func parse(line: ByteView, length: Int) -> ProxyHeaderResult {
    var words = Words(line)
    guard let family = words.next() else { return .invalid(.badText) }
    // What follows UNKNOWN is to be passed over, whatever it is.
    if family.equals(ByteView("UNKNOWN")) { return .complete(ProxyHeader(source: nil, sourcePort: 0, length: length)) }
    let isIPv6 = family.equals(ByteView("TCP6"))
    guard isIPv6 || family.equals(ByteView("TCP4")), let source = words.next(), let destination = words.next(),
      let sourcePort = words.next(), let destinationPort = words.next(), words.isAtEnd,
      let from = address(source, isIPv6: isIPv6), address(destination, isIPv6: isIPv6) != nil,
      let port = number(sourcePort), number(destinationPort) != nil
    else { return .invalid(.badText) }
    return .complete(ProxyHeader(source: from, sourcePort: port, length: length))
  }

  private static func address(_ text: ByteView, isIPv6: Bool) -> AddressBits? {
    isIPv6 ? AddressBits(ipv6: text) : AddressBits(ipv4: text)
  }

  /// 0 to 65535 without leading zeros.
  private static func number(_ text: ByteView) -> UInt16? {
    guard text.count >= 1, text.count <= 5, text.count == 1 || text[0] != 0x30 else { return nil }
    var value: UInt32 = 0
    for position in 0..<text.count {
      guard (0x30...0x39).contains(text[position]) else { return nil }
      value = value * 10 + UInt32(text[position] - 0x30)
    }
    return UInt16(exactly: value)
  }
}

/// Words with exactly one space between them.
private struct Words {
  private let line: ByteView
  private var position = 0
  private(set) var isAtEnd = false

  init(_ line: ByteView) { self.line = line }

  mutating func next() -> ByteView? {
    guard !isAtEnd else { return nil }
    var end = position
    while end < line.count && line[end] != 0x20 { end += 1 }
    let word = line.slice(position, end)
    isAtEnd = end == line.count
    position = min(end + 1, line.count)
    return word.count > 0 ? word : nil
  }
}
