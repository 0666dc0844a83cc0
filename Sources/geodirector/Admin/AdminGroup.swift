import ArgumentParser
import Operations
import Routing
import Topology

/// `geodirector admin ...`
struct AdminGroup: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "admin",
    abstract: "Look at running nodes, and lead users away from servers and back.",
    subcommands: [
      AdminStatus.self, AdminDrain.self, AdminReady.self, AdminMaintain.self, AdminRollingRestart.self,
      AdminReload.self, AdminPause.self, AdminResume.self, AdminHealth.self, AdminTell.self,
    ])
}

/// Which nodes are spoken to: sockets, or nodes of a topology that says where their sockets are.
struct AdminNodes: ParsableArguments {
  @Option(
    name: .long,
    help: """
      A node to speak to; may be given several times. Default: the topology's only one; for status and reload the only one that runs here.
      """)
  var node: [String] = []
  @Option(name: .long, help: "A node's command socket, instead of --node; may be given several times.")
  var socket: [String] = []
  @Option(name: .long, help: "The topology file. Default: the environment's GEODIRECTOR_TOPOLOGY.")
  var topology: String?

  /// The clients of the nodes given, or of those that `target` concerns: itself, or all balancers of a server's site and the relays
  /// by which users come to it.
  ///
  /// - Parameter orRunning: where nothing is named the only node that takes commands here is meant.
  func clients(concerning target: String? = nil, orRunning: Bool = false) throws -> [AdminClient] {
    if !socket.isEmpty {
      guard node.isEmpty else { throw DeployFailure.usage("give --node or --socket, not both") }
      return socket.map { AdminClient(path: $0) }
    }
    let (loaded, path) = try load()
    let names = try node.isEmpty ? Self.nodes(concerning: target, in: loaded, orRunning: orRunning) : node
    return try Self.clients(of: names, in: loaded, path)
  }

  /// The topology and where it is.
  func load() throws -> (Topology, path: String) {
    guard let path = TopologyFiles.path(topology) else {
      throw DeployFailure.usage(
        "which node? Give --node NAME with --topology FILE (or GEODIRECTOR_TOPOLOGY), or --socket PATH")
    }
    return (try TopologyFiles.load(path, warnings: false), path)
  }

  /// The clients of nodes of a topology.
  static func clients(of names: [String], in loaded: Topology, _ path: String) throws -> [AdminClient] {
    try names.map { name in
      do {
        let plan = try loaded.plan(for: name)
        guard let admin = plan.admin else {
          throw DeployFailure.configuration("\(path) gives \(name) no command socket; add \"admin: true\"")
        }
        return AdminClient(path: admin.socketPath)
      } catch let error as PlanError {
        throw DeployFailure.usage("\(error)")
      }
    }
  }

  static func nodes(concerning target: String?, in topology: Topology, orRunning: Bool) throws -> [String] {
    guard let target else {
      // Of one node there is nothing to ask.
      if topology.nodes.count == 1 { return topology.nodes.map(\.name) }
      guard orRunning, topology.admin != nil else {
        throw DeployFailure.usage("which node? Give --node NAME: \(list(topology.nodes.map(\.name)))")
      }
      return [try onlyRunning(of: topology)]
    }
    if topology.nodes.contains(where: { $0.name == target }) { return [target] }
    let site = topology.sites.first { $0.servers.contains { $0.name == target } }
    let servers = { (relay: Relay) in (relay.servers + relay.pools.flatMap(\.servers)).map(\.name) }
    let relays = topology.relays.filter { servers($0).contains(target) }
    // A relay that makes a server's admission port has it, too, but none of its users.
    let senders = (site?.balancers.map(\.name) ?? []) + relays.filter(topology.carriesUsers).map(\.name)
    let found = senders.isEmpty ? relays.map(\.name) : senders
    if !found.isEmpty { return found }
    let known = topology.nodes.map(\.name) + topology.servers.map(\.name) + topology.relays.flatMap(servers)
    let nearest = nearestSpelling(of: target, among: known).map { "; did you mean \($0)?" } ?? ""
    throw DeployFailure.usage("there is no node or server \"\(target)\"\(nearest)")
  }

  /// The node of the network that takes commands on this machine: where each has a machine of its own there is no other to ask.
  private static func onlyRunning(of topology: Topology) throws -> String {
    let names = topology.nodes.map(\.name)
    let running = names.filter { name in
      guard let path = try? topology.plan(for: name).admin?.socketPath else { return false }
      return AdminClient(path: path).isAnybodyThere
    }
    if running.count == 1 { return running[0] }
    throw DeployFailure.usage(
      running.isEmpty
        ? "no node of \(topology.name) takes commands of this user on this machine; it has \(list(names))"
        : "which node? Several take commands here; give --node NAME: \(list(running))")
  }

  private static func list(_ names: [String]) -> String {
    names.prefix(namesMax).joined(separator: ", ") + (names.count > namesMax ? " ..." : "")
  }

  /// Names in a message, at most.
  private static let namesMax = 8

  /// Sends a command to each; what one refuses is told, and the command ends with 1. What the others did holds: a node that is gone
  /// must not keep a server from being drained.
  static func send(_ command: AdminCommand, to clients: [AdminClient]) throws {
    var failed = 0
    for client in clients {
      do {
        print(try client.send(command))
      } catch {
        StandardError.write("geodirector: \(error)\n")
        failed += 1
      }
    }
    if case .order = command, failed > 0, failed < clients.count {
      StandardError.write("geodirector: done at \(clients.count - failed) of \(clients.count) nodes, and holds there\n")
    }
    if failed > 0 { throw ExitCode(1) }
  }
}

/// `geodirector admin status`
struct AdminStatus: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show how a node and its servers are.",
    discussion: """
      Examples:
        geodirector admin status --node S1L1 --topology network.yaml
        geodirector admin status --topology network.yaml   # where one of its nodes runs on this machine
        geodirector admin status --socket /run/geodirector/two-sites/S1L1.sock --format json
      """)
  /// How the result is written.
  enum Format: String, ExpressibleByArgument, CaseIterable { case text, json }

  @OptionGroup var nodes: AdminNodes
  @Option(help: "text, or json: one object a node and line.") var format = Format.text

  func run() async throws {
    try await DeployFailure.reported {
      try AdminNodes.send(.status(asJSON: format == .json), to: nodes.clients(orRunning: true))
    }
  }
}

/// What drain, ready and maintain have in common.
struct AdminOrderOptions: ParsableArguments {
  @Argument(help: "A server, or a node for itself.") var name: String
  @OptionGroup var nodes: AdminNodes
  @Option(help: "For this application only.") var application: String?
  @Option(help: "Why: shown in the status and in the node's log.") var because: String?

  func give(_ make: (String) throws -> AdminOrder) async throws {
    try await DeployFailure.reported {
      var order = try make(name)
      order.application = application
      order.reason = because ?? ""
      do throws(AdminError) {
        // What the node would not understand is told here.
        _ = try AdminCommand(parsing: AdminCommand.order(order).line)
      } catch {
        throw DeployFailure.usage(error.description)
      }
      try AdminNodes.send(.order(order), to: nodes.clients(concerning: name))
    }
  }
}

/// `geodirector admin drain NAME`
struct AdminDrain: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drain", abstract: "No new users; its own stay, until the deadline if there is one.",
    discussion: """
      Without --node and --socket: a server is drained at all balancers of its site, a node at itself.

      Examples:
        geodirector admin drain W11 --topology network.yaml --for 30m --because 'release 7'
        geodirector admin drain SD1 --topology network.yaml
      """)
  @OptionGroup var order: AdminOrderOptions
  @Option(name: .customLong("for"), help: "How long its own users may stay, like 30m.") var time: String?
  @Option(help: "Until when its own users may stay, in seconds since 1970.") var until: Int64?

  func run() async throws {
    try await order.give { name in
      var order = AdminOrder(.drain, target: name)
      if let time {
        guard until == nil else { throw DeployFailure.usage("give --for or --until, not both") }
        do throws(TextError) {
          order.deadline = .after(try Duration(parsing: time))
        } catch {
          throw DeployFailure.usage("--for: \(error.message)")
        }
      } else if let until {
        order.deadline = .at(until)
      }
      return order
    }
  }
}

/// `geodirector admin ready NAME`
struct AdminReady: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ready", abstract: "All users again.",
    discussion: "Example:\n  geodirector admin ready W11 --topology network.yaml")
  @OptionGroup var order: AdminOrderOptions
  func run() async throws { try await order.give { AdminOrder(.ready, target: $0) } }
}

/// `geodirector admin maintain NAME`
struct AdminMaintain: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "maintain", abstract: "Nobody: its users are led elsewhere with their next request.",
    discussion: "Example:\n  geodirector admin maintain W11 --topology network.yaml --because 'new disk'")
  @OptionGroup var order: AdminOrderOptions
  func run() async throws { try await order.give { AdminOrder(.maintenance, target: $0) } }
}
