internal import CReactor

/// Why there is no thread.
public struct ThreadFailure: Error, Equatable, CustomStringConvertible {
  /// What the thread was for, as it would have been named.
  public let name: String
  /// The error's number, negative.
  public let code: Int32

  /// A failure of a thread, with the error's number, negative.
  public init(name: String, code: Int32) {
    self.name = name
    self.code = code
  }

  /// In words, with the mend.
  public var description: String {
    "no thread could be started for \(name): \(String(cString: cr_error_text(code))); raise the limit on threads (ulimit -u, TasksMax=)"
  }
}

/// Threads of the process: each does one thing, and ends by itself.
public enum ServiceThread {
  /// What a thread is started with.
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Enough of a stack for those that read a few lines and answer, in bytes.
  public static let smallStack = 1 << 20

  /// Runs something on a thread of its own, of the priority of the calling thread.
  /// - Parameters:
  ///   - name: as `ps -L` and /proc show it; the kernel keeps 15 bytes.
  ///   - stackBytes: the bound of its stack; 0: the system's (`ulimit -s`).
  /// - Throws: `ThreadFailure` when the system gives none; `body` is not run then.
  public static func start(_ name: String, stackBytes: Int = 0, _ body: @escaping @Sendable () -> Void)
    throws(ThreadFailure)
  {
    let unmanaged = Unmanaged.passRetained(Body(body))
    let status = cr_thread_start(
      { argument in
        Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, unmanaged.toOpaque(), String(decoding: name.utf8.prefix(15), as: UTF8.self), stackBytes)
    if status >= 0 { return }
    unmanaged.release()
    throw ThreadFailure(name: name, code: status)
  }
}
