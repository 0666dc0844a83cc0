internal import CReactor
internal import Glibc
internal import Reactor
internal import Topology

/// A root directory of the process's own (chroot(2)), and what has to be there.
///
/// Files that are read again while the node runs are named by paths that lead to the same place before and after: from the new root, which
/// is the working directory from the beginning. What could not be reached from there is refused before anything is bound.
enum Confinement {
  /// The plan and options of a node as they are good on both sides of `enter`, and the working directory to go with them. As they are where
  /// no `chroot` was asked for.
  static func prepared(_ plan: NodePlan, _ options: NodeOptions) throws(NodeError) -> (NodePlan, NodeOptions) {
    guard let chroot = plan.chroot else { return (plan, options) }
    guard geteuid() == 0 else {
      throw NodeError(
        kind: .missingPrivilege,
        description: "only root can make \(chroot) its root directory: start the node as root, or remove \"chroot:\"")
    }
    guard let root = realPath(chroot), isFolder(root) else {
      throw NodeError(
        kind: .configuration,
        description: "there is no directory \(chroot): make it (mkdir -p \(chroot)), or correct \"chroot:\"")
    }
    try refuseUnreachable(plan, root)
    let old = realPath(".") ?? "/"
    var plan = try plan.mappingPaths { (path) throws(NodeError) in try inside(path, root, from: old) }
    var options = options
    // The topology is where it cannot be reached any more: only another process reads it anew.
    options.source = nil
    options.keeper = try keeper(options.command)
    if let path = plan.pidPath { plan.pidPath = absolute(path, from: old) }
    if let path = plan.admin?.socketPath { plan.admin?.socketPath = absolute(path, from: old) }
    if case .file(let path) = options.accessLog { options.accessLog = .file(absolute(path, from: old)) }
    guard chdir(root) == 0 else {
      throw NodeError(kind: .system, description: "\(root) cannot be entered: \(String(cString: strerror(errno)))")
    }
    return (plan, options)
  }

  /// Starts who starts another process of the program later: root, outside of the directory, and good for nothing else.
  private static func keeper(_ command: [String]) throws(NodeError) -> Int32 {
    guard let program = command.first else { return -1 }
    var words = command.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    let line = cr_keeper_start(
      program, &words, "\(HandOverLine.variable)=\(HandOverLine.target)", HandOverLine.target)
    if line >= 0 { return line }
    throw NodeError(
      kind: .system,
      description:
        "no process could be started beside the node: \(SystemError(code: line)); raise the limit on processes")
  }

  /// Makes the directory the root of everything, for good once root's privileges are given up.
  static func enter(_ plan: NodePlan) throws(NodeError) {
    guard plan.chroot != nil else { return }
    // Of the working directory, which was looked at before: its name may lead elsewhere by now.
    guard Glibc.chroot(".") == 0, chdir("/") == 0 else {
      throw NodeError(
        kind: .system,
        description: "\(plan.chroot ?? ".") cannot become the root directory: \(String(cString: strerror(errno)))")
    }
  }

  /// What would stop working, with the mend.
  private static func refuseUnreachable(_ plan: NodePlan, _ root: String) throws(NodeError) {
    func refuse(_ what: String) -> NodeError { NodeError(kind: .configuration, description: "chroot \(root): \(what)") }
    let servers = plan.applications.flatMap(\.pool.servers)
    let hasNames = servers.contains { if case .host = $0.address { true } else { false } }
    if hasNames, access(root + "/etc/resolv.conf", R_OK) != 0 || access(root + "/etc/hosts", R_OK) != 0 {
      throw refuse(
        "names of servers are looked up again while the node runs: copy /etc/resolv.conf, /etc/hosts and /etc/nsswitch.conf to \(root)/etc, or give addresses"
      )
    }
    if root != "/", servers.contains(where: { if case .unix = $0.address { true } else { false } }) {
      throw refuse("servers at Unix sockets are not there: give their addresses, or remove \"chroot:\"")
    }
    if plan.geo?.databasePath != nil, access(root + "/proc/thread-self/fd", X_OK) != 0 {
      throw refuse(
        "a new database of places is opened through /proc: mount it there (mount -t proc proc \(root)/proc), or remove \"chroot:\""
      )
    }
    let towards = servers.flatMap { [$0.tls, $0.liveness?.tls, $0.admission?.tls] }.compactMap { $0 }
    if towards.contains(where: { $0.verifies && $0.authorityPath == nil }) {
      throw refuse("the system's authorities are not there: name those that are trusted with \"ca:\"")
    }
    if let command = plan.notify?.command.first, access(root + "/" + command, X_OK) != 0 {
      throw refuse(
        "\"notify\" runs \(command), which is not there: put it there with all it needs, or remove \"notify:\"")
    }
  }

  /// A file's path from the new root.
  private static func inside(_ path: String, _ root: String, from old: String) throws(NodeError) -> String {
    let whole = absolute(path, from: old)
    let cut = whole.lastIndex(of: "/") ?? whole.startIndex
    // A folder that is not there is told of when the file is read.
    guard let folder = realPath(String(whole[..<cut]) + "/") else { return whole }
    let name = whole[whole.index(after: cut)...]
    if folder == root { return String(name) }
    guard folder.hasPrefix(root == "/" ? root : root + "/") else {
      throw NodeError(
        kind: .configuration,
        description:
          "\(path) lies outside of the chroot \(root), where its changes could not be read: move it below \(root), or remove \"chroot:\""
      )
    }
    return folder.dropFirst(root.utf8.count + (root == "/" ? 0 : 1)) + "/" + name
  }

  private static func absolute(_ path: String, from folder: String) -> String {
    path.hasPrefix("/") ? path : folder + "/" + path
  }

  private static func realPath(_ path: String) -> String? {
    guard let found = realpath(path, nil) else { return nil }
    defer { free(found) }
    return String(cString: found)
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
