import FuzzKit
import HTTPMessage

/// Readers of single field values: cookies and what stands in them, and lists that others wrote. Taking a cookie out leaves
/// the others as they were.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  withExactBytes(data, size) { view in
    readCookies(view)
    readLists(view)
    if view.firstIndex(of: 0x22) == nil { checkRemoval(view) }
  }
  return 0
}

private func readCookies(_ view: ByteView) {
  var scanner = CookieScanner(view)
  var position = 0
  while let pair = scanner.next() {
    precondition(pair.pair.start >= position && pair.pair.end <= view.count, "cookies overlap")
    position = pair.pair.end
    _ = view[pair.name]
    let value = view[pair.value]
    let prefixed = PrefixedValue(value)
    _ = value[prefixed.server]
    _ = value[prefixed.session]
    let dated = DatedValue(value)
    _ = value[dated.server]
  }
  var removal = CookieRemoval(of: ByteView("SITE"), from: view)
  var end = 0
  while let range = removal.next() {
    precondition(range.start >= end && range.end <= view.count && range.count > 0, "removals overlap")
    end = range.end
  }
  if let set = SetCookieView(view) {
    for range in [set.name, set.value, set.attributes] { _ = view[range] }
    for range in [set.path, set.domain, set.maxAge, set.expires] { if let range { _ = view[range] } }
    precondition(!set.name.isEmpty)
  }
}

private func readLists(_ view: ByteView) {
  var members = ListMembers(view)
  while let member = members.next() { precondition(!member.isEmpty && member.end <= view.count) }
  if let member = ProxyStatusMember(lastOf: view) {
    _ = view[member.node]
    if let error = member.error { _ = view[error] }
  }
  _ = Via.contains(view, pseudonym: ByteView("N"))
  if case .complete(let header) = parseProxyHeader(view) {
    precondition(header.length > 0 && header.length <= view.count, "a header beyond what came")
  }
  var nodes = ForwardedNodes(view)
  while nodes.next() != nil {}
  var addresses = ForwardedForScanner(view)
  var count = 0
  while let member = addresses.next() {
    _ = AddressBits(forwarded: member)
    count += 1
    precondition(count <= view.count + 1, "members without end")
  }
}

private func cookies(_ view: ByteView, without name: [UInt8]?) -> [[[UInt8]]] {
  var result: [[[UInt8]]] = []
  var scanner = CookieScanner(view)
  while let pair = scanner.next() {
    if bytes(view[pair.name]) == name { continue }
    result.append([bytes(view[pair.name]), bytes(view[pair.value])])
  }
  return result
}

private func checkRemoval(_ view: ByteView) {
  let name = Array("SITE".utf8)
  let expected = cookies(view, without: name)
  var removal = CookieRemoval(of: ByteView("SITE"), from: view)
  var left: [UInt8] = []
  var position = 0
  while let range = removal.next() {
    left += bytes(view.slice(position, range.start))
    position = range.end
  }
  left += bytes(view.slice(position, view.count))
  if removal.emptiesField {
    precondition(expected.isEmpty, "a field with other cookies goes")
    return
  }
  left.withUnsafeBytes { raw in
    precondition(cookies(ByteView(raw), without: nil) == expected, "another cookie was changed")
  }
}
