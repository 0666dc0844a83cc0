internal import CReactor
internal import Glibc
internal import Topology

/// Puts a command socket in its place for a process that may not do so any more when the time has come, having given up its rights or its
/// root directory: a process that stays as that one was, does this one thing when it is asked to, and ends with it.
public struct AdminPlacer: Sendable {
  private let path: String
  private let line: Int32
  private let process: Int32

  /// In milliseconds: it renames a file.
  private static let answerMilliseconds: Int32 = 10_000

  /// For a socket that was made beside its place. Before rights are given up.
  /// - Throws: `AdminError` when no process can be started.
  public init(_ listener: AdminListener) throws(AdminError) {
    path = listener.path
    var process: Int32 = -1
    line = cr_placer_start(
      path + AdminPlan.unfinishedSuffix, path, listener.asidePath, UInt64(listener.inode), &process)
    self.process = process
    guard line >= 0 else {
      throw AdminError(
        "no commands can be taken at \(path): no process could be started: \(UnixSocket.text(of: -line)); raise the limit on processes"
      )
    }
  }

  /// The path leads to the socket from now on; who listens there now is found beside it. Once.
  /// - Throws: `AdminError` when the folder is not writable any more, or another process has put its own socket where this one was made.
  public func take() throws(AdminError) {
    let status = cr_placer_take(line, Self.answerMilliseconds)
    end()
    if status == -EEXIST {
      throw AdminError(
        "no commands can be taken at \(path): another process begins to take them there: stop one of the two")
    }
    guard status == 0 else {
      throw AdminError("no commands can be taken at \(path): \(UnixSocket.text(of: -status))")
    }
  }

  /// It will not be needed: what was made for it is taken away.
  public func cancel() { end() }

  private func end() {
    _ = cr_close(line)
    var status: Int32 = 0
    _ = cr_reap(process, &status)
  }
}
