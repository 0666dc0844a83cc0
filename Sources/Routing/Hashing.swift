/// The hash of the decision core: 64 bits over bytes, the same on every machine, process and version.
///
/// Rendezvous hashing depends on it (rule B5: the same replacement on every worker and balancer with no shared
/// state), so a change of the function moves sessions that have lost their server; it is fixed by known answers in the
/// tests. It folds 128-bit products, the idea of the wyhash family, 16 bytes a step, and ends in an avalanche.
/// Not a defence against chosen keys.
public enum StableHash {
  // Fractional digits of pi: numbers with nothing up their sleeve.
  private static let keyA: UInt64 = 0x243F_6A88_85A3_08D3
  private static let keyB: UInt64 = 0x1319_8A2E_0370_7344
  private static let keyC: UInt64 = 0xA409_3822_299F_31D0

  /// The hash of `bytes`; `seed` selects one of 2^64 functions.
  public static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
    var state = seed ^ keyC
    var offset = 0
    let count = bytes.count
    while count - offset >= 16 {
      state = fold(word(bytes, offset) ^ keyA, word(bytes, offset + 8) ^ state)
      offset += 16
    }
    var first: UInt64 = 0
    var second: UInt64 = 0
    let rest = count - offset
    if rest >= 8 {
      first = word(bytes, offset)
      second = tail(bytes, offset + 8, rest - 8)
    } else {
      first = tail(bytes, offset, rest)
    }
    state = fold(first ^ keyA, second ^ state)
    // The length tells "a" from "a" followed by zero bytes.
    return avalanche(fold(state ^ keyB, UInt64(count) ^ keyA))
  }

  /// The hash of `bytes`; equal to the hash of the same bytes in any other form.
  public static func hash(_ bytes: Span<UInt8>, seed: UInt64 = 0) -> UInt64 {
    bytes.withUnsafeBytes { hash($0, seed: seed) }
  }

  /// The hash of the UTF-8 bytes of a name. For names at load: it may copy the string.
  public static func hash(_ name: String, seed: UInt64 = 0) -> UInt64 {
    var name = name
    return name.withUTF8 { hash(UnsafeRawBufferPointer($0), seed: seed) }
  }

  /// The hash of the UTF-8 bytes of a literal.
  public static func hash(literal: StaticString, seed: UInt64 = 0) -> UInt64 {
    literal.withUTF8Buffer { hash(UnsafeRawBufferPointer($0), seed: seed) }
  }

  /// The hash of a 128-bit number, such as an address, its high half first.
  @inline(__always)
  public static func hash(high: UInt64, low: UInt64) -> UInt64 {
    avalanche(fold(high ^ keyA, low ^ keyC))
  }

  /// Two hashes made one; the order matters.
  @inline(__always)
  public static func combine(_ first: UInt64, _ second: UInt64) -> UInt64 {
    avalanche(first &+ avalanche(second ^ keyA))
  }

  /// A one-to-one mapping in which each bit of `value` changes each bit of the result about half of the time
  /// (the finishing step of SplitMix64, variant 13 of Stafford).
  @inline(__always)
  public static func avalanche(_ value: UInt64) -> UInt64 {
    var mixed = value
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// Both halves of the 128-bit product, and the factors again so that a factor of zero loses nothing of the other.
  @inline(__always)
  private static func fold(_ first: UInt64, _ second: UInt64) -> UInt64 {
    let product = first.multipliedFullWidth(by: second)
    return (product.low ^ first) &+ (product.high ^ second)
  }

  @inline(__always)
  private static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  /// Up to 8 bytes, the first the least significant.
  @inline(__always)
  private static func tail(_ bytes: UnsafeRawBufferPointer, _ offset: Int, _ count: Int) -> UInt64 {
    if count == 8 { return word(bytes, offset) }
    // Reads that overlap give the bytes in between twice, each time in the same place.
    if count >= 4 {
      let first = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
      let last = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset &+ count &- 4, as: UInt32.self))
      return UInt64(first) | UInt64(last) &<< UInt64(8 &* (count &- 4))
    }
    if count == 0 { return 0 }
    let middle = count &>> 1
    let value =
      UInt64(bytes[offset]) | UInt64(bytes[offset &+ middle]) &<< UInt64(8 &* middle)
      | UInt64(bytes[offset &+ count &- 1]) &<< UInt64(8 &* (count &- 1))
    return value
  }
}
