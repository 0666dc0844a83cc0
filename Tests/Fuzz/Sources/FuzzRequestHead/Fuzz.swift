import FuzzKit
import HTTPMessage

/// Any input: however it is cut the result is the same, positions lie within, and what is passed on without its hop-by-hop
/// fields is a request again, framed as before.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  withExactBytes(data, size) { view in
    for limits in [HeadLimits(), HeadLimits(headBytesMax: 200, targetBytesMax: 40, fieldsMax: 6)] {
      var head = RequestHead()
      var table = FieldTable(capacity: 128)
      let whole = parseRequestHead(view, limits: limits, head: &head, into: &table)
      var resume = 0
      var pieces = HeadResult.needMore(scannedUpTo: 0)
      var piecewise = RequestHead()
      var other = FieldTable(capacity: 128)
      for cut in cuts(of: view) {
        pieces = withPrefix(view, cut) {
          parseRequestHead($0, resumeOffset: resume, limits: limits, head: &piecewise, into: &other)
        }
        guard case .needMore(let scanned) = pieces else { break }
        precondition(scanned <= cut)
        resume = scanned
      }
      if case .needMore = pieces, case .invalid = whole {
        // A mistake may be told only when the head ends: what has come so far is not parsed again for every piece.
        pieces = withEnding(view) {
          parseRequestHead($0, resumeOffset: resume, limits: limits, head: &piecewise, into: &other)
        }
        guard case .invalid = pieces else { preconditionFailure("a split hides \(whole): \(pieces)") }
        continue
      }
      precondition(whole == pieces, "a split changes the result: \(whole), \(pieces)")
      if whole == .complete { check(view, head, &table) }
    }
  }
  return 0
}

private func check(_ view: ByteView, _ head: RequestHead, _ table: inout FieldTable) {
  precondition(head.length <= view.count && head.start < head.fieldsStart && head.fieldsStart < head.length)
  _ = view[head.methodName]
  _ = view[head.target]
  _ = view[head.path]
  _ = view[head.host]
  precondition(head.minorVersion == 0 || !head.host.isEmpty)
  var lengths = 0
  for index in 0..<table.count {
    let field = table[index]
    for position in field.value.start..<field.value.end {
      let byte = view[position]
      precondition(byte >= 0x20 && byte != 0x7F || byte == 0x09, "a control character in a value")
    }
    if field.id == .contentLength || field.id == .transferEncoding { lengths += 1 }
  }
  precondition(lengths <= 1)
  table.dropHopByHop(in: view, except: head.upgrade ? [.transferEncoding, .upgrade] : .transferEncoding)
  let again = forwarded(view, first: "POST / HTTP/1.\(head.minorVersion)\r\n", table)
  again.withUnsafeBytes { raw in
    var second = RequestHead()
    var secondTable = FieldTable(capacity: 128)
    let result = parseRequestHead(ByteView(raw), limits: HeadLimits(), head: &second, into: &secondTable)
    precondition(result == .complete, "what is passed on is refused: \(result)")
    precondition(second.framing == head.framing, "what is passed on ends elsewhere")
    precondition(second.length == raw.count && !second.connectionNamesFields)
  }
}
