import FuzzKit
import HTTPMessage

/// As for requests: the same result however the input is cut, and what is passed on is framed as before.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  withExactBytes(data, size) { view in
    for toHead in [false, true] {
      var head = ResponseHead()
      var table = FieldTable(capacity: 128)
      let whole = parseResponseHead(view, toHead: toHead, limits: HeadLimits(), head: &head, into: &table)
      var resume = 0
      var pieces = HeadResult.needMore(scannedUpTo: 0)
      var piecewise = ResponseHead()
      var other = FieldTable(capacity: 128)
      for cut in cuts(of: view) {
        pieces = withPrefix(view, cut) {
          parseResponseHead(
            $0, resumeOffset: resume, toHead: toHead, limits: HeadLimits(), head: &piecewise, into: &other)
        }
        guard case .needMore(let scanned) = pieces else { break }
        precondition(scanned <= cut)
        resume = scanned
      }
      if case .needMore = pieces, case .invalid = whole {
        // A mistake may be told only when the head ends: what has come so far is not parsed again for every piece.
        pieces = withEnding(view) {
          parseResponseHead(
            $0, resumeOffset: resume, toHead: toHead, limits: HeadLimits(), head: &piecewise, into: &other)
        }
        guard case .invalid = pieces else { preconditionFailure("a split hides \(whole): \(pieces)") }
        continue
      }
      precondition(whole == pieces, "a split changes the result: \(whole), \(pieces)")
      if whole == .complete { check(view, head, toHead, &table) }
    }
  }
  return 0
}

private func check(_ view: ByteView, _ head: ResponseHead, _ toHead: Bool, _ table: inout FieldTable) {
  precondition(head.length <= view.count && head.fieldsStart < head.length && head.status >= 100 && head.status < 600)
  _ = view[head.reason]
  for index in 0..<table.count {
    let field = table[index]
    if field.id == .setCookie { _ = SetCookieView(view[field.value]) }
    if field.id == .proxyStatus { _ = ProxyStatusMember(lastOf: view[field.value]) }
  }
  table.dropHopByHop(in: view)
  let first = "HTTP/1.1 \(head.status) x\r\n"
  let again = forwarded(view, first: first, table)
  again.withUnsafeBytes { raw in
    var second = ResponseHead()
    var secondTable = FieldTable(capacity: 128)
    let result = parseResponseHead(
      ByteView(raw), toHead: toHead, limits: HeadLimits(), head: &second, into: &secondTable)
    precondition(result == .complete, "what is passed on is refused: \(result)")
    precondition(second.framing == head.framing, "what is passed on ends elsewhere")
    precondition(head.status >= 200 && head.status != 204 || second.contentLength == nil)
  }
}
