internal import Topology

/// Pieces of HAProxy's configuration language.
enum HAProxyText {
  /// HAProxy's timers hold no more: 2^31 - 1 ms.
  static let millisecondsMax = 2_147_483_647

  /// A time: whole milliseconds, at least one.
  static func time(_ duration: Duration) -> String { "\(milliseconds(duration))ms" }

  static func milliseconds(_ duration: Duration) -> Int {
    let exact = duration.inMilliseconds.rounded(.up)
    return max(1, exact >= Double(millisecondsMax) ? millisecondsMax : Int(exact))
  }

  /// Whole seconds, at least one: cookies' limits.
  static func seconds(_ duration: Duration) -> Int { max(1, Int((duration.inMilliseconds / 1000).rounded(.up))) }

  /// An address to listen on or to connect to.
  static func address(_ address: Address) -> String {
    switch address {
    case .ipv4(0, let port): "0.0.0.0:\(port)"
    case .ipv6(0, 0, let port): "[::]:\(port) v6only"
    case .unix(let path): word(path.hasPrefix("@") ? "abns@\(path.dropFirst())" : "unix@\(path)")
    case .ipv4, .ipv6, .host: address.serviceText
    }
  }

  /// Where a check connects, as options of a server.
  static func checkTarget(_ check: CheckPlan, of server: ServerPlan) -> String {
    if check.address == server.address { return "" }
    switch check.address {
    case .unix: return " addr \(address(check.address))"
    case .ipv4, .ipv6, .host:
      let isSameHost = check.address.hostText == server.address.hostText
      let host = isSameHost ? "" : " addr \(bareHost(check.address))"
      return host + " port \(check.address.port ?? 0)"
    }
  }

  /// A host without brackets.
  static func bareHost(_ address: Address) -> String {
    let text = address.hostText
    return text.hasPrefix("[") ? String(text.dropFirst().dropLast()) : text
  }

  /// A word as it is, or in double quotes if anything in it could be special: `#` would cut the line, a space the word.
  static func word(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: "_-.:/@".utf8.contains(byte)
      }
    }
    return isPlain && !text.isEmpty ? text : quoted(text)
  }

  /// A word in double quotes, in which nothing is special any more.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for character in text {
      if "\"\\$".contains(character) { result.append("\\") }
      result.append(character)
    }
    return result + "\""
  }

  /// A word for a place where HAProxy reads a format: `%` is doubled.
  static func format(_ text: String) -> String {
    var result = ""
    for character in text { result += character == "%" ? "%%" : String(character) }
    return quoted(result)
  }

  /// Words of an access list.
  static func networks(_ networks: [Network]) -> String { networks.map(\.description).joined(separator: " ") }

  /// Methods that may be repeated after they were sent (RFC 9110 section 9.2.2).
  static let idempotentMethods = "GET HEAD OPTIONS TRACE PUT DELETE"
}

/// Lines of a configuration, and remarks on what cannot be said in it.
struct HAProxyLines {
  private(set) var lines: [String] = []

  /// A section begins.
  mutating func section(_ text: String) {
    if !lines.isEmpty { lines.append("") }
    lines.append(text)
  }

  mutating func add(_ text: String) { lines.append("  " + text) }

  /// What HAProxy does otherwise, above the lines it is about.
  mutating func difference(_ text: String) { lines.append("  # Difference: " + text) }
}
