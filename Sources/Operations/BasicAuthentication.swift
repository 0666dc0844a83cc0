/// One user and a password, asked for by HTTP's Basic authentication (RFC 7617).
public struct BasicAuthentication: Sendable {
  /// What a client has to send behind `Basic`.
  private let expected: [UInt8]

  /// A user, who has no colon in the name, and a password.
  public init(user: String, password: String) {
    expected = Array(Self.base64(Array("\(user):\(password)".utf8)))
  }

  /// The value of the field WWW-Authenticate.
  public static let challenge = "Basic realm=\"geodirector\", charset=\"UTF-8\""

  /// Whether the value of a field Authorization is the user's. How long that takes does not tell where it differs.
  public func accepts(_ value: [UInt8]) -> Bool {
    let scheme = Array("basic ".utf8)
    guard value.count > scheme.count, zip(value, scheme).allSatisfy({ ($0 | 0x20) == $1 }) else { return false }
    let given = value.dropFirst(scheme.count).drop { $0 == 0x20 }
    return Self.isEqual(Array(given), expected)
  }

  /// Compares in a time that goes by the length of `expected` alone.
  static func isEqual(_ given: [UInt8], _ expected: [UInt8]) -> Bool {
    var difference = given.count ^ expected.count
    for index in expected.indices {
      let byte = index < given.count ? given[index] : 0
      difference |= Int(byte ^ expected[index])
    }
    return difference == 0
  }

  /// RFC 4648 section 4.
  static func base64(_ bytes: [UInt8]) -> [UInt8] {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var result: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      for position in 0...3 {
        result.append(position <= group.count ? digits[bits >> (18 - 6 * position) & 63] : UInt8(ascii: "="))
      }
    }
    return result
  }
}
