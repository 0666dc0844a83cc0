internal import COpenSSL
public import HTTPMessage
internal import Synchronization

/// The keys that cookies are signed with, as a file has them: one a line, in hexadecimal, the first of which signs; lines that
/// begin with `#` and empty ones count for nothing.
///
/// To change keys without losing a session: add the new one as the last at every node, then make it the first, then remove the
/// old one when its cookies are gone.
public struct CookieSecrets: Sendable, Equatable {
  /// Bytes of a key at least.
  public static let keyBytesMin = 32
  /// Keys at most.
  public static let keysMax = 8

  let keys: [[UInt8]]

  /// Reads a file.
  public init(file path: String) throws(TLSError) {
    let text = String(decoding: try FileBytes.readSecret(path), as: UTF8.self)
    var keys: [[UInt8]] = []
    // Also as other systems end lines, where both bytes are one character.
    let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }
    for (number, line) in lines.enumerated() {
      let digits = line.filter { $0 != " " && $0 != "\t" }
      if digits.isEmpty || digits.hasPrefix("#") { continue }
      guard let key = Self.bytes(digits), key.count >= Self.keyBytesMin, keys.count < Self.keysMax else {
        throw .badCookieKeys(path: path, line: number + 1)
      }
      keys.append(key)
    }
    guard !keys.isEmpty else { throw .badCookieKeys(path: path, line: 1) }
    self.keys = keys
  }

  private static func bytes(_ digits: String) -> [UInt8]? {
    guard digits.utf8.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    var high: UInt8?
    for character in digits.utf8 {
      let digit: UInt8
      switch character {
      case 0x30...0x39: digit = character - 0x30
      case 0x41...0x46: digit = character - 0x37
      case 0x61...0x66: digit = character - 0x57
      default: return nil
      }
      if let first = high {
        bytes.append(first << 4 | digit)
        high = nil
      } else {
        high = digit
      }
    }
    return bytes
  }
}

/// A file of cookie keys over time: read again when it changes; a broken one changes nothing.
public final class CookieKeyFile: Sendable {
  /// Where it is.
  public let path: String
  private let state: Mutex<State>

  private struct State {
    var secrets: CookieSecrets
    var stamp: FileStamp
    /// What the file was when it could not be used.
    var failed: FileStamp?
  }

  /// Reads the file.
  public init(_ path: String) throws(TLSError) {
    self.path = path
    let stamp = FileStamp(path)
    state = Mutex(State(secrets: try CookieSecrets(file: path), stamp: stamp))
  }

  /// The keys in use.
  public var secrets: CookieSecrets { state.withLock { $0.secrets } }

  /// Looks at the file and reads it when it has changed, or in any case with `force`.
  public func reload(force: Bool = false) -> ReloadOutcome {
    let stamp = FileStamp(path)
    let (known, failed) = state.withLock { ($0.stamp, $0.failed) }
    guard force || (failed == nil ? known != stamp : failed != stamp) else { return .unchanged }
    do throws(TLSError) {
      let secrets = try CookieSecrets(file: path)
      state.withLock { $0 = State(secrets: secrets, stamp: stamp) }
      return .reloaded(warnings: [])
    } catch {
      state.withLock { $0.failed = stamp }
      return .failed(error)
    }
  }
}

/// Signs and checks cookies by OpenSSL, for one thread: keys are digested once. No memory is taken for a code.
public struct CookieCodes: CookieAuthenticator, ~Copyable {
  /// Number of keys.
  public let keyCount: Int
  private let keys: UnsafeMutablePointer<OpaquePointer>

  /// With the keys that an application's cookies have of these, so that a tag of one is none of another one's that has the same file.
  public init(_ secrets: CookieSecrets, application: String) throws(TLSError) {
    let made = secrets.keys.map { Self.key($0, of: application) }
    guard !made.contains(where: { $0 == nil }) else {
      for case let key? in made { co_mac_free(key) }
      throw .library("no HMAC-SHA256")
    }
    keyCount = made.count
    keys = .allocate(capacity: made.count)
    for (position, key) in made.enumerated() { (keys + position).initialize(to: key!) }
  }

  /// HMAC-SHA256 of the application's name, with a word before it that no message of a cookie begins with.
  private static func key(_ key: [UInt8], of application: String) -> OpaquePointer? {
    guard let mac = co_mac_new(key, key.count) else { return nil }
    defer { co_mac_free(mac) }
    var text = Array("geodirector application \(application)".utf8)
    var code = [UInt8](repeating: 0, count: 32)
    let isMade = text.withUnsafeMutableBytes { bytes in
      var part = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
      return co_mac_code(mac, &part, 1, &code) == 1
    }
    return isMade ? co_mac_new(code, code.count) : nil
  }

  deinit {
    for position in 0..<keyCount { co_mac_free(keys[position]) }
    keys.deallocate()
  }

  /// HMAC-SHA256 of the message.
  public func makeCode(_ message: ByteView, key: Int, into code: UnsafeMutablePointer<UInt8>) -> Bool {
    precondition(key >= 0 && key < keyCount)
    var part = iovec(iov_base: UnsafeMutableRawPointer(mutating: message.base), iov_len: message.count)
    return co_mac_code(keys[key], &part, 1, code) == 1
  }
}
