/// The nodes that a Forwarded value names with `for=`, from the last, which the nearest proxy wrote, to the first (RFC 7239).
///
/// The value is taken apart strictly: a client that leaves a quote open before a proxy adds its element makes the whole
/// unreadable, and cannot choose what is read.
public struct ForwardedNodes {
  /// One element of the list.
  public enum Node: Equatable, Sendable {
    /// An address, whatever its port.
    case address(AddressBits)
    /// `unknown`, an obfuscated identifier, or no `for` at all: not to be known, and nothing before it counts.
    case hidden
    /// The value is not as section 4 has it.
    case malformed
  }

  /// Elements looked at; a longer way is nobody's, and reading it would cost the square of its length.
  public static let elementsMax = 32

  private let value: ByteView
  private var end: Int
  private var left = Self.elementsMax

  /// The elements of a field value.
  public init(_ value: ByteView) {
    self.value = value
    end = value.count
  }

  /// The next element; nil: there are no more. After `malformed` none follows.
  public mutating func next() -> Node? {
    while end > 0 && left > 0 {
      guard let start = startOfLast() else {
        end = 0
        return .malformed
      }
      let element = value.slice(start, end)
      end = max(0, start - 1)
      left -= 1
      // Empty elements of lists are passed over (RFC 9110 section 5.6.1).
      if trimmed(element).count == 0 { continue }
      let node = Self.node(of: element)
      if node == .malformed { end = 0 }
      return node
    }
    return nil
  }

  /// Where the last element before `end` starts; nil: a quote is left open.
  private func startOfLast() -> Int? {
    var start = 0
    var isQuoted = false
    var position = 0
    while position < end {
      let byte = value[position]
      if isQuoted {
        if byte == 0x5C { position += 1 }
        if byte == 0x22 { isQuoted = false }
      } else if byte == 0x22 {
        isQuoted = true
      } else if byte == 0x2C {
        start = position + 1
      }
      position += 1
    }
    return isQuoted ? nil : start
  }

  private static func node(of element: ByteView) -> Node {
    var found: Node = .hidden
    var hasFor = false
    var pairs = ForwardedPairs(element)
    while let pair = pairs.next() {
      guard pair.name.equalsIgnoringCase(ByteView("for")) else { continue }
      // A parameter stands once at most in an element.
      if hasFor { return .malformed }
      hasFor = true
      found = node(named: pair.value)
    }
    return pairs.isMalformed ? .malformed : found
  }

  private static func node(named name: ByteView) -> Node {
    var name = name
    // An obfuscated port tells nothing, and takes nothing from the address.
    var colon = name.count
    while colon > 0 && name[colon - 1] != 0x3A { colon -= 1 }
    if colon > 0 && colon < name.count && name[colon] == 0x5F { name = name.slice(0, colon - 1) }
    let isBracketed = name.count > 0 && name[0] == 0x5B
    guard let address = AddressBits(forwarded: name), isBracketed || address.isIPv4 else { return .hidden }
    return .address(address)
  }
}

extension AddressBits {
  /// IPv4, in its mapped form.
  var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }
}

/// `name=value` with `;` between.
private struct ForwardedPairs {
  private let element: ByteView
  private var position = 0
  private(set) var isMalformed = false

  init(_ element: ByteView) { self.element = trimmed(element) }

  mutating func next() -> (name: ByteView, value: ByteView)? {
    // Empty pairs are allowed by the grammar of section 4.
    while position < element.count && (element[position] == 0x3B || isSpace(element[position])) { position += 1 }
    guard position < element.count else { return nil }
    let start = position
    while position < element.count && isToken(element[position]) { position += 1 }
    let name = element.slice(start, position)
    guard name.count > 0, position < element.count, element[position] == 0x3D else { return fail() }
    position += 1
    var value = element.slice(position, position)
    if position < element.count && element[position] == 0x22 {
      let first = position + 1
      position = first
      while position < element.count && element[position] != 0x22 {
        position += element[position] == 0x5C ? 2 : 1
      }
      guard position < element.count else { return fail() }
      value = element.slice(first, position)
      position += 1
    } else {
      let first = position
      while position < element.count && isToken(element[position]) { position += 1 }
      guard position > first else { return fail() }
      value = element.slice(first, position)
    }
    while position < element.count && isSpace(element[position]) { position += 1 }
    guard position == element.count || element[position] == 0x3B else { return fail() }
    return (name, value)
  }

  private mutating func fail() -> (name: ByteView, value: ByteView)? {
    isMalformed = true
    return nil
  }
}

private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

/// RFC 9110 section 5.6.2.
private func isToken(_ byte: UInt8) -> Bool {
  switch byte {
  case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E...0x60, 0x7C, 0x7E: true
  default: false
  }
}

private func trimmed(_ view: ByteView) -> ByteView {
  var first = 0
  var last = view.count
  while first < last && isSpace(view[first]) { first += 1 }
  while last > first && isSpace(view[last - 1]) { last -= 1 }
  return view.slice(first, last)
}
