/// Where the nodes of a network take commands: a Unix socket each, whose file permissions say who may give them.
public struct AdminSettings: Sendable, Equatable {
  /// The path of each node's socket; `{node}` stands for the node's name, `{network}` for the network's.
  public var socket: Located<String>
  /// The permissions of the socket: write permission is permission to command.
  public var mode: UInt16

  /// The socket's path when the file names none.
  public static let defaultSocket = "/run/\(folder)"
  /// The default below a runtime folder: nodes of two networks do not meet.
  public static let folder = "geodirector/{network}/{node}.sock"
  /// Its owner alone.
  public static let defaultMode: UInt16 = 0o600
  /// What stands for a node's name in a path, and for the network's.
  public static let placeholder = "{node}"
  /// What stands for the network's name.
  public static let networkPlaceholder = "{network}"

  /// Sockets at a path, `defaultSocket` unless another is given.
  public init(socket: Located<String> = Located(defaultSocket), mode: UInt16 = defaultMode) {
    self.socket = socket
    self.mode = mode
  }

  /// What one node does of it.
  public func plan(for node: String, in network: String = "") -> AdminPlan {
    AdminPlan(socketPath: Self.path(socket.value, for: node, in: network), mode: mode)
  }

  /// A path with the names in their places.
  static func path(_ pattern: String, for node: String, in network: String) -> String {
    var result = ""
    var rest = pattern[...]
    while let first = rest.first {
      if rest.hasPrefix(placeholder) {
        result += node
        rest = rest.dropFirst(placeholder.count)
      } else if rest.hasPrefix(networkPlaceholder) {
        result += network
        rest = rest.dropFirst(networkPlaceholder.count)
      } else {
        result.append(first)
        rest = rest.dropFirst()
      }
    }
    return result
  }
}

/// Where a node takes commands.
public struct AdminPlan: Sendable, Equatable {
  /// The path of its Unix socket.
  public var socketPath: String
  /// The permissions of the socket.
  public var mode: UInt16

  /// A socket at a path.
  public init(socketPath: String, mode: UInt16 = AdminSettings.defaultMode) {
    self.socketPath = socketPath
    self.mode = mode
  }

  /// Bytes of a socket's path at most: the 107 of unix(7), less those of the name under which it is made.
  public static let pathBytesMax = 107 - max(unfinishedSuffix.utf8.count, displacedSuffix.utf8.count)
  /// What the path has behind it until the socket has its permissions.
  public static let unfinishedSuffix = ".new"
  /// Behind a socket's path: the socket of a process that was there before, and lives.
  public static let displacedSuffix = ".old"
}

extension Topology {
  /// Paths that cannot be the nodes' sockets.
  func adminErrors() -> [Diagnostic] {
    guard let admin else { return [] }
    let pattern = admin.socket.value
    if nodes.count > 1, !pattern.contains(placeholder: AdminSettings.placeholder) {
      return [
        Diagnostic(
          .error, at: admin.socket.location, "all nodes would listen for commands at one path",
          mend: "put {node} into it: \(AdminSettings.defaultSocket)")
      ]
    }
    guard let longest = nodes.max(by: { $0.name.utf8.count < $1.name.utf8.count }) else { return [] }
    let path = AdminSettings.path(pattern, for: longest.name, in: name)
    guard path.utf8.count > AdminPlan.pathBytesMax else { return [] }
    return [
      Diagnostic(
        .error, at: admin.socket.location,
        "the socket of \"\(longest.name)\" has a path of \(path.utf8.count) bytes",
        mend: "at most \(AdminPlan.pathBytesMax) are possible")
    ]
  }
}

extension String {
  /// Whether a placeholder stands somewhere in the text.
  fileprivate func contains(placeholder: String) -> Bool {
    var rest = self[...]
    while !rest.isEmpty {
      if rest.hasPrefix(placeholder) { return true }
      rest = rest.dropFirst()
    }
    return false
  }
}
