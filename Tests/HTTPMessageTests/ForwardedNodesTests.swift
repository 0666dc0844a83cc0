import TestRandom
import Testing

@testable import HTTPMessage

/// Forwarded (RFC 7239): the nodes in it, from the nearest proxy's.
@Suite struct ForwardedNodesTests {
  private func nodes(_ value: String) -> [ForwardedNodes.Node] {
    withView(bytes(value)) { view in
      var scanner = ForwardedNodes(view)
      var found: [ForwardedNodes.Node] = []
      while let node = scanner.next() { found.append(node) }
      return found
    }
  }

  private static func v4(_ low: UInt64) -> ForwardedNodes.Node {
    .address(AddressBits(high: 0, low: 0xFFFF << 32 | low))
  }
  private static let v6 = ForwardedNodes.Node.address(
    AddressBits(high: 0x2001_0DB8_CAFE_0000, low: 0x17))

  @Test(
    arguments: [
      ("for=192.0.2.60;proto=http;by=203.0.113.43", [v4(0xC000_023C)]),
      ("For=\"[2001:db8:cafe::17]:4711\"", [v6]), ("for=\"[2001:db8:cafe::17]\"", [v6]),
      ("for=192.0.2.43, for=198.51.100.17", [v4(0xC633_6411), v4(0xC000_022B)]),
      ("for=\"192.0.2.43:47011\"", [v4(0xC000_022B)]), ("for=\"192.0.2.43:_port\"", [v4(0xC000_022B)]),
      ("for=\"[2001:db8:cafe::17]:_p\"", [v6]), ("for=\"_gazonk\"", [.hidden]), ("for=unknown", [.hidden]),
      ("for=_hidden, for=_SEVKISEK", [.hidden, .hidden]), ("proto=http", [.hidden]),
      ("by=203.0.113.43;FOR=192.0.2.60 ; host=\"a,b;c\\\"d\"", [v4(0xC000_023C)]),
      ("for=192.0.2.60;;", [v4(0xC000_023C)]), (", ,for=192.0.2.60,,", [v4(0xC000_023C)]), ("", []), (" , ", []),
      ("for=\"2001:db8::1\"", [.hidden]), ("for=\"\"", [.hidden]),
    ] as [(String, [ForwardedNodes.Node])])
  func nodesComeFromTheLast(value: String, expected: [ForwardedNodes.Node]) {
    #expect(nodes(value) == expected)
  }

  @Test(arguments: [
    "for=\"192.0.2.43", "for=", "for", "=1", "for =1.2.3.4", "for=192.0.2.43:80", "for=[2001:db8::1]",
    "for=1.2.3.4;for=5.6.7.8", "for=\"1.2.3.4\"x", "for=1.2.3.4 proto=http", "for=\"a\\",
  ])
  func whatIsNotAsTheGrammarHasItIsRefused(value: String) {
    #expect(nodes(value) == [.malformed])
  }

  @Test(arguments: ["for=6.6.6.6, for=\"", "for=\"x", "x=\"\\", "for=6.6.6.6;a=\"", "for=6.6.6.6;a=\"\\\""])
  func aClientCannotChooseWhatIsReadByAnOpenQuote(claimed: String) {
    for added in [", for=192.0.2.1", ", for=\"[2001:db8::1]\"", ", for=\"192.0.2.1:80\";proto=http"] {
      #expect(nodes(claimed + added).allSatisfy { $0 == .malformed })
    }
  }

  @Test func longWaysAreCutAndReadingThemIsBounded() {
    let value = Array(repeating: "for=10.0.0.1", count: 500).joined(separator: ", ")
    #expect(nodes(value).count == ForwardedNodes.elementsMax)
  }

  @Test func anyBytesAreReadWithoutATrap() {
    var random = Generator(seed: 7)
    let alphabet = bytes("for=\"\\,; []:_.019afx\t")
    for _ in 0..<20_000 {
      let value = (0..<Int.random(in: 0...40, using: &random)).map { _ in alphabet.randomElement(using: &random)! }
      withView(value) { view in
        var scanner = ForwardedNodes(view)
        while scanner.next() != nil {}
      }
    }
  }
}
