internal import CReactor

/// What a reactor is told and tells: sockets, operations, what came of them.
extension Reactor {
  /// What a completion is about.
  public enum Operation: UInt8, Sendable {
    /// `receive`: result is bytes, 0 at the end of the stream, or -errno.
    case receive
    /// `awaitInput`: bytes, the end of the stream or an error can now be received.
    case input
    /// `send`: result is bytes, perhaps fewer than submitted, or -errno.
    case send
    /// `connect` or `establish`: result is 0 or -errno.
    case connect
    /// A listener has a connection: result is its descriptor, which the receiver must adopt or close; or -errno.
    case accept
    /// Both directions of a socket with no receive or send under way are gone (reset, or closed on both sides).
    case hangup
    /// Another thread called `wake`.
    case wake
    /// A descriptor watched by `watch` is readable.
    case readable
  }

  /// What came of an operation.
  public struct Completion: Sendable {
    /// The token given when the socket was registered.
    public var token: UInt64
    /// The operation that completed.
    public var operation: Operation
    /// As the operation says.
    public var result: Int
  }

  /// A registered socket; stale handles (closed, slot reused) are recognised and ignored.
  public struct Socket: Sendable, Equatable {
    @usableFromInline var index: UInt32
    @usableFromInline var generation: UInt32
    /// A handle that stands for no socket.
    public static let none = Socket(index: .max, generation: 0)
  }

  struct Flags: OptionSet {
    let rawValue: UInt16
    // These two are the kernel's bits for the same.
    static let readable = Flags(rawValue: UInt16(CR_IN))
    static let writable = Flags(rawValue: UInt16(CR_OUT))
    static let receiving = Flags(rawValue: 2)
    static let awaiting = Flags(rawValue: 8)
    static let sending = Flags(rawValue: 16)
    static let connecting = Flags(rawValue: 32)
    static let listener = Flags(rawValue: 64)
    static let wake = Flags(rawValue: 128)
    static let watch = Flags(rawValue: 256)
    static let ended = Flags(rawValue: 512)
    /// The peer's end of the stream was reported: no further edge will tell of it.
    static let closing = Flags(rawValue: 1024)
    /// The transport is being brought up for `establish`.
    static let establishing = Flags(rawValue: 2048)
    /// The end of the stream is to follow when what the transport has to say before it is out.
    static let ending = Flags(rawValue: 4096)
  }

  struct Slot {
    var descriptor: Int32 = -1
    var generation: UInt32 = 0
    var flags: Flags = []
    var partCount: UInt8 = 0
    var token: UInt64 = 0
    var bytes: UnsafeMutableRawPointer?
    var byteCount = 0
    var nextFree: UInt32 = .max
    /// What turns the socket's bytes into the stream; nil: they are it.
    var transport: UnsafeMutablePointer<cr_transport>?
  }
}

/// Wakes a reactor from any thread.
public struct Waker: Sendable {
  /// What is written to: a thread that wakes has to have it in its descriptor table.
  public let descriptor: Int32
  /// The reactor's wait ends with a `wake` completion; several calls may make one.
  public func wake() { cr_eventfd_wake(descriptor) }
}

/// An error code of the kernel.
public struct SystemError: Error, CustomStringConvertible, Equatable {
  /// The code, positive (errno).
  public var code: Int32
  /// From a code of either sign.
  public init(code: Int32) { self.code = code < 0 ? -code : code }
  /// The kernel's text for the code.
  public var description: String { String(cString: cr_error_text(code)) }
}
