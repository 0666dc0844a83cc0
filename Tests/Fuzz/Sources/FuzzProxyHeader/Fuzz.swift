import FuzzKit
import HTTPMessage

/// The start of a connection that a proxy passes on (the PROXY protocol). More bytes never take back what was said of fewer, all that is
/// told stands within the header, and what is written of it is understood as it was.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  withExactBytes(data, size) { view in
    let whole = parseProxyHeader(view)
    for cut in cuts(of: view) { check(withPrefix(view, cut) { parseProxyHeader($0) }, of: whole, cut) }
    guard case .complete(let header) = whole else { return }
    precondition(header.length > 0 && header.length <= view.count, "a header beyond what came")
    if let tls = header.tls { checkToldOn(tls, header, view) }
  }
  return 0
}

private func check(_ part: ProxyHeaderResult, of whole: ProxyHeaderResult, _ cut: Int) {
  switch part {
  case .complete, .invalid: precondition(part == whole, "more bytes changed what was said")
  case .needMore:
    if case .complete(let header) = whole { precondition(cut < header.length, "all of it was there") }
  }
}

/// As a node in the middle does it: the same facts in another header.
private func checkToldOn(_ tls: ProxyTLS, _ header: ProxyHeader, _ view: ByteView) {
  for part in parts(of: tls) { precondition(part.end <= header.length, "told beyond the header") }
  let route = ProxyRoute(
    source: AddressBits(high: 0, low: 0xFFFF_C000_0201), sourcePort: 1,
    destination: AddressBits(high: 0, low: 0xFFFF_C000_0202), destinationPort: 2)
  withUnsafeTemporaryAllocation(byteCount: ProxyTLSFields.bytesMax, alignment: 8) { fields in
    var first = ByteWriter(fields)
    first.append(proxyFields: ProxyTLSFields(tls, in: view))
    precondition(!first.hasOverflowed, "more than was said to be possible")
    withUnsafeTemporaryAllocation(byteCount: 4_096, alignment: 8) { memory in
      var second = ByteWriter(memory)
      second.append(proxyHeader: route, fields: first.written, checksum: true)
      guard case .complete(let again) = parseProxyHeader(second.written), let told = again.tls else {
        preconditionFailure("our own header is none")
      }
      precondition(again.source == route.source && again.length == second.position)
      precondition(told.client == tls.client && told.verification == tls.verification)
      for (new, old) in zip(parts(of: told), parts(of: tls)) where old.count <= ProxyTLSFields.valueBytesMax {
        precondition(bytes(second.written[new]) == bytes(view[old]), "told otherwise")
      }
    }
  }
}

private func parts(of tls: ProxyTLS) -> [ByteRange] {
  [tls.version, tls.commonName, tls.cipher, tls.serverName, tls.applicationProtocol]
}
