import Testing

@testable import Routing

struct HashingTests {
  @Test func `all forms of the same bytes have the same hash`() {
    let name = "S1L1-a-name-longer-than-sixteen-bytes"
    let bytes = Array(name.utf8)
    let expected = bytes.withUnsafeBytes { StableHash.hash($0) }
    #expect(StableHash.hash(bytes.span) == expected)
    #expect(StableHash.hash(name) == expected)
    #expect(StableHash.hash(literal: "S1L1-a-name-longer-than-sixteen-bytes") == expected)
  }

  @Test func `the hash is the one it has always been`() {
    #expect(StableHash.hash("") == 0x9CD5_50AC_7093_A16E)
    #expect(StableHash.hash("W14") == 0x411A_892E_86FB_C026)
    #expect(StableHash.hash("a name of more than sixteen bytes") == 0xA1C8_E65A_B7F4_4036)
    #expect(StableHash.hash("W14", seed: 1) == 0x4A5B_1992_98CA_2C0F)
    #expect(StableHash.hash(high: 0, low: 0xFFFF_7F00_0001) == 0xD752_5C57_ED35_ACB0)
    #expect(StableHash.combine(1, 2) == 0x2027_751C_F964_1E2A)
  }

  @Test func `bytes that differ in length, place or one bit have other hashes`() {
    var seen = Set<UInt64>()
    for length in 0..<70 {
      var bytes = [UInt8](repeating: 0, count: length)
      #expect(seen.insert(StableHash.hash(bytes.span)).inserted)
      for bit in 0..<8 * length {
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        #expect(seen.insert(StableHash.hash(bytes.span)).inserted)
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      }
    }
  }

  @Test func `one bit of input changes about half of the bits of the hash`() {
    var random = SplitMix64(seed: 1)
    for length in [1, 3, 8, 13, 16, 24, 33] {
      var flips = 0
      let rounds = 400
      for _ in 0..<rounds {
        var bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let before = StableHash.hash(bytes.span)
        bytes[Int(random.below(UInt32(length)))] ^= 1 << UInt8(random.below(8))
        flips += (before ^ StableHash.hash(bytes.span)).nonzeroBitCount
      }
      #expect(abs(Double(flips) / Double(rounds) - 32) < 1.5)
    }
  }

  @Test func `names that count up fill the upper bits evenly`() {
    var buckets = [Int](repeating: 0, count: 64)
    for number in 0..<64_000 { buckets[Int(StableHash.hash("10.1.2.\(number)") >> 58)] += 1 }
    for count in buckets { #expect((870...1130).contains(count)) }
  }
}

struct SplitMix64Tests {
  @Test func `the sequence is that of the published generator`() {
    // First outputs for seed 1234567 as printed in the generator's public test vectors.
    var random = SplitMix64(seed: 1_234_567)
    #expect(random.next() == 6_457_827_717_110_365_317)
    #expect(random.next() == 3_203_168_211_198_807_973)
  }

  @Test func `a split generator goes another way than its parent, the same way each time`() {
    var parent = SplitMix64(seed: 9)
    var twin = SplitMix64(seed: 9)
    var child = parent.split()
    var twinChild = twin.split()
    #expect(parent == twin)
    var seen = Set<UInt64>()
    for _ in 0..<1000 {
      let value = child.next()
      #expect(value == twinChild.next())
      #expect(seen.insert(value).inserted && seen.insert(parent.next()).inserted)
    }
  }

  @Test func `numbers below a bound are even and in range`() {
    var random = SplitMix64(seed: 2)
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[Int(random.below(7))] += 1 }
    for count in counts { #expect((9500...10_500).contains(count)) }
    #expect(random.below(1) == 0)
  }
}
