/// Takes the chunks off a body that a scanner has found well-formed, for clients that do not know them (HTTP/1.0).
struct Dechunker {
  private enum State: UInt8 { case size, sizeLine, data, dataEnd, trailer }
  private var state = State.size
  private var remaining: UInt64 = 0

  init() {}

  /// Moves the data of the piece to its front: how many bytes there are.
  mutating func compact(_ bytes: UnsafeMutableRawPointer, count: Int) -> Int {
    var input = 0
    var output = 0
    while input < count {
      let byte = bytes.load(fromByteOffset: input, as: UInt8.self)
      switch state {
      case .size:
        input += 1
        if let digit = Self.digit(byte) {
          remaining = remaining << 4 | digit
        } else {
          state = byte == 0x0A ? endOfSize() : .sizeLine
        }
      case .sizeLine:
        input += 1
        if byte == 0x0A { state = endOfSize() }
      case .data:
        let run = Int(min(remaining, UInt64(count - input)))
        (bytes + output).copyMemory(from: bytes + input, byteCount: run)
        input += run
        output += run
        remaining -= UInt64(run)
        if remaining == 0 { state = .dataEnd }
      case .dataEnd:
        input += 1
        if byte == 0x0A { state = .size }
      case .trailer:
        input = count
      }
    }
    return output
  }

  private func endOfSize() -> State { remaining == 0 ? .trailer : .data }

  private static func digit(_ byte: UInt8) -> UInt64? {
    switch byte {
    case 0x30...0x39: UInt64(byte - 0x30)
    case 0x41...0x46: UInt64(byte - 0x41 + 10)
    case 0x61...0x66: UInt64(byte - 0x61 + 10)
    default: nil
    }
  }
}
