/// A small, fast, seedable generator of pseudo-random numbers whose sequence is the same on every machine and version.
///
/// SplitMix64 after Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014). The decision
/// core takes its randomness from a value of this type, so that a run can be repeated from its seed. Not for secrets.
public struct SplitMix64: RandomNumberGenerator, Sendable, Equatable {
  /// 2^64 divided by the golden ratio, made odd: the step of the paper's default generator.
  private static let goldenStep: UInt64 = 0x9E37_79B9_7F4A_7C15

  private var state: UInt64
  /// Odd; two generators with different steps do not run through the same sequence.
  private let step: UInt64

  /// A generator whose sequence depends on `seed` alone.
  public init(seed: UInt64) {
    state = seed
    step = Self.goldenStep
  }

  private init(state: UInt64, step: UInt64) {
    self.state = state
    self.step = step
  }

  /// The next 64 random bits.
  @inline(__always)
  public mutating func next() -> UInt64 {
    state &+= step
    return StableHash.avalanche(state)
  }

  /// A number from 0 up to, but not including, `bound`, which must be above 0.
  ///
  /// Multiply-and-shift without rejection: the bias is below 2^-32, the cost one multiplication.
  @inline(__always)
  public mutating func below(_ bound: UInt32) -> UInt32 {
    UInt32(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// A generator independent of this one, for another worker, server or user. This one goes on after it.
  public mutating func split() -> SplitMix64 {
    let seed = next()
    var newStep = StableHash.avalanche(next()) | 1
    // A step with long runs of equal bits would weaken the sequence (section 5 of the paper).
    if (newStep ^ (newStep >> 1)).nonzeroBitCount < 24 { newStep ^= 0xAAAA_AAAA_AAAA_AAAA }
    return SplitMix64(state: seed, step: newStep)
  }
}
