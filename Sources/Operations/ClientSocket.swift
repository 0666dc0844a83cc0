internal import CReactor
internal import Glibc

/// A connection of a server that polls: what has come and is not used yet, what is still to be sent, and how long it may take.
struct ClientSocket {
  /// Bytes received at a time.
  private static let pieceBytes = 4_096

  let descriptor: Int32
  var input: [UInt8] = []
  /// To be sent from here on.
  private(set) var output: [UInt8] = []
  private var written = 0
  /// When it ends at the latest, in milliseconds of `now()`.
  var endsAt: Int64

  /// A connection that was accepted.
  init(descriptor: Int32, endsAt: Int64) {
    self.descriptor = descriptor
    self.endsAt = endsAt
  }

  /// What came of receiving.
  enum Received { case bytes, nothing, end, failure }

  /// Appends what there is to `input`; what is not `kept` is thrown away.
  mutating func receive(kept: Bool = true) -> Received {
    var buffer = [UInt8](repeating: 0, count: Self.pieceBytes)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    if count > 0 {
      if kept { input += buffer[..<count] }
      return .bytes
    }
    if count == 0 { return .end }
    return errno == EAGAIN || errno == EINTR ? .nothing : .failure
  }

  /// Adds to what is to be sent.
  mutating func append(_ bytes: some Sequence<UInt8>) { output += bytes }

  /// Sends what the kernel takes. False: nothing can be sent any more.
  /// - Parameter moved: called when some was taken.
  mutating func send(moved: (inout ClientSocket) -> Void = { _ in }) -> Bool {
    while written < output.count {
      let (descriptor, start) = (descriptor, written)
      let count = output.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress! + start, $0.count - start, Int32(MSG_NOSIGNAL))
      }
      if count < 0 {
        if errno == EINTR { continue }
        return errno == EAGAIN
      }
      written += count
      moved(&self)
    }
    output = []
    written = 0
    return true
  }

  /// Milliseconds of a clock that only runs forward.
  static func now() -> Int64 { cr_monotonic() / 1_000_000 }
}
