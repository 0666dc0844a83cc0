import HTTPMessage
import Testing

@testable import Proxy

private func chosen(_ names: ServerNames, _ name: String?) -> Int32? {
  guard let name else { return names.application(for: nil) }
  return Array(name.utf8).withUnsafeBytes { names.application(for: ByteView($0)) }
}

@Suite struct ServerNamesTests {
  @Test(
    arguments: [
      ("shop.example", 0), ("SHOP.Example", 0), ("shop.example.", 0), ("a.shop.example", 1), ("a.b.shop.example", 1),
      ("x.deep.shop.example", 2), ("deep.shop.example", 1), ("www.shop.example", 3), (".shop.example", nil),
      ("xshop.example", nil), ("example", nil), ("", nil), (".", nil), (nil, nil),
    ] as [(String?, Int32?)])
  func anExactNameIsBeforeAWildcardAndTheLongerWildcardBeforeTheShorter(name: String?, pool: Int32?) {
    let names = ServerNames(pools: [
      ["shop.example"], ["*.shop.example"], ["*.deep.shop.example"], ["www.shop.example"],
    ])
    #expect(chosen(names, name) == pool)
    #expect(names.areNeeded)
  }

  @Test func thePoolWithoutNamesTakesWhatIsLeft() {
    let names = ServerNames(pools: [[], ["shop.example"]])
    #expect(chosen(names, "shop.example") == 1)
    for name in ["other.example", "", nil] { #expect(chosen(names, name) == 0) }
  }

  @Test func aRelayWithoutPoolsNeedsNoName() {
    #expect(!ServerNames(pools: [[]]).areNeeded)
  }
}
