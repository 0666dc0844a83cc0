/// Something due at a moment of virtual time: 16 bytes, so that millions fit into memory and four into a cache line.
///
/// Events are ordered by time, then by what they are about, so that the order of equal times does not depend on the order
/// in which they were scheduled.
struct Event: Equatable, Sendable {
  /// Virtual nanoseconds since the start.
  var time: Int64
  /// What happens (8 bits), a token that tells a stale event from a current one (24 bits), and whom it concerns (32 bits).
  var payload: UInt64

  /// The largest token.
  static let tokenMask: UInt32 = 0xFF_FFFF

  @inline(__always)
  init(time: Int64, payload: UInt64) {
    self.time = time
    self.payload = payload
  }

  @inline(__always)
  init(_ time: Int64, kind: UInt8, token: UInt32 = 0, index: Int32) {
    self.time = time
    payload = UInt64(kind) << 56 | UInt64(token & Self.tokenMask) << 32 | UInt64(UInt32(bitPattern: index))
  }

  @inline(__always) var kind: UInt8 { UInt8(truncatingIfNeeded: payload >> 56) }
  @inline(__always) var token: UInt32 { UInt32(truncatingIfNeeded: payload >> 32) & Self.tokenMask }
  @inline(__always) var index: Int32 { Int32(truncatingIfNeeded: payload) }

  @inline(__always)
  static func < (first: Event, second: Event) -> Bool {
    first.time < second.time || (first.time == second.time && first.payload < second.payload)
  }
}
