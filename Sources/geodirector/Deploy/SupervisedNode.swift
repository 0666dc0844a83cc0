import DemoServer
import Topology

/// A node as `deploy all` sees it.
struct SupervisedNode {
  /// What is known of it.
  enum State: Equatable {
    /// Its process runs, its address does not answer yet.
    case starting
    /// Its process runs and its address answers.
    case ready
    /// Its process ended; `silent` once its address was seen not to answer, so that an answer means a new process.
    case stopped(silent: Bool)
    /// Its process ended, but its address answers again: somebody started it by the printed command.
    case elsewhere
    /// Not started here: an application server that is not a demo server.
    case external

    /// One word for the table.
    var text: String {
      switch self {
      case .starting: "starting"
      case .ready: "ready"
      case .stopped: "stopped"
      case .elsewhere: "elsewhere"
      case .external: "external"
      }
    }
  }

  /// Its name.
  var name: String
  /// What it is.
  var role: DeployRole
  /// Where it serves; the first is the one that is watched.
  var addresses: [Address]
  /// What starts it, the program's path first; empty for external ones.
  var arguments: [String]
  /// Its process, while it runs.
  var child: ChildProcess?
  /// How its process ended, once it did.
  var ending: ChildProcess.Ending?
  /// The process's number, also after its end.
  var pid: Int32?
  /// What is known of it.
  var state: State
  /// Something else answered at its address before it was started: an answer then says nothing of its own process.
  var isAddressTaken = false
  /// The last line its process wrote to standard error: the reason when it fails.
  var lastLine = ""
  /// An unfinished line of its standard error.
  var partialLine: [UInt8] = []

  /// What a person types to start it again.
  var restartCommand: String { arguments.map(ShellQuoting.quoted).joined(separator: " ") }

  /// The address as the table shows it.
  var addressText: String { addresses.map(\.description).joined(separator: ", ") }
}

/// How the nodes of a network are started.
struct DeployPlan {
  /// Path of this program.
  var executable: String
  /// Absolute path of the topology.
  var topologyPath: String
  /// Workers of each proxy node.
  var workers: Int
  /// Directory of the access logs; nil: none are written.
  var accessLogDirectory: String?
  /// As given on the command line.
  var timeScale: Double?

  /// Every node, offices first, then directors, balancers and application servers: from the users inwards, which is also
  /// the order in which they are stopped.
  func nodes(of topology: Topology) -> [SupervisedNode] {
    var nodes: [SupervisedNode] = []
    for role in NodeRole.allCases {
      for node in topology.nodes where node.role == role {
        let log = accessLogDirectory.map { "\($0)/\(node.name).log" } ?? "none"
        let options = ["--workers", String(workers), "--access-log", log]
        nodes.append(
          SupervisedNode(
            name: node.name, role: DeployRole(role), addresses: node.listen,
            arguments: arguments(role: DeployRole(role), name: node.name) + options, state: .starting))
      }
    }
    for site in topology.sites {
      for server in site.servers {
        let addresses = topology.demoServices(of: server, at: site).map(\.address)
        let starts = server.isDemo && !addresses.isEmpty
        nodes.append(
          SupervisedNode(
            name: server.name, role: .demoServer, addresses: addresses,
            arguments: starts ? arguments(role: .demoServer, name: server.name) : [],
            state: starts ? .starting : .external))
      }
    }
    return nodes
  }

  private func arguments(role: DeployRole, name: String) -> [String] {
    var words = [executable, "deploy", role.rawValue, name, "--topology", topologyPath]
    if let timeScale { words += ["--time-scale", "\(timeScale)"] }
    return words
  }
}
