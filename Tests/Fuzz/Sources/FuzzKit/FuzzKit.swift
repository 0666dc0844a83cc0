public import HTTPMessage

/// Calls `body` with an input in memory of its own, so that AddressSanitizer sees a read beyond its end.
public func withExactBytes(_ data: UnsafePointer<UInt8>?, _ size: Int, _ body: (ByteView) -> Void) {
  let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, size))
  defer { copy.deallocate() }
  if let data { copy.update(from: data, count: size) }
  body(ByteView(copy, count: size))
}

/// Calls `body` with the first `count` bytes of a view, in memory of their own.
public func withPrefix<Result>(_ view: ByteView, _ count: Int, _ body: (ByteView) -> Result) -> Result {
  let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, count))
  defer { copy.deallocate() }
  if count > 0 { copy.update(from: view.base, count: count) }
  return body(ByteView(copy, count: count))
}

/// Calls `body` with the bytes of a view and the end of a head behind them.
public func withEnding<Result>(_ view: ByteView, _ body: (ByteView) -> Result) -> Result {
  let whole = bytes(view) + Array("\r\n\r\n".utf8)
  return whole.withUnsafeBytes { body(ByteView($0)) }
}

/// Where a view is cut into pieces: ascending offsets, the last one its end. The same for the same bytes.
public func cuts(of view: ByteView) -> [Int] {
  var state: UInt64 = 0xCBF2_9CE4_8422_2325
  for index in 0..<view.count { state = (state ^ UInt64(view[index])) &* 0x0000_0100_0000_01B3 }
  var result: [Int] = []
  var position = 0
  while position < view.count && result.count < 16 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    position += 1 + Int((state >> 33) % UInt64(max(1, view.count / 3)))
    result.append(min(position, view.count))
  }
  if result.last != view.count { result.append(view.count) }
  return result
}

/// The bytes of a view.
public func bytes(_ view: ByteView) -> [UInt8] { (0..<view.count).map { view[$0] } }

/// The lines of a head that are kept, behind a first line of `first`, as they would be passed on.
public func forwarded(_ view: ByteView, first: String, _ table: borrowing FieldTable) -> [UInt8] {
  var result = Array(first.utf8)
  var index = 0
  while let run = table.nextKeptRun(&index) { result += bytes(view[run]) }
  return result + [0x0D, 0x0A]
}
