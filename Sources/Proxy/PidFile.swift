internal import Glibc

/// The file that tells the id of a node's process, for scripts and service managers.
///
/// A process that has written it holds a lock on it (flock(2)), which ends with the process however that ends: a file left over by one
/// that was killed is replaced, one that a living process holds is not. It is written beside its place and moved there, so that who reads
/// it finds an id, the old or the new one.
///
/// For the process that takes over from another while both live: make one with `takingOverFrom` its id. The older one leaves the file
/// alone at its end then, since it is not its own any more.
public final class PidFile: Sendable {
  /// Where it is.
  public let path: String
  private let descriptor: Int32

  /// Writes the file for this process, and holds it from now on.
  ///
  /// - Parameter predecessor: the id of the process that may hold it; nil: none may.
  /// - Throws: `NodeError` of the kind `alreadyRunning` when a living process holds it, `system` when it cannot be written.
  public init(_ path: String, takingOverFrom predecessor: Int32? = nil) throws(NodeError) {
    self.path = path
    if let holder = Self.holder(of: path), holder != predecessor {
      throw NodeError(
        kind: .alreadyRunning,
        description:
          "\(path) is held by process \(holder), which lives: stop it, or give this node another \"pidfile:\"")
    }
    let temporary = "\(path).\(getpid())"
    unlink(temporary)
    let descriptor = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    var isWritten = descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) == 0
    let text = Array("\(getpid())\n".utf8)
    isWritten = isWritten && write(descriptor, text, text.count) == text.count && rename(temporary, path) == 0
    guard isWritten else {
      let reason = String(cString: strerror(errno))
      if descriptor >= 0 {
        unlink(temporary)
        close(descriptor)
      }
      throw NodeError(
        kind: .system, description: "the pid file \(path) cannot be written: \(reason); name a writable place")
    }
    self.descriptor = descriptor
  }

  /// Takes the file away at a clean end, unless another process has taken it over. Where privileges that were given up are missing for
  /// that, or the place is outside of the root directory, it is emptied instead.
  public func remove() {
    var own = stat()
    var there = stat()
    guard fstat(descriptor, &own) == 0 else { return }
    let isSeen = lstat(path, &there) == 0
    // Taken over: another file stands there. Out of sight: it may be ours still.
    if isSeen && (own.st_dev != there.st_dev || own.st_ino != there.st_ino) { return }
    if !isSeen || unlink(path) != 0 { _ = ftruncate(descriptor, 0) }
    close(descriptor)
  }

  /// The living process that holds the file of a path; nil: none.
  public static func holder(of path: String) -> Int32? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    if flock(descriptor, LOCK_SH | LOCK_NB) == 0 { return nil }
    guard errno == EWOULDBLOCK else { return nil }
    var bytes = [UInt8](repeating: 0, count: 32)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    let digits = bytes.prefix(max(0, count)).prefix { $0 >= 0x30 && $0 <= 0x39 }
    return Int32(String(decoding: digits, as: UTF8.self)) ?? 0
  }
}
