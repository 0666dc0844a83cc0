internal import Glibc
internal import Topology

/// The socket on which a node takes commands, bound and not yet served.
public struct AdminListener: Sendable {
  /// Where it is.
  public let path: String
  /// The listening descriptor.
  public let descriptor: Int32
  /// The file that the socket is: another one at the path is somebody else's.
  public let inode: UInt

  /// Listens beside a path, with `.new` behind it. What an ended process left at the path is replaced at once; a socket that somebody
  /// listens at stays until `takePlace`, so that a start that fails takes nobody's commands away. The place is taken by renaming: nobody
  /// can connect before the socket has its permissions.
  /// Its folder is made if it is not there. In one that everybody may write to, as /tmp, nobody but its owner may remove what is there.
  /// - Throws: `AdminError` when the folder is not writable, or is somebody else's, or what is at the path, or where it is made (with
  ///   `.new` behind it), is no socket.
  public init(path: String, mode: UInt16) throws(AdminError) {
    try Self.makeFolder(of: path)
    var status = stat()
    let temporary = path + AdminPlan.unfinishedSuffix
    for name in [path, temporary]
    where lstat(name, &status) == 0 && status.st_mode & mode_t(S_IFMT) != mode_t(S_IFSOCK) {
      throw AdminError("\(name) is there and no socket: remove it, or name another path in \"admin:\"")
    }
    let descriptor = UnixSocket.make()
    guard descriptor >= 0 else { throw AdminError("no socket: \(UnixSocket.text(of: -descriptor))") }
    unlink(temporary)
    let bound = UnixSocket.withAddress(temporary) { bind(descriptor, $0, $1) == 0 ? 0 : errno }
    var error = bound ?? ENAMETOOLONG
    if error == 0, chmod(temporary, mode_t(mode)) != 0 || listen(descriptor, 16) != 0 { error = errno }
    if error == 0, stat(temporary, &status) != 0 { error = errno }
    guard error == 0 else {
      close(descriptor)
      unlink(temporary)
      throw AdminError("no commands can be taken at \(path): \(UnixSocket.text(of: error))")
    }
    self.path = path
    self.descriptor = descriptor
    inode = status.st_ino
    guard !Self.isServed(path) else { return }
    do throws(AdminError) {
      try takePlace()
    } catch {
      remove()
      throw error
    }
  }

  /// Whether somebody listens at a path.
  private static func isServed(_ path: String) -> Bool {
    let probe = UnixSocket.make()
    guard probe >= 0 else { return false }
    defer { close(probe) }
    let code = UnixSocket.withAddress(path) { connect(probe, $0, $1) == 0 ? 0 : errno }
    // Who does not let us in, or has a full queue, is there nevertheless.
    return code != nil && code != ENOENT && code != ECONNREFUSED && code != ENOTDIR
  }

  /// Whether the path leads to this socket.
  public var isInPlace: Bool { isOwn(path) }

  /// Whether the path leads to another socket, or to none. False where this process may not look.
  public var isDisplaced: Bool {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_ino != inode : errno == ENOENT
  }

  /// Where the socket is found when another process has taken its place.
  public var asidePath: String { path + AdminPlan.displacedSuffix }

  /// Whether it is found there.
  public var isAside: Bool { isOwn(asidePath) }

  private func isOwn(_ name: String) -> Bool {
    var status = stat()
    return lstat(name, &status) == 0 && status.st_ino == inode
  }

  /// The path leads to this socket from now on. Who listened there before is found beside it (`AdminPlan.displacedSuffix`). Nothing if it
  /// does already.
  /// - Throws: `AdminError` when the folder is not writable any more, or another process has put its own socket where this one was made.
  public func takePlace() throws(AdminError) {
    if isInPlace { return }
    let temporary = path + AdminPlan.unfinishedSuffix
    guard isOwn(temporary) else {
      throw AdminError(
        "no commands can be taken at \(path): another process begins to take them there: stop one of the two")
    }
    if Self.isServed(path) {
      let aside = path + AdminPlan.displacedSuffix
      unlink(aside)
      // Who cannot be put aside is out of reach, as its path is lost.
      _ = link(path, aside)
    }
    guard rename(temporary, path) == 0 else {
      throw AdminError("no commands can be taken at \(path): \(UnixSocket.text(of: errno))")
    }
  }

  /// Makes the socket a user's and a group's, so that their process can take it away.
  public func give(to user: UInt32, _ group: UInt32) {
    for name in [path, path + AdminPlan.unfinishedSuffix] where isOwn(name) { _ = chown(name, user, group) }
  }

  /// Makes the folders above a path that are not there, and looks who else may put something into the last one.
  private static func makeFolder(of path: String) throws(AdminError) {
    let steps = path.split(separator: "/").dropLast()
    var folder = ""
    for step in steps {
      folder += "/\(step)"
      if mkdir(folder, 0o755) != 0, errno != EEXIST, errno != EROFS, errno != EACCES, errno != EPERM {
        throw AdminError("no commands can be taken at \(path): \(folder): \(UnixSocket.text(of: errno))")
      }
    }
    var status = stat()
    guard !folder.isEmpty, stat(folder, &status) == 0 else { return }
    let mode = UInt32(status.st_mode)
    if mode & 0o002 != 0, mode & 0o1000 == 0 {
      throw AdminError(
        "no commands can be taken at \(path): everybody may replace what is in \(folder); chmod o-w \(folder), or name another folder"
      )
    }
    if geteuid() != 0, status.st_uid != 0, status.st_uid != geteuid() {
      throw AdminError("no commands can be taken at \(path): \(folder) belongs to another user; name another folder")
    }
  }

  /// Takes over a socket that listens already, from another process; nil: it is neither at the path nor beside it any more, or has other
  /// permissions.
  /// - Parameter inode: the file that it is; nil: the other process did not say, so what is at the path is believed to be it.
  public init?(path: String, mode: UInt16, adopting descriptor: Int32, inode: UInt? = nil) {
    var status = stat()
    let isThere = [path, path + AdminPlan.displacedSuffix].contains { name in
      lstat(name, &status) == 0 && status.st_mode & mode_t(S_IFMT) == mode_t(S_IFSOCK)
        && (inode.map { status.st_ino == $0 } ?? (name == path))
    }
    guard isThere, status.st_mode & 0o777 == mode_t(mode) else { return nil }
    self.path = path
    self.descriptor = descriptor
    self.inode = status.st_ino
  }

  /// Closes it, and removes the path unless another process has put its own there.
  public func remove() {
    for suffix in ["", AdminPlan.unfinishedSuffix, AdminPlan.displacedSuffix] where isOwn(path + suffix) {
      unlink(path + suffix)
    }
    close(descriptor)
  }
}
