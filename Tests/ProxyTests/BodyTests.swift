import HTTPMessage
import Testing

@testable import Proxy

@Suite struct BodyTests {
  static let bodies: [(chunked: String, data: String)] = [
    ("0\r\n\r\n", ""),
    ("5\r\nhello\r\n0\r\n\r\n", "hello"),
    ("1;a=b;c=\"d\"\r\nx\r\n00A\r\n0123456789\r\n0;last\r\nTrailer: 5\r\nOther: x\r\n\r\n", "x0123456789"),
    ("3\r\n\r\n0\r\n2\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n"),
    ("1f\r\n" + String(repeating: "z", count: 31) + "\r\n0\r\n\r\n", String(repeating: "z", count: 31)),
  ]

  /// The pieces of a text cut at some of its places.
  private func pieces(_ bytes: [UInt8], length: Int) -> [[UInt8]] {
    stride(from: 0, to: bytes.count, by: length).map { Array(bytes[$0..<min($0 + length, bytes.count)]) }
  }

  @Test("chunks are taken off wherever the pieces are cut", arguments: bodies)
  func dechunk(_ body: (chunked: String, data: String)) {
    for length in 1...40 {
      var dechunker = Dechunker()
      var data: [UInt8] = []
      for piece in pieces(Array(body.chunked.utf8), length: length) {
        var piece = piece
        let count = piece.withUnsafeMutableBytes { dechunker.compact($0.baseAddress!, count: $0.count) }
        data += piece[..<count]
      }
      #expect(String(decoding: data, as: UTF8.self) == body.data, "pieces of \(length)")
    }
  }

  /// Feeds all pieces: how many bytes were taken; nil when one is invalid.
  private func feed(_ progress: inout BodyProgress, _ bytes: [UInt8], length: Int) -> Int? {
    var taken = 0
    for piece in pieces(bytes, length: length) {
      let step = piece.withUnsafeBytes { progress.take($0.baseAddress!, count: $0.count) }
      guard case .taken(let count) = step else { return nil }
      taken += count
    }
    return taken
  }

  @Test("a body with a length ends there, and what follows is left alone", arguments: [1, 2, 3, 7, 100])
  func length(pieceLength: Int) {
    var progress = BodyProgress(.length(10))
    #expect(!progress.isComplete)
    let bytes = [UInt8](repeating: 65, count: 25)
    #expect(feed(&progress, bytes, length: pieceLength) == 10)
    #expect(progress.isComplete && progress.total == 10 && progress.remaining == 0)
  }

  @Test("a chunked body ends behind its trailers, and what follows is left alone", arguments: bodies)
  func chunked(_ body: (chunked: String, data: String)) {
    let bytes = Array((body.chunked + "GET / HTTP/1.1").utf8)
    for length in 1...40 {
      var progress = BodyProgress(.chunked)
      #expect(feed(&progress, bytes, length: length) == body.chunked.utf8.count)
      #expect(progress.isComplete && progress.total == UInt64(body.chunked.utf8.count))
    }
  }

  @Test("a malformed chunked body is refused") func malformed() {
    for text in ["x\r\n", "5\nhello", "5\r\nhello!", "-1\r\n", "\r\n"] {
      var progress = BodyProgress(.chunked)
      #expect(feed(&progress, Array(text.utf8), length: 100) == nil, "\(text)")
    }
  }

  @Test("a body until the close is never complete, no body and an empty one always are") func ends() {
    var open = BodyProgress(.untilClose)
    #expect(feed(&open, [1, 2, 3], length: 2) == 3)
    #expect(!open.isComplete && open.total == 3)
    for framing in [Framing.none, .length(0)] {
      var progress = BodyProgress(framing)
      #expect(progress.isComplete)
      #expect(feed(&progress, [1, 2], length: 1) == 0)
    }
  }
}
