/// FNV-1a with 64 bits: enough to see that a body arrived whole and unchanged; no protection against intent.
struct BodyDigest: Sendable {
  private var state: UInt64 = 0xcbf2_9ce4_8422_2325

  /// Takes further bytes in.
  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    var state = state
    for byte in bytes { state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    self.state = state
  }

  /// 16 lower-case hexadecimal digits.
  var text: String { Hexadecimal.text(state) }
}
