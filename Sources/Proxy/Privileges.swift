internal import Glibc
internal import Topology

/// What a process gives up once its sockets are bound and its files are read.
enum Privileges {
  /// The numbers of a user and a group.
  struct Account: Equatable {
    var user: uid_t
    var group: gid_t
    var name: String
  }

  /// Who the process is to become; nil: nothing was asked for. Looked up before anything is bound.
  static func account(of plan: NodePlan) throws(NodeError) -> Account? {
    guard plan.user != nil || plan.group != nil else { return nil }
    var account = Account(user: geteuid(), group: getegid(), name: plan.user ?? "the same user")
    if let name = plan.user {
      guard let found = getpwnam(name) else {
        throw NodeError(
          kind: .configuration,
          description: "there is no user \"\(name)\" on this machine: add it, or correct \"user:\"")
      }
      account.user = found.pointee.pw_uid
      account.group = found.pointee.pw_gid
    }
    if let name = plan.group {
      guard let found = getgrnam(name) else {
        throw NodeError(
          kind: .configuration,
          description: "there is no group \"\(name)\" on this machine: add it, or correct \"group:\"")
      }
      account.group = found.pointee.gr_gid
    }
    return account
  }

  /// Becomes the account, for good: other groups go, and there is no way back.
  static func become(_ account: Account) throws(NodeError) {
    if geteuid() == account.user && getegid() == account.group && geteuid() != 0 { return }
    // Of root these set the real, the effective and the saved one.
    let isDone = setgroups(0, nil) == 0 && setgid(account.group) == 0 && setuid(account.user) == 0
    let reason = String(cString: strerror(errno))
    guard isDone else {
      throw NodeError(
        kind: .missingPrivilege,
        description:
          "the process cannot become \(account.name): \(reason); start it as root, or remove \"user:\" and \"group:\"")
    }
    guard account.user == 0 || setuid(0) != 0 else {
      throw NodeError(kind: .system, description: "privileges could not be given up")
    }
  }
}
