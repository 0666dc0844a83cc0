import Testing

@testable import Routing

@Suite struct CookieValuesTests {
  private func group(_ text: String, in values: borrowing CookieValues) -> Int32 {
    var text = text
    return text.withUTF8 { values.group(named: UnsafeRawBufferPointer($0)) }
  }

  @Test(arguments: [0, 1, 2, 3, 4, 5, 64, 1000])
  func everyValueNamesItsPlaceAndNothingElseDoes(count: Int) {
    let names = (0..<count).map { "W\($0)" }
    let values = CookieValues(names)
    for (place, name) in names.enumerated() { #expect(group(name, in: values) == Int32(place)) }
    for other in ["", "W", "w0", "W0 ", " W0", "W00", "W\(count)", String(repeating: "W", count: 5000)] {
      #expect(group(other, in: values) == -1, "\(other.prefix(20))")
    }
  }

  @Test func bytesThatAreNoTextNameNobody() {
    let values = CookieValues(["A", "B"])
    let bytes: [UInt8] = [0xFF, 0x00, 0xC3]
    #expect(bytes.withUnsafeBytes { values.group(named: $0) } == -1)
  }
}
