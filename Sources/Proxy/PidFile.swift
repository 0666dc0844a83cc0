internal import CReactor
internal import Glibc
internal import Synchronization

/// The file that tells the id of a node's process, for scripts and service managers.
///
/// A process that has it holds a lock on it, of its open file description (fcntl(2), F_OFD_SETLK), which ends with the process however that
/// ends: a file left over by one that was killed is taken, one that a living process holds is not. A process that takes over from another
/// is given the descriptor, and the lock with it, so that nobody comes between them; whose id stands in the file has it. A process that
/// leaves its addresses to others for a while (`Pause`) leaves them the file, too.
public final class PidFile: Sendable {
  /// Where it is.
  public let path: String
  /// The open file, with its lock.
  let descriptor: Int32
  /// Whether it is taken away at the end. One that was handed over is the other process's until that leaves: if this one fails before,
  /// the other goes on, and writes its own id again.
  private let isOwn: Atomic<Bool>
  private let holdsLock = Atomic(true)
  /// Others that have the place between it was opened and locked, at most.
  private static let attemptsMax = 100

  /// Locks the file for this process, and makes it if it is not there. It is written by `write`.
  ///
  /// - Throws: `NodeError` of the kind `alreadyRunning` when a living process holds it, `system` when it cannot be written.
  public init(_ path: String) throws(NodeError) {
    self.path = path
    for _ in 0..<Self.attemptsMax {
      let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0o644)
      guard descriptor >= 0 else { throw Self.unwritable(path, String(cString: strerror(errno))) }
      var own = stat()
      var there = stat()
      guard fstat(descriptor, &own) == 0, own.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG) else {
        close(descriptor)
        throw Self.unwritable(path, "it is no file")
      }
      let status = cr_lock_file(descriptor)
      guard status == 0 else {
        let holder = Self.id(in: descriptor)
        close(descriptor)
        guard status == -EAGAIN || status == -EACCES else {
          throw Self.unwritable(path, String(cString: cr_error_text(status)))
        }
        throw Self.held(path, by: holder)
      }
      // Its holder before may have taken it away meanwhile: then the lock is on nobody's file.
      if lstat(path, &there) == 0, own.st_dev == there.st_dev, own.st_ino == there.st_ino {
        self.descriptor = descriptor
        isOwn = Atomic(true)
        return
      }
      close(descriptor)
    }
    throw Self.unwritable(path, "others take it away again and again")
  }

  /// Goes on with a file that the process before has opened and locked. `own` makes it this one's.
  init(_ path: String, adopting descriptor: Int32) {
    self.path = path
    self.descriptor = descriptor
    isOwn = Atomic(false)
  }

  /// The process before does not come back: the file goes with this one.
  func own() { isOwn.store(true, ordering: .relaxed) }

  /// Whether this process has the lock.
  var isHeld: Bool { holdsLock.load(ordering: .relaxed) }

  /// Gives the lock up: another process may take the file. This one's id stands in it until then.
  func release() {
    _ = cr_unlock_file(descriptor)
    holdsLock.store(false, ordering: .relaxed)
  }

  /// Takes the lock again, and writes the id again, as another process may have written its own.
  /// - Parameter isOutOfSight: the path does not lead to the file from here (chroot), so that it cannot be made anew.
  /// - Returns: the file: another one than this where it was taken away meanwhile; this one is closed then.
  /// - Throws: `NodeError` of the kind `alreadyRunning` when a living process holds it, `system` when it cannot be written. It stays
  ///   without the lock.
  func takeAgain(isOutOfSight: Bool) throws(NodeError) -> PidFile {
    let status = cr_lock_file(descriptor)
    if status == 0, isInPlace(isOutOfSight: isOutOfSight) {
      try write()
      holdsLock.store(true, ordering: .relaxed)
      return self
    }
    if status == 0 {
      _ = cr_unlock_file(descriptor)
    } else if isOutOfSight {
      throw Self.held(path, by: Self.id(in: descriptor))
    }
    if isOutOfSight { throw Self.unwritable(path, "it was taken away, and is out of reach") }
    let file = try PidFile(path)
    do throws(NodeError) {
      try file.write()
    } catch {
      file.remove()
      throw error
    }
    close(descriptor)
    return file
  }

  /// Whether the path leads to this file; where nobody may look, whether it is there at all.
  private func isInPlace(isOutOfSight: Bool) -> Bool {
    var own = stat()
    var there = stat()
    guard fstat(descriptor, &own) == 0 else { return false }
    if !isOutOfSight {
      if lstat(path, &there) == 0 { return own.st_dev == there.st_dev && own.st_ino == there.st_ino }
      if errno == ENOENT { return false }
    }
    return own.st_nlink > 0
  }

  private static func held(_ path: String, by holder: Int32?) -> NodeError {
    NodeError(
      kind: .alreadyRunning,
      description:
        "\(path) is held by process \(holder.map { "\($0)" } ?? "(without an id)"), which lives: stop it, or give this node another \"pidfile:\""
    )
  }

  private static func unwritable(_ path: String, _ reason: String) -> NodeError {
    NodeError(kind: .system, description: "the pid file \(path) cannot be written: \(reason); name a writable place")
  }

  /// Writes this process's id: who reads it finds an id, the old or the new one.
  public func write() throws(NodeError) {
    let text = Array("\(getpid())\n".utf8)
    guard pwrite(descriptor, text, text.count, 0) == text.count, ftruncate(descriptor, off_t(text.count)) == 0 else {
      throw Self.unwritable(path, String(cString: strerror(errno)))
    }
  }

  /// Takes the file away at a clean end, unless another process has taken it over, or is to go on with it. Where privileges that were given up are missing for
  /// that, or the place is outside of the root directory, it is emptied instead.
  public func remove() {
    defer { close(descriptor) }
    guard isOwn.load(ordering: .relaxed) else { return }
    // Whoever has taken it meanwhile may not have written its id yet.
    guard isHeld || cr_lock_file(descriptor) == 0 else { return }
    var own = stat()
    var there = stat()
    guard fstat(descriptor, &own) == 0 else { return }
    // Nothing stands in one that was made for this process and never written.
    if let id = Self.id(in: descriptor), id != getpid() { return }
    let isSeen = lstat(path, &there) == 0
    // Replaced by somebody. Out of sight: it may be ours still.
    if isSeen && (own.st_dev != there.st_dev || own.st_ino != there.st_ino) { return }
    if !isSeen || unlink(path) != 0 { _ = ftruncate(descriptor, 0) }
  }

  /// The id that stands in an open file; nil: none.
  private static func id(in descriptor: Int32) -> Int32? {
    var bytes = [UInt8](repeating: 0, count: 32)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    let digits = bytes.prefix(max(0, count)).prefix { $0 >= 0x30 && $0 <= 0x39 }
    return Int32(String(decoding: digits, as: UTF8.self))
  }
}
