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
  /// - Throws: `AdminError` when the directory is not there or not writable, or what is at the path, or where it is made (with
  ///   `.new` behind it), is no socket.
  public init(path: String, mode: UInt16) throws(AdminError) {
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

  /// Closes it, and removes the path unless another process has put its own there.
  public func remove() {
    var status = stat()
    if lstat(path, &status) == 0, status.st_ino == inode { unlink(path) }
    close(descriptor)
  }
}
