internal import Glibc
internal import Topology

/// The socket on which a node takes commands, bound and not yet served.
public struct AdminListener: Sendable {
  /// Where it is.
  public let path: String
  /// The listening descriptor.
  public let descriptor: Int32
  private let inode: UInt

  /// Listens at a path. The socket is made beside it and put in its place when it has its permissions: nobody can connect
  /// before, and what an ended process left there is replaced.
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
    if error == 0, stat(temporary, &status) != 0 || rename(temporary, path) != 0 { error = errno }
    guard error == 0 else {
      close(descriptor)
      unlink(temporary)
      throw AdminError("no commands can be taken at \(path): \(UnixSocket.text(of: error))")
    }
    self.path = path
    self.descriptor = descriptor
    inode = status.st_ino
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

  /// Takes over a socket that listens at a path already, from another process; nil: it is at the path no more, or its permissions
  /// cannot be set.
  public init?(path: String, mode: UInt16, adopting descriptor: Int32) {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & mode_t(S_IFMT) == mode_t(S_IFSOCK) else { return nil }
    guard status.st_mode & 0o777 == mode_t(mode) || chmod(path, mode_t(mode)) == 0 else { return nil }
    self.path = path
    self.descriptor = descriptor
    inode = status.st_ino
  }

  /// Closes it, and removes the path unless another process has put its own there.
  public func remove() {
    var status = stat()
    if lstat(path, &status) == 0, status.st_ino == inode { unlink(path) }
    close(descriptor)
  }
}
