internal import Routing

/// A stream of pseudo-random numbers in eight bytes: one for each user, node and link, so that adding one of them does not
/// disturb what the others draw.
///
/// The output of SplitMix64 with the default step, from a start that the stream's name decides. Two streams run through
/// parts of one sequence of 2^64 numbers, so the chance that a million streams of a million numbers overlap is below 10^-1
/// per cent, and an overlap would do no harm here.
struct RandomStream: RandomNumberGenerator, Sendable {
  private static let step: UInt64 = 0x9E37_79B9_7F4A_7C15
  private var state: UInt64

  /// The stream of a name under a seed.
  init(seed: UInt64, name: String) {
    state = StableHash.combine(seed, StableHash.hash(name))
  }

  /// The stream of a number, such as a user's, under a seed and a name already hashed.
  @inline(__always)
  init(seed: UInt64, hash: UInt64) {
    state = StableHash.combine(seed, hash)
  }

  /// The next 64 random bits.
  @inline(__always)
  mutating func next() -> UInt64 {
    state &+= Self.step
    return StableHash.avalanche(state)
  }

  /// From 0 up to, but not including, 1.
  @inline(__always)
  mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// True with this probability.
  @inline(__always)
  mutating func chance(_ share: Double) -> Bool { share > 0 && fraction() < share }

  /// From 0 up to, but not including, `bound`, which must be above 0.
  @inline(__always)
  mutating func below(_ bound: UInt32) -> UInt32 {
    UInt32(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// A time of this mean, exponentially distributed, in whole nanoseconds; at least 0.
  @inline(__always)
  mutating func exponential(mean: Int64) -> Int64 {
    // At most 36 years: sums with the clock's time do not overflow.
    Int64(min(Exponential.negativeLogarithm(next()) * Double(mean), 0x1p60))
  }
}

/// Minus the natural logarithm of a random fraction, by additions and multiplications only: the same bits on every machine.
enum Exponential {
  /// For i from 0 to 255: the logarithm of 1 + (i + 0.5) / 256, and its inverse.
  private static let table: InlineTable = InlineTable()

  private struct InlineTable {
    var logarithm = InlineArray<256, Double>(repeating: 0)
    var inverse = InlineArray<256, Double>(repeating: 0)

    init() {
      for index in 0..<256 {
        let centre = 1 + (Double(index) + 0.5) / 256
        // ln(c) = 2 artanh((c - 1) / (c + 1)); the ratio is below 1/3.
        let ratio = (centre - 1) / (centre + 1)
        var power = ratio
        var sum = 0.0
        for term in 0..<24 {
          sum += power / Double(2 * term + 1)
          power *= ratio * ratio
        }
        logarithm[index] = 2 * sum
        inverse[index] = 1 / centre
      }
    }
  }

  /// -ln(u) for u = (2 `bits` + 1) / 2^65: above 0, at most 44.4, exact to 1e-9.
  @inline(__always)
  static func negativeLogarithm(_ bits: UInt64) -> Double {
    let value = bits | 1
    let zeros = value.leadingZeroBitCount
    let mantissa = value << UInt64(zeros)
    let index = Int(mantissa >> 55 & 0xFF)
    let fraction = Double(mantissa >> 11) * 0x1p-52
    let offset = fraction * table.inverse[index] - 1
    let small = offset - offset * offset * (0.5 - offset * (1.0 / 3))
    return Double(zeros + 1) * 0.6931471805599453 - table.logarithm[index] - small
  }
}
