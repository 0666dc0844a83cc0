public import Topology

/// A systemd service of one node, with no more rights than it needs.
///
/// The node tells systemd when it serves, reloads and stops (`Type=notify`, sd_notify(3)).
public struct SystemdUnit: Sendable, Equatable {
  /// The unit, lines ended by line ends.
  public let text: String
  /// What the file is called: `geodirector-SD1.service`.
  public let fileName: String

  /// The unit of a node.
  /// - Parameters:
  ///   - program: absolute path of geodirector.
  ///   - topologyPath: absolute path of the topology file on the node's machine.
  ///   - directory: absolute path of the folder that relative paths of certificates and keys are relative to; nil: the unit runs where
  ///     systemd runs it.
  public init(_ plan: NodePlan, program: String, topologyPath: String, directory: String? = nil) {
    fileName = "geodirector-\(plan.name).service"
    let addresses = plan.listeners.map(\.address) + [plan.monitor, plan.statusPage?.address].compactMap { $0 }
    let needsPort = addresses.contains { ($0.port ?? 1024) < 1024 && $0.port != 0 }
    let dropsRoot = plan.user != nil || plan.group != nil || plan.chroot != nil
    let capabilities = Self.capabilities(plan, needsPort: needsPort).joined(separator: " ")
    // systemd waits longer than the node itself does, or it would cut short what the node finishes: requests of processes before it that
    // are cut a moment later, and notices.
    let stopSeconds = Int((plan.shutdown.inMilliseconds / 1000).rounded(.up)) + 10
    var lines = [
      "# \(plan.name) in network \(plan.network)", "[Unit]",
      "Description=geodirector \(plan.role.rawValue) \(plan.name)", "After=network-online.target nss-lookup.target",
      "Wants=network-online.target", "StartLimitIntervalSec=0", "", "[Service]", "Type=notify", "NotifyAccess=main",
      "ExecStart=\(Self.word(program)) deploy \(plan.role.rawValue) \(plan.name) --topology \(Self.word(topologyPath))",
      // Root without CAP_KILL may not signal a process that has become another user: "+" is root as it is.
      "ExecReload=\(dropsRoot ? "+" : "")/bin/kill -HUP $MAINPID", "KillSignal=SIGTERM", "KillMode=mixed",
      "TimeoutStopSec=\(stopSeconds)",
      "Restart=on-failure", "RestartSec=1",
      // Wrong usage and a wrong topology do not mend themselves.
      "RestartPreventExitStatus=64 78", "LimitNOFILE=\(Self.descriptors(plan))", "TasksMax=4096", "",
    ]
    if dropsRoot {
      // It begins as root and becomes what the topology says by itself.
      lines += ["CapabilityBoundingSet=\(capabilities)", "AmbientCapabilities="]
    } else {
      // One user for all nodes of a machine: each start gives the folder of the command sockets to its unit's user.
      lines += ["DynamicUser=yes", "User=geodirector"]
      lines += ["CapabilityBoundingSet=\(capabilities)", "AmbientCapabilities=\(capabilities)"]
    }
    lines += [
      "NoNewPrivileges=yes",
      "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "PrivateDevices=yes", "ProtectKernelTunables=yes",
      "ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectControlGroups=yes", "ProtectClock=yes",
      "ProtectHostname=yes", "ProtectProc=invisible", "ProcSubset=pid",
      "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK", "RestrictNamespaces=yes", "RestrictRealtime=yes",
      "RestrictSUIDSGID=yes", "LockPersonality=yes", "MemoryDenyWriteExecute=yes", "RemoveIPC=yes",
      "SystemCallArchitectures=native", "SystemCallFilter=@system-service\(plan.chroot == nil ? "" : " chroot")",
      "SystemCallErrorNumber=EPERM", "UMask=0077",
    ]
    if !needsPort && !dropsRoot { lines.append("PrivateUsers=yes") }
    lines += Self.files(plan, directory: directory, isDynamic: !dropsRoot)
    lines += Self.folders(plan, addresses) + Self.environment(plan, topologyPath: topologyPath)
    lines += ["", "[Install]", "WantedBy=multi-user.target"]
    text = lines.joined(separator: "\n") + "\n"
  }

  /// What the node needs of root's rights: for ports below 1024, and to become what the topology says, with what it leaves behind.
  private static func capabilities(_ plan: NodePlan, needsPort: Bool) -> [String] {
    var capabilities = needsPort ? ["CAP_NET_BIND_SERVICE"] : []
    if plan.user != nil || plan.group != nil {
      capabilities += ["CAP_SETUID", "CAP_SETGID"]
      // The command socket is given to the user.
      if plan.admin != nil { capabilities.append("CAP_CHOWN") }
    }
    // Root without it cannot read what is another user's alone: keys that are the user's already, for reloads. It goes with root.
    if plan.user != nil, !files(of: plan).isEmpty { capabilities.append("CAP_DAC_READ_SEARCH") }
    // Its keeper ends a process that does not take over and has become the user.
    if plan.chroot != nil { capabilities += ["CAP_SYS_CHROOT", "CAP_KILL"] }
    return capabilities
  }

  /// The files of certificates, keys and passwords.
  private static func files(of plan: NodePlan) -> [String] {
    var paths: [String] = []
    func note(_ path: String) -> String {
      if !paths.contains(path) { paths.append(path) }
      return path
    }
    var plan = plan
    // It is relative to the topology, which is named by its whole path.
    plan.geo?.databasePath = nil
    _ = plan.mappingPaths(note)
    if case .file(let path)? = plan.statusPage?.password { _ = note(path) }
    return paths
  }

  /// Where relative paths lead, and who has to be able to read what is there: systemd runs a unit in `/`, a user that it makes up owns
  /// nothing, and one that the node becomes reads again what root has read.
  private static func files(_ plan: NodePlan, directory: String?, isDynamic: Bool) -> [String] {
    let paths = files(of: plan)
    var lines: [String] = []
    if isDynamic, !paths.isEmpty {
      lines = [
        "# geodirector must be able to read these, also as they are renewed: make the account (useradd --system geodirector),",
        "# which systemd then takes, give them to it (chown geodirector FILE), and let it enter their folders.",
      ]
    } else if let user = plan.user, !paths.isEmpty {
      lines = [
        "# Root reads these at the start, whoever owns them, and \(user) as they are renewed: give them to that user (chown \(user) FILE),",
        "# and let it enter their folders.",
      ]
    }
    if !lines.isEmpty {
      lines += paths.map { path in
        let whole = path.hasPrefix("/") ? path : "\(directory ?? "")/\(path)"
        return "#   \(whole.filter { !$0.isNewline })"
      }
    }
    if let directory, paths.contains(where: { !$0.hasPrefix("/") }) {
      lines.append("WorkingDirectory=\(fileWord(directory))")
    }
    return lines
  }

  /// Secrets that come in the environment stand in a file beside the topology, which systemd reads as root.
  private static func environment(_ plan: NodePlan, topologyPath: String) -> [String] {
    guard case .environment(let name)? = plan.statusPage?.password else { return [] }
    let folder = topologyPath.split(separator: "/").dropLast().map { "/" + $0 }.joined()
    return [
      "# \(name)=... is a line of this file, which root alone reads.",
      "EnvironmentFile=\(fileWord("\(folder)/\(plan.name).env"))",
    ]
  }

  /// The path of a file that is the whole value (systemd.exec(5)): nothing but `%` is special.
  private static func fileWord(_ path: String) -> String {
    var result = ""
    for character in path { result += character == "%" ? "%%" : String(character) }
    return result
  }

  /// Two a client connection, one a check, and the idle connections to servers of each worker.
  private static func descriptors(_ plan: NodePlan) -> Int {
    let checks = plan.applications.reduce(0) { $0 + 2 * $1.pool.servers.count }
    return max(1024, 2 * plan.limits.connectionsMax + checks + 512)
  }

  /// Where sockets and the file of the process's id are made: all else is read-only.
  private static func folders(_ plan: NodePlan, _ addresses: [Address]) -> [String] {
    var lines: [String] = []
    var known: Set<String> = []
    func writable(_ path: String) {
      let steps = path.split(separator: "/")
      let folder = "/" + steps.dropLast().joined(separator: "/")
      // The root folder would be everything, also by a roundabout path.
      guard steps.count > 1, !steps.contains("."), !steps.contains(".."), known.insert(folder).inserted else { return }
      if folder == "/tmp" || folder.hasPrefix("/tmp/") || folder == "/var/tmp" || folder.hasPrefix("/var/tmp/") {
        lines.append("# Nobody outside sees what is in \(folder): PrivateTmp.")
      }
      lines.append("ReadWritePaths=\(listWord("-" + folder))")
    }
    func place(_ path: String) {
      let folder = path.split(separator: "/").dropLast()
      let isPlain = folder.allSatisfy { step in isName(step.filter { $0 != "." }) }
      guard folder.first == "run", folder.count > 1, isPlain else { return writable(path) }
      guard known.insert("/" + folder.joined(separator: "/")).inserted else { return }
      // Several nodes of one machine may share it, so the last to stop must not take it away.
      lines.append("RuntimeDirectory=\(folder.dropFirst().joined(separator: "/"))")
      if !lines.contains("RuntimeDirectoryPreserve=yes") { lines.append("RuntimeDirectoryPreserve=yes") }
    }
    if let path = plan.admin?.socketPath { place(path) }
    if let path = plan.pidPath {
      place(path.hasPrefix("/") ? path : "/" + path)
      let isRunItself = path.split(separator: "/").count == 2 && path.hasPrefix("/run/")
      if isRunItself, plan.user == nil, plan.group == nil, plan.chroot == nil {
        lines.append(
          "# The unit's user writes nothing into /run itself: name a folder below it, /run/geodirector/\(plan.name).pid."
        )
      }
    }
    for case .unix(let path) in addresses where path.hasPrefix("/") { writable(path) }
    return lines
  }

  /// A word of a list of paths (systemd.exec(5)), in which a backslash is nothing special and `%` is a specifier.
  static func listWord(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "%": result += "%%"
      // Within double quotes it cannot stand: they end, and single ones hold it.
      case "\"": result += "\"'\"'\""
      default: result.append(character)
      }
    }
    let needsQuotes = text.contains { $0.isWhitespace || $0 == "\"" || $0 == "'" }
    return needsQuotes ? "\"\(result)\"" : result
  }

  /// A word of a command line (systemd.service(5)): quoted, specifiers and variables taken literally.
  static func word(_ text: String) -> String {
    var result = ""
    var needsQuotes = text.isEmpty
    for character in text {
      switch character {
      case "%": result += "%%"
      case "$": result += "$$"
      case "\n", "\r", "\r\n", "\t":
        for byte in character.utf8 { result += byte == 10 ? "\\n" : byte == 13 ? "\\r" : "\\t" }
        needsQuotes = true
      case "\"", "\\":
        result += "\\\(character)"
        needsQuotes = true
      default:
        result.append(character)
        if character.isWhitespace || character == "'" || character == ";" { needsQuotes = true }
      }
    }
    return needsQuotes ? "\"\(result)\"" : result
  }
}
