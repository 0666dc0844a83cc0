import Glibc

/// Signals of the process as a stream, so that they are handled where the rest of the work is.
package enum ProcessSignals {
  /// The end of a pipe that the handler writes to; set once, before the handler is installed.
  nonisolated(unsafe) private static var pipeEnd: Int32 = -1

  /// From now on each of `signals` is delivered by the stream instead of by its default action. Call once a process.
  ///
  /// The handler only writes the signal's number into a pipe (write is async-signal-safe); a thread of its own reads it,
  /// because the pool of concurrency threads must not be blocked. SIGPIPE is ignored.
  package static func stream(_ signals: [Int32]) -> AsyncStream<Int32> {
    let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
    let reader = Reader(descriptor: descriptor(signals), continuation: continuation)
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Reader>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(reader).toOpaque())
    precondition(status == 0, "no thread for signals")
    return stream
  }

  /// The same for a loop of its own: each signal is one byte to be read from the descriptor. Call once a process.
  package static func descriptor(_ signals: [Int32]) -> Int32 {
    var ends: [Int32] = [-1, -1]
    precondition(pipe(&ends) == 0, "no descriptors left for a pipe")
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    pipeEnd = ends[1]
    signal(SIGPIPE, SIG_IGN)
    for number in signals {
      signal(number) { number in
        let saved = errno
        var byte = UInt8(truncatingIfNeeded: number)
        _ = write(ProcessSignals.pipeEnd, &byte, 1)
        errno = saved
      }
    }
    return ends[0]
  }

  private final class Reader: Sendable {
    private let descriptor: Int32
    private let continuation: AsyncStream<Int32>.Continuation

    init(descriptor: Int32, continuation: AsyncStream<Int32>.Continuation) {
      self.descriptor = descriptor
      self.continuation = continuation
    }

    func run() {
      var byte: UInt8 = 0
      while true {
        let count = read(descriptor, &byte, 1)
        if count == 1 {
          continuation.yield(Int32(byte))
        } else if count == 0 || errno != EINTR {
          break
        }
      }
      continuation.finish()
    }
  }
}
