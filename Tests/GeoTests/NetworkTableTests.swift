import TestRandom
import Testing
import Topology

@testable import Geo

@Suite struct NetworkTableTests {
  @Test func theLongestPrefixWins() throws {
    let table = try NetworkTable(
      ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "2001:db8::/32"].map(Network.init(parsing:)))
    func number(_ text: String) throws -> Int? {
      let address = try Network(parsing: text)
      return table.number(high: address.high, low: address.low)
    }
    #expect(try number("9.255.255.255") == nil)
    #expect(try number("10.0.0.0") == 0)
    #expect(try number("10.1.0.0") == 1)
    #expect(try number("10.1.2.2") == 1)
    #expect(try number("10.1.2.3") == 2)
    #expect(try number("10.1.2.4") == 1)
    #expect(try number("10.2.0.0") == 0)
    #expect(try number("10.255.255.255") == 0)
    #expect(try number("11.0.0.0") == nil)
    #expect(try number("2001:db8:ffff::") == 3)
    #expect(try number("2001:db9::") == nil)
    #expect(try number("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") == nil)
  }

  @Test func anEmptyTableHasNothing() {
    #expect(NetworkTable([]).number(high: 0, low: 0) == nil)
  }

  /// Against the plain definition, with ranges that nest, touch, repeat and reach both ends of the address space.
  @Test(arguments: 0..<200) func itAnswersAsTheDefinitionDoes(seed: UInt64) {
    var random = Generator(seed: seed)
    let networks = (0..<Int.random(in: 1...40, using: &random)).map { _ -> Network in
      let length = Int.random(in: 0...128, using: &random)
      // Few distinct bits, so that ranges meet.
      let high: UInt64 = [0, .max, 1 << 63, 0x2001_0db8_0000_0000].randomElement(using: &random) ?? 0
      let low: UInt64 =
        [0, .max, 0xFFFF_0A00_0000, 0xFFFF_0A01_0000, 0xFFFF_0A01_0203].randomElement(using: &random) ?? 0
      return Network(high: high, low: low, prefixLength: length).masked
    }
    let table = NetworkTable(networks)
    for network in networks + [Network(high: 0, low: 0, prefixLength: 0)] {
      let hosts = 128 - network.prefixLength
      let lastLow = network.low | (hosts >= 64 ? .max : (UInt64(1) << UInt64(hosts)) - 1)
      let lastHigh = network.high | (hosts <= 64 ? 0 : hosts == 128 ? .max : (UInt64(1) << UInt64(hosts - 64)) - 1)
      let edges = [(network.high, network.low), (lastHigh, lastLow)]
      let beside = edges.flatMap { high, low in
        [
          (high, low), (low == .max ? high &+ 1 : high, low &+ 1), (low == 0 ? high &- 1 : high, low &- 1),
        ]
      }
      for (high, low) in beside {
        let around = networks.indices.filter { networks[$0].contains(high: high, low: low) }
        let longest = around.map { networks[$0].prefixLength }.max()
        let expected = around.first { networks[$0].prefixLength == longest }
        #expect(table.number(high: high, low: low) == expected)
      }
    }
  }
}
