import Glibc

/// A process started by `deploy all`.
struct ChildProcess {
  /// Its number.
  let pid: pid_t
  /// The read end of its standard error, non-blocking.
  let errorOutput: Int32

  /// How a process ended.
  enum Ending: Equatable {
    case exited(Int32)
    case signalled(Int32)

    /// It ended by itself, and told why.
    var isFailure: Bool {
      if case .exited(let status) = self { return status != 0 }
      return false
    }

    /// As a sentence says it.
    var text: String {
      switch self {
      case .exited(0): return "stopped"
      case .exited(let status): return "failed with exit code \(status)"
      case .signalled(SIGKILL): return "was killed (SIGKILL)"
      case .signalled(SIGTERM): return "was ended (SIGTERM)"
      case .signalled(let number):
        return "died of signal \(number)" + (strsignal(number).map { " (\(String(cString: $0)))" } ?? "")
      }
    }
  }

  /// Starts `arguments` (the first is the program's path) in a process group of its own, so that Ctrl-C on the terminal
  /// reaches the supervisor only. Standard input is `lifeline`.
  static func start(arguments: [String], lifeline: Int32) throws -> ChildProcess {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw DeployFailure.runtime("no pipe: \(String(cString: strerror(errno)))") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, lifeline, 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setpgroup(&attributes, 0)
    var defaults = sigset_t()
    sigfillset(&defaults)
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF))

    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var pid: pid_t = 0
    let status = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, &words, environ)
    close(ends[1])
    guard status == 0 else {
      close(ends[0])
      throw DeployFailure.runtime("cannot start a process: \(String(cString: strerror(status)))")
    }
    return ChildProcess(pid: pid, errorOutput: ends[0])
  }

  /// Nil while it runs; collects it when it ended.
  func ending() -> Ending? {
    var status: Int32 = 0
    let result = waitpid(pid, &status, WNOHANG)
    if result == 0 || (result < 0 && errno == EINTR) { return nil }
    // wait(2): the low seven bits are the signal, zero means an exit whose code is in the next byte.
    let signal = status & 0x7F
    return signal == 0 ? .exited(status >> 8 & 0xFF) : .signalled(signal)
  }

  /// What it wrote since the last call; empty when nothing.
  func drainErrorOutput() -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    // A flood must not keep the supervisor from its other work: the rest is read the next time.
    while bytes.count < 65_536 {
      let count = read(errorOutput, &buffer, buffer.count)
      if count <= 0 { break }
      bytes += buffer[..<count]
    }
    return bytes
  }
}
