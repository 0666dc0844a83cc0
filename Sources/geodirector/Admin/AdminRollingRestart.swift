import ArgumentParser
import CReactor
import Foundation
import Operations
import Topology

/// `geodirector admin rolling-restart`
struct AdminRollingRestart: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rolling-restart",
    abstract: "Restart servers one after the other without an error for any user.",
    discussion: """
      Each server is drained, then given nobody until its last request has ended, restarted by the command, and given users again when
      the checks of all nodes have seen it well. The first that does not come back stops it all, and stays in maintenance; one that could
      not be restarted gets its users back. One that is drained or in maintenance already is not touched. All nodes that have the servers
      must be given, but those that do not run (--without). The command runs in a shell, with GEODIRECTOR_SERVER, GEODIRECTOR_SITE and
      GEODIRECTOR_ADDRESS set, without a terminal and with nothing to read. Ctrl-C (and SIGTERM) ends it all: what is not restarted yet
      gets its users back, what is being restarted stays in maintenance.

      Example:
        geodirector admin rolling-restart --node S1L1 --node S1L2 --topology network.yaml --drain 10m \\
          --command 'ssh "$GEODIRECTOR_SERVER" systemctl restart shop'
      """)

  @Argument(help: "The servers, in order. Default: all that the balancers given have.") var servers: [String] = []
  @OptionGroup var nodes: AdminNodes
  @Option(
    name: .long,
    help: "A node that has the servers and does not run, so that it is not given; may be given several times.")
  var without: [String] = []
  @Option(help: "What restarts a server, for the shell.") var command: String
  @Option(help: "How long a server's own users may stay before they are led elsewhere.") var drain = "30s"
  @Option(help: "How long its last requests, the command, and its way back to health, may take each.") var timeout =
    "2m"

  func run() async throws {
    try await DeployFailure.reported {
      let plan: RollingRestart
      do throws(TextError) {
        let (drain, timeout) = (try Duration(parsing: drain), try Duration(parsing: timeout))
        plan = RollingRestart(
          servers: servers, drainMilliseconds: Int64(drain.inMilliseconds),
          timeoutMilliseconds: Int64(timeout.inMilliseconds))
      } catch {
        throw DeployFailure.usage(error.message)
      }
      var world = RunningNodes(clients: try nodes.clients(sendingTo: servers, without: without), command: command)
      do throws(AdminError) {
        try plan.run(&world)
      } catch {
        throw DeployFailure.runtime(error.description)
      }
    }
  }
}

/// The nodes that run, and a shell.
private struct RunningNodes: RestartSurroundings {
  let clients: [AdminClient]
  let command: String
  /// The servers that each node had when it was asked last.
  private var known: [Set<String>]
  private let signals: Int32
  private var hasBeenStopped = false

  init(clients: [AdminClient], command: String) {
    self.clients = clients
    self.command = command
    known = Array(repeating: [], count: clients.count)
    // Who has put it into the background, to go on when the terminal has gone, wants just that.
    let ignoresHangUp = cr_signal_ignored(SIGHUP) != 0
    let watched = ignoresHangUp ? [SIGINT, SIGTERM] : [SIGINT, SIGTERM, SIGHUP]
    signals = cr_signal_watch(watched, Int32(watched.count))
  }

  mutating func status() throws(AdminError) -> [NodeStatus] {
    var result: [NodeStatus] = []
    for (number, client) in clients.enumerated() {
      let status = try NodeStatus(parsing: try client.send(.status(asJSON: true)))
      known[number] = Set(status.pools.flatMap(\.servers).map(\.name))
      result.append(status)
    }
    return result
  }

  mutating func give(_ order: AdminOrder) throws(AdminError) {
    var errors: [String] = []
    // Nodes of other sites do not have it.
    for (number, client) in clients.enumerated() where known[number].contains(order.target) {
      do throws(AdminError) {
        _ = try client.send(.order(order))
      } catch {
        errors.append(error.description)
      }
    }
    if !errors.isEmpty { throw AdminError(errors.joined(separator: "; ")) }
  }

  mutating func restart(_ server: NodeStatus.Server, milliseconds: Int64) -> ShellCommand.End {
    let shell = ShellCommand(
      command,
      variables: [
        "GEODIRECTOR_SERVER=\(server.name)", "GEODIRECTOR_SITE=\(server.site)", "GEODIRECTOR_ADDRESS=\(server.address)",
      ])
    var stopped = hasBeenStopped
    let end = shell.run(milliseconds: milliseconds) {
      while cr_signal_next(signals) > 0 { stopped = true }
      return stopped
    }
    hasBeenStopped = stopped
    return end
  }

  mutating func isStopped() -> Bool {
    while cr_signal_next(signals) > 0 { hasBeenStopped = true }
    return hasBeenStopped
  }

  mutating func pause(milliseconds: Int64) { usleep(UInt32(clamping: milliseconds * 1000)) }
  mutating func now() -> Int64 { Int64(Date().timeIntervalSince1970 * 1000) }
  mutating func tell(_ line: String) {
    print(line)
    fflush(nil)
  }
}
