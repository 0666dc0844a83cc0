import HTTPMessage
import Testing

@testable import Proxy

/// What servers are told of a client's TLS, as its connection keeps it.
@Suite struct ToldTLSTests {
  private func kept(_ told: ToldTLS) -> [UInt8]? { told.fields.map { Array($0.rawBuffer) } }

  @Test func fieldsAreKeptUntilOthersComeOrTheyAreForgotten() {
    var told = ToldTLS()
    #expect(kept(told) == nil)
    for count in [8, 0, ProxyTLSFields.bytesMax, 1] {
      let fields = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      fields.withUnsafeBytes { told.keep(ByteView($0)) }
      #expect(kept(told) == fields)
    }
    told.forget()
    #expect(kept(told) == nil)
    told.forget()
    #expect(kept(told) == nil)
  }
}
