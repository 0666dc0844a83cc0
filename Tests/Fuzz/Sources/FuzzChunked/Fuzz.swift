import FuzzKit
import HTTPMessage

/// The scanner against a reader written without states, whole and in pieces; and the data that is taken out for HTTP/1.0.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  withExactBytes(data, size) { view in
    var scanner = ChunkedScanner()
    let whole = scanner.scan(view)
    let reference = Reference(bytes(view)).read()
    switch (whole, reference) {
    case (.complete(let consumed), .complete(let end, let content)):
      precondition(consumed == end, "ends at \(consumed), not at \(end)")
      precondition(scanner.dataBytes == UInt64(content.count))
      checkData(view.slice(0, consumed), content)
    case (.needMore, .needMore), (.invalid, .invalid): break
    // Our own bounds on what the grammar leaves open.
    case (.invalid(.chunkExtensionTooLong), _), (.invalid(.trailersTooLong), _), (.invalid(.chunkSizeOverflow), _):
      break
    default: preconditionFailure("\(whole), \(reference)")
    }
    checkPieces(view, whole)
  }
  return 0
}

private func checkPieces(_ view: ByteView, _ whole: ChunkedScan) {
  for positions in [cuts(of: view), Array(0..<view.count).map { $0 + 1 }] {
    var scanner = ChunkedScanner()
    var start = 0
    var result = ChunkedScan.needMore
    for cut in positions where cut > start || view.count == 0 {
      result = scanner.scan(view.slice(start, cut))
      if case .complete(let consumed) = result { result = .complete(consumed: start + consumed) }
      guard result == .needMore else { break }
      start = cut
    }
    precondition(result == whole, "a split changes the result: \(whole), \(result)")
  }
}

private func checkData(_ body: ByteView, _ content: [UInt8]) {
  var dechunker = Dechunker()
  var data: [UInt8] = []
  var start = 0
  for cut in cuts(of: body) where cut > start {
    var piece = bytes(body.slice(start, cut))
    let count = piece.withUnsafeMutableBytes { dechunker.compact($0.baseAddress!, count: $0.count) }
    data += piece[..<count]
    start = cut
  }
  precondition(data == content, "the data differ")
}

/// A chunked body read by recursive descent over the whole input (RFC 9112 7.1).
private struct Reference {
  enum Outcome {
    case complete(end: Int, content: [UInt8])
    case needMore
    case invalid
  }
  private enum Stop: Error { case needMore, invalid }
  private let input: [UInt8]
  private var index = 0

  init(_ input: [UInt8]) { self.input = input }

  func read() -> Outcome {
    var reader = self
    do {
      let content = try reader.body()
      return .complete(end: reader.index, content: content)
    } catch {
      return (error as? Stop) == .needMore ? .needMore : .invalid
    }
  }

  private func peek() throws -> UInt8 {
    if index >= input.count { throw Stop.needMore }
    return input[index]
  }

  private mutating func expect(_ byte: UInt8) throws {
    if try peek() != byte { throw Stop.invalid }
    index += 1
  }

  private mutating func lineEnd() throws {
    try expect(0x0D)
    try expect(0x0A)
  }

  private mutating func body() throws -> [UInt8] {
    var content: [UInt8] = []
    while true {
      var size: UInt64 = 0
      var digits = 0
      while let value = Character(Unicode.Scalar(try peek())).hexDigitValue, input[index] < 0x80 {
        digits += 1
        size = size << 4 | UInt64(value)
        if digits > 16 || size >= 1 << 60 { throw Stop.invalid }
        index += 1
      }
      if digits == 0 { throw Stop.invalid }
      try extensions()
      try lineEnd()
      if size == 0 { break }
      let available = min(UInt64(input.count - index), size)
      content += input[index..<index + Int(available)]
      index += Int(available)
      if available < size { throw Stop.needMore }
      try lineEnd()
    }
    while try peek() != 0x0D { try trailer() }
    try lineEnd()
    return content
  }

  private mutating func blanks() throws {
    while try peek() == 0x20 || peek() == 0x09 { index += 1 }
  }

  private func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }

  private mutating func token() throws -> [UInt8] {
    let start = index
    while isToken(try peek()) { index += 1 }
    if index == start { throw Stop.invalid }
    return Array(input[start..<index])
  }

  private mutating func extensions() throws {
    while true {
      let start = index
      try blanks()
      guard try peek() == 0x3B else {
        if index > start { throw Stop.invalid }
        return
      }
      index += 1
      try blanks()
      _ = try token()
      let end = index
      try blanks()
      guard try peek() == 0x3D else {
        index = end
        continue
      }
      index += 1
      try blanks()
      if try peek() == 0x22 { try quoted() } else { _ = try token() }
    }
  }

  private mutating func text() throws {
    let byte = try peek()
    if byte < 0x20 && byte != 0x09 || byte == 0x7F { throw Stop.invalid }
    index += 1
  }

  private mutating func quoted() throws {
    index += 1
    while try peek() != 0x22 {
      if input[index] == 0x5C { index += 1 }
      try text()
    }
    index += 1
  }

  /// What a trailer section must not say: framing, routing, request modifiers, who asks, who the user is (RFC 9110 6.5.1).
  private static let misleading: Set<String> = [
    "content-length", "transfer-encoding", "host", "connection", "upgrade", "te", "expect", "max-forwards", "via",
    "cookie", "set-cookie", "authorization", "proxy-authorization", "forwarded", "x-forwarded-for", "x-forwarded-proto",
    "x-forwarded-host", "x-original-to",
  ]

  private mutating func trailer() throws {
    let name = String(decoding: try token(), as: UTF8.self).lowercased()
    try expect(0x3A)
    if Self.misleading.contains(name) { throw Stop.invalid }
    while try peek() != 0x0D { try text() }
    try lineEnd()
  }
}
