import TestRandom
import Testing

@testable import HTTPMessage

/// Properties of messages made at random, delivered in reads of any size: what comes out does not depend on the reads.
@Suite struct SplitTests {
  /// Messages of pieces that are well-formed, nearly so, or not at all.
  struct Maker {
    var generator: Generator

    mutating func one(_ choices: [String]) -> String { choices.randomElement(using: &generator)! }

    mutating func fields(_ names: [String]) -> String {
      var text = ""
      for _ in 0..<Int.random(in: 0...6, using: &generator) {
        let name = one(names)
        let value = one([
          "", "a", " b ", "5", "chunked", "close", "keep-alive, X-One", "x=y; SITE=1", "\u{E9}\t;", "\"q\"",
        ])
        let end = one(Array(repeating: "\r\n", count: 30) + ["\n", "\r", "\r\n ", "\0\r\n"])
        text += name + one(Array(repeating: ":", count: 30) + [" :", ""]) + value + end
      }
      return text
    }

    mutating func request() -> String {
      let line =
        one(["GET ", "POST ", "OPTIONS ", "\r\nPUT "]) + one(["/", "/a?b", "http://h/x", "*"])
        + one([" HTTP/1.1", " HTTP/1.0", " HTTP/1.1", " HTTP/2.0"]) + "\r\n"
      return line + "Host: h\r\n"
        + fields(["X-One", "Connection", "Content-Length", "Transfer-Encoding", "Cookie", "Via", "Upgrade", "Expect"])
        + "\r\n" + one(["", "GET / HTTP/1.1\r\n", "hello"])
    }

    mutating func response() -> String {
      one(["HTTP/1.1 200 OK", "HTTP/1.0 404 No", "HTTP/1.1 204 ", "HTTP/1.1 103", "HTTP/1.1 99 x"]) + "\r\n"
        + fields(["X-One", "Connection", "Content-Length", "Transfer-Encoding", "Set-Cookie", "Date", "Proxy-Status"])
        + "\r\n" + one(["", "hello"])
    }

    mutating func chunked() -> String {
      var text = ""
      for _ in 0..<Int.random(in: 0...4, using: &generator) {
        let size = Int.random(in: 1...40, using: &generator)
        text += String(size, radix: 16) + one(["", "", "", ";a=b", " ;a=\"b\"", ";"]) + "\r\n"
        text += String(repeating: "d", count: size) + one(Array(repeating: "\r\n", count: 20) + ["\n", "x\r\n"])
      }
      return text + "0\r\n" + one(["", "", "T: v\r\n", "T : v\r\n", "Host: x\r\n"]) + "\r\n" + one(["", "rest"])
    }

    /// Ends of the pieces that a text of `count` bytes is cut into.
    mutating func cuts(_ count: Int) -> [Int] {
      let most = one(["1", "2", "7", "40", "1000"])
      var result: [Int] = []
      while (result.last ?? 0) < count {
        result.append(min(count, (result.last ?? 0) + Int.random(in: 1...Int(most)!, using: &generator)))
      }
      return result
    }
  }

  /// What a caller learns: the outcome and, of a head that is taken, everything in it.
  func deliver(
    _ input: [UInt8], _ cuts: [Int], _ parse: (ByteView, Int, inout FieldTable) -> (HeadResult, String)
  ) -> (HeadResult, String) {
    var resume = 0
    var table = FieldTable()
    var outcome = (HeadResult.needMore(scannedUpTo: 0), "")
    for cut in cuts {
      outcome = withView(Array(input[..<cut])) { parse($0, resume, &table) }
      guard case .needMore(let scanned) = outcome.0 else { break }
      #expect(scanned <= cut)
      resume = scanned
    }
    if outcome.0 == .complete { for index in 0..<table.count { outcome.1 += " \(table[index])" } }
    return outcome
  }

  /// Of an input that is refused, a mistake may be told only when the head ends, or at once.
  func same(_ first: (HeadResult, String), _ second: (HeadResult, String)) -> Bool {
    switch (first.0, second.0) {
    case (.complete, .complete): first.1 == second.1
    case (.invalid, .needMore), (.needMore, .needMore): true
    default: first.0 == second.0
    }
  }

  @Test(arguments: 0..<8)
  func requestHeadsDoNotDependOnTheReads(seed: Int) {
    var maker = Maker(generator: Generator(seed: UInt64(seed)))
    var taken = 0
    for _ in 0..<500 {
      let input = bytes(maker.request())
      let parse = { (view: ByteView, resume: Int, table: inout FieldTable) in
        var head = RequestHead()
        let result = parseRequestHead(view, resumeOffset: resume, limits: HeadLimits(), head: &head, into: &table)
        return (result, result == .complete ? "\(head)" : "")
      }
      let whole = deliver(input, [input.count], parse)
      let pieces = deliver(input, maker.cuts(input.count), parse)
      #expect(same(whole, pieces), "\(input)")
      if whole.0 == .complete { taken += 1 }
    }
    #expect(taken > 50, "the messages are of use")
  }

  @Test(arguments: 0..<8)
  func responseHeadsDoNotDependOnTheReads(seed: Int) {
    var maker = Maker(generator: Generator(seed: UInt64(seed)))
    var taken = 0
    for round in 0..<500 {
      let input = bytes(maker.response())
      let parse = { (view: ByteView, resume: Int, table: inout FieldTable) in
        var head = ResponseHead()
        let result = parseResponseHead(
          view, resumeOffset: resume, toHead: round % 2 == 0, limits: HeadLimits(), head: &head, into: &table)
        return (result, result == .complete ? "\(head)" : "")
      }
      let whole = deliver(input, [input.count], parse)
      let pieces = deliver(input, maker.cuts(input.count), parse)
      #expect(same(whole, pieces), "\(input)")
      if whole.0 == .complete { taken += 1 }
    }
    #expect(taken > 50, "the messages are of use")
  }

  @Test(arguments: 0..<8)
  func chunkedBodiesDoNotDependOnTheReads(seed: Int) {
    var maker = Maker(generator: Generator(seed: UInt64(seed)))
    var taken = 0
    for _ in 0..<500 {
      let input = bytes(maker.chunked())
      let scan = { (cuts: [Int]) -> (ChunkedScan, UInt64) in
        var scanner = ChunkedScanner()
        var start = 0
        for cut in cuts {
          switch withView(Array(input[start..<cut]), { scanner.scan($0) }) {
          case .complete(let consumed): return (.complete(consumed: start + consumed), scanner.dataBytes)
          case .invalid(let error): return (.invalid(error), 0)
          case .needMore: start = cut
          }
        }
        return (.needMore, scanner.dataBytes)
      }
      let whole = scan([input.count])
      let pieces = scan(maker.cuts(input.count))
      #expect(whole == pieces, "\(input)")
      if case .complete = whole.0 { taken += 1 }
    }
    #expect(taken > 50, "the messages are of use")
  }
}
