import HTTPMessage
import Testing

@testable import Proxy

/// Bodies made at random and received in reads of any size, by the pieces that relay them: the same bytes come out.
@Suite struct SplitBodyTests {
  struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ state >> 29
    }
  }

  /// A chunked body and the data in it.
  func body(_ generator: inout Generator) -> (encoded: [UInt8], data: [UInt8]) {
    var encoded: [UInt8] = []
    var data: [UInt8] = []
    for _ in 0..<Int.random(in: 0...5, using: &generator) {
      let part = (0..<Int.random(in: 1...70, using: &generator)).map { _ in
        [0x0D, 0x0A, 0x30, 0x3B, 0xFF].randomElement(using: &generator)! as UInt8
      }
      let zeros = String(repeating: "0", count: Int.random(in: 0...2, using: &generator))
      let marks = ["", ";a", " ; a = \"\\\"0\"", ";b=c"].randomElement(using: &generator)!
      encoded += Array("\(zeros)\(String(part.count, radix: 16))\(marks)\r\n".utf8) + part + [0x0D, 0x0A]
      data += part
    }
    let trailer = ["", "T: 5\r\n", "A: b\r\nC:\r\n"].randomElement(using: &generator)!
    return (encoded + Array("0\r\n\(trailer)\r\n".utf8), data)
  }

  /// What is relayed of `input` as it comes in reads of up to `most` bytes: bytes as they are, dechunked, and what is left.
  func relay(_ input: [UInt8], _ framing: Framing, most: Int, _ generator: inout Generator) -> (
    raw: [UInt8], data: [UInt8], rest: Int, isComplete: Bool
  ) {
    var progress = BodyProgress(framing)
    var dechunker = Dechunker()
    var raw: [UInt8] = []
    var data: [UInt8] = []
    var start = 0
    while start < input.count && !progress.isComplete {
      let end = min(input.count, start + Int.random(in: 1...most, using: &generator))
      var piece = Array(input[start..<end])
      guard case .taken(let used) = piece.withUnsafeBytes({ progress.take($0.baseAddress!, count: $0.count) }) else {
        Issue.record("refused")
        break
      }
      raw += piece[..<used]
      if used > 0 {
        let count = piece.withUnsafeMutableBytes { dechunker.compact($0.baseAddress!, count: used) }
        data += piece[..<count]
      }
      start += used
      if used == 0 { break }
    }
    #expect(progress.total == UInt64(raw.count))
    return (raw, data, input.count - start, progress.isComplete)
  }

  @Test(arguments: 0..<16, [1, 3, 20, 1000])
  func chunkedBodiesComeOutWholeHoweverTheyAreRead(seed: Int, most: Int) {
    var generator = Generator(state: UInt64(seed) << 8 | 5)
    for _ in 0..<50 {
      let (encoded, data) = body(&generator)
      let next = Array("GET / HTTP/1.1\r\n\r\n".utf8)
      let relayed = relay(encoded + next, .chunked, most: most, &generator)
      #expect(relayed.raw == encoded && relayed.isComplete)
      #expect(relayed.data == data)
      #expect(relayed.rest == next.count)
      let cut = relay(Array(encoded.dropLast()), .chunked, most: most, &generator)
      #expect(!cut.isComplete && cut.raw.count == encoded.count - 1)
    }
  }

  @Test(arguments: 0..<16, [1, 3, 20, 1000])
  func bodiesOfALengthComeOutWholeHoweverTheyAreRead(seed: Int, most: Int) {
    var generator = Generator(state: UInt64(seed) << 8 | 7)
    let input = (0..<300).map { UInt8(truncatingIfNeeded: $0) }
    let length = Int.random(in: 1...290, using: &generator)
    let relayed = relay(input, .length(UInt64(length)), most: most, &generator)
    #expect(relayed.raw == Array(input[..<length]) && relayed.isComplete && relayed.rest == 300 - length)
  }
}
