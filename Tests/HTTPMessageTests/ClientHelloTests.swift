import HTTPMessage
import Testing

/// Hellos made by hand, whole, in pieces and broken.
@Suite struct ClientHelloTests {
  private static func vector(_ bytes: [UInt8], _ lengthBytes: Int) -> [UInt8] {
    (0..<lengthBytes).map { UInt8(truncatingIfNeeded: bytes.count >> ((lengthBytes - 1 - $0) * 8)) } + bytes
  }

  static func named(_ name: String) -> [UInt8] {
    [0, 0] + vector(vector([0] + vector(Array(name.utf8), 2), 2), 2)
  }

  static let protocols: [UInt8] = [0, 16] + vector(vector([2, 0x68, 0x32, 8] + Array("http/1.1".utf8), 2), 2)
  static let versions: [UInt8] = [0, 43] + vector(vector([0xFA, 0xFA, 3, 4, 3, 3], 1), 2)
  static let other: [UInt8] = [0x12, 0x34] + vector([1, 2, 3], 2)

  static func message(_ extensions: [UInt8]?) -> [UInt8] {
    let body =
      [3, 3] + Array(repeating: 7, count: 32) + vector(Array(repeating: 9, count: 32), 1) + vector([0x13, 1], 2)
      + vector([0], 1)
      + (extensions.map { vector($0, 2) } ?? [])
    return [1] + vector(body, 3)
  }

  static func records(_ message: [UInt8], each size: Int) -> [UInt8] {
    stride(from: 0, to: message.count, by: size).flatMap {
      [22, 3, 1] + vector(Array(message[$0..<min($0 + size, message.count)]), 2)
    }
  }

  struct Found: Equatable {
    var name: String?
    var protocols: [String]?
    var offersTLS13: Bool
    var length: Int
  }
  enum Result: Equatable {
    case complete(Found)
    case needMore
    case invalid(ClientHelloError)
  }

  static func parse(_ bytes: [UInt8], scratch size: Int = ClientHelloParser.bytesMax) -> Result {
    var scratch = [UInt8](repeating: 0, count: size)
    return scratch.withUnsafeMutableBytes { scratch in
      bytes.withUnsafeBytes { buffer in
        func text(_ view: ByteView) -> String { String(decoding: view.rawBuffer, as: UTF8.self) }
        switch ClientHelloParser.parse(ByteView(buffer), scratch: scratch) {
        case .needMore: return .needMore
        case .invalid(let error): return .invalid(error)
        case .complete(let hello):
          var names: [String]?
          if var list = hello.protocols {
            names = []
            while let next = list.next() { names?.append(text(next)) }
          }
          return .complete(
            Found(
              name: hello.serverName.map(text), protocols: names, offersTLS13: hello.offersTLS13, length: hello.length))
        }
      }
    }
  }

  @Test func whatIsAskedForIsFoundHoweverManyRecordsItStandsIn() {
    let message = Self.message(Self.other + Self.named("shop.example") + Self.protocols + Self.versions)
    for size in [1, 2, 3, 4, 5, 7, 50, message.count - 1, message.count, 16_384] {
      let bytes = Self.records(message, each: size)
      let expected = Found(
        name: "shop.example", protocols: ["h2", "http/1.1"], offersTLS13: true, length: bytes.count)
      #expect(Self.parse(bytes) == .complete(expected))
      // What follows belongs to nobody yet.
      #expect(Self.parse(bytes + [1, 2, 3]) == .complete(expected))
      for end in 0..<bytes.count { #expect(Self.parse(Array(bytes[0..<end])) == .needMore) }
    }
  }

  /// What else stands in the record belongs to the client's first flight.
  @Test func aRecordIsAwaitedToItsEndThoughTheMessageEndsBefore() {
    let message = Self.message(Self.named("shop.example"))
    let bytes = Self.records(message + [20, 0, 0, 0], each: 16_384)
    for end in 0..<bytes.count { #expect(Self.parse(Array(bytes[0..<end])) == .needMore, "\(end)") }
    let expected = Found(name: "shop.example", protocols: nil, offersTLS13: false, length: bytes.count)
    #expect(Self.parse(bytes) == .complete(expected))
  }

  @Test func everythingButTheFixedPartMayBeMissing() {
    for extensions in [nil, []] as [[UInt8]?] {
      let bytes = Self.records(Self.message(extensions), each: 16_384)
      let expected = Found(name: nil, protocols: nil, offersTLS13: false, length: bytes.count)
      #expect(Self.parse(bytes) == .complete(expected))
    }
  }

  @Test func whatIsNoClientHelloIsToldAtOnce() {
    let cases: [([UInt8], ClientHelloError)] = [
      (Array("GET / HTTP/1.1\r\n".utf8), .notTLS), ([0x80, 0x2E, 1], .notTLS), ([22, 2], .notTLS),
      ([22, 3, 1, 0, 0], .badRecord), ([22, 3, 1, 0x40, 0x01], .badRecord), ([22, 3, 1, 0, 4, 2], .notClientHello),
      ([22, 3, 1, 0, 1, 1, 23], .badRecord), ([22, 3, 1, 0, 1, 1, 22, 4], .badRecord),
      ([22, 3, 1, 0, 4, 1, 0, 0x40, 0], .tooLong), ([22, 3, 1, 0, 4, 1, 1, 0, 0], .tooLong),
    ]
    for (bytes, error) in cases { #expect(Self.parse(bytes) == .invalid(error), "\(bytes)") }
  }

  @Test func brokenExtensionsAreRefused() {
    let broken: [[UInt8]] = [
      [0], [0, 0, 0], [0, 0, 0, 5, 0], [0, 0, 0, 0], [0, 0, 0, 2, 0, 0], Self.named(""), Self.named("a b"),
      Self.named("a\u{0}b"), Self.named(String(repeating: "x", count: 256)), Self.named("a") + Self.named("b"),
      [0, 0, 0, 5, 0, 3, 1, 0, 0], [0, 0, 0, 12, 0, 10] + [0, 0, 2, 0x61, 0x62, 0, 0, 2, 0x63, 0x64],
      [0, 16, 0, 2, 0, 0], [0, 16, 0, 4, 0, 2, 0, 1], [0, 16, 0, 4, 0, 2, 5, 1], Self.protocols + Self.protocols,
      [0, 43, 0, 2, 1, 3], [0, 43, 0, 1, 0], Self.versions + Self.versions,
    ]
    for extensions in broken {
      #expect(Self.parse(Self.records(Self.message(extensions), each: 16_384)) == .invalid(.malformed), "\(extensions)")
    }
    #expect(Self.parse(Self.records(Self.message([]) + [0], each: 16_384)) != .needMore)
  }

  @Test func aMessageLongerThanItsMemoryIsRefused() {
    let message = Self.message(Self.named("shop.example"))
    let bytes = Self.records(message, each: 20)
    #expect(Self.parse(bytes, scratch: message.count + 20) != .invalid(.tooLong))
    #expect(Self.parse(bytes, scratch: message.count - 1) == .invalid(.tooLong))
    // In one record it needs none.
    #expect(Self.parse(Self.records(message, each: 16_384), scratch: 0) != .invalid(.tooLong))
  }

  /// Any change gives some answer, the same whether the bytes come at once or one by one.
  @Test func changedBytesNeverTrapAndAnswersAreFinal() {
    var generator = SystemRandomNumberGenerator()
    let message = Self.message(Self.named("shop.example") + Self.protocols + Self.versions)
    for _ in 0..<3_000 {
      var bytes = Self.records(message, each: Int.random(in: 1...message.count, using: &generator))
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      let whole = Self.parse(bytes)
      for end in stride(from: 0, through: bytes.count, by: 11) {
        let part = Self.parse(Array(bytes[0..<end]))
        if part != .needMore { #expect(part == whole) }
      }
    }
  }

  @Test(arguments: ["shop.example", nil]) func whatIsWrittenCanBeRead(name: String?) {
    var memory = [UInt8](repeating: 0, count: 600)
    let random = (0..<64).map { UInt8($0) }
    let written: [UInt8] = memory.withUnsafeMutableBytes { memory in
      random.withUnsafeBytes { random in
        var writer = ByteWriter(memory)
        Array((name ?? "").utf8).withUnsafeBytes {
          writer.append(clientHelloFor: name == nil ? nil : ByteView($0), random: ByteView(random))
        }
        #expect(!writer.hasOverflowed)
        return Array(writer.written.rawBuffer)
      }
    }
    let expected = Found(name: name, protocols: ["http/1.1"], offersTLS13: true, length: written.count)
    #expect(Self.parse(written) == .complete(expected))
  }

  @Test func answersToAHello() {
    let warning: [UInt8] = [21, 3, 3, 0, 2, 1, 112]
    let cases: [([UInt8], HelloAnswer)] = [
      ([], .needMore), ([22], .needMore), ([22, 3, 3, 0, 90], .needMore), ([22, 3, 3, 0, 90, 2], .hello),
      ([22, 3, 3, 0, 90, 1], .notTLS), ([21, 3, 3, 0, 2, 2], .needMore), ([21, 3, 3, 0, 2, 2, 40], .alert(40)),
      ([21, 3, 3, 0, 3, 2, 40], .notTLS), ([22, 3, 3, 0, 0], .notTLS), (Array("HTTP/1.1 400".utf8), .notTLS),
      ([23, 3, 3], .notTLS), ([22, 2], .notTLS), ([22, 3, 3, 0xFF, 0xFF], .notTLS),
      // A warning, `unrecognized_name`, is no end; `close_notify` is one.
      (warning, .needMore), (warning + [22, 3, 3], .needMore), (warning + [22, 3, 3, 0, 90, 2], .hello),
      (warning + warning + [22, 3, 3, 0, 90, 2], .hello), (warning + [21, 3, 3, 0, 2, 2, 40], .alert(40)),
      (warning + [80], .notTLS), ([21, 3, 3, 0, 2, 1, 0], .alert(0)),
      (warning + warning + warning + warning + warning, .alert(112)),
    ]
    for (bytes, answer) in cases {
      #expect(bytes.withUnsafeBytes { HelloAnswer(ByteView($0)) } == answer, "\(bytes)")
    }
  }
}
