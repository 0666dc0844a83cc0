import Glibc

/// How a child of `deploy all` ends with its supervisor, however that ended.
///
/// Standard input of a child is a pipe whose other end only the supervisor holds, so its end is the supervisor's. (A death
/// signal asked of the kernel would be tied to one thread of the supervisor, and lost if the supervisor died first.)
enum Supervision {
  /// From now on the end of standard input is taken as SIGTERM.
  static func stopWithSupervisor() {
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { _ in
        var byte: UInt8 = 0
        while true {
          let count = read(0, &byte, 1)
          if count == 0 || (count < 0 && errno != EINTR) { break }
        }
        kill(getpid(), SIGTERM)
        return nil
      }, nil)
    if status == 0 { pthread_detach(thread) }
  }
}
