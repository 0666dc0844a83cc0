import ArgumentParser
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
      must be given. The command runs in a shell, with GEODIRECTOR_SERVER, GEODIRECTOR_SITE and GEODIRECTOR_ADDRESS set.

      Example:
        geodirector admin rolling-restart --node S1L1 --node S1L2 --topology network.yaml --drain 10m \\
          --command 'ssh "$GEODIRECTOR_SERVER" systemctl restart shop'
      """)

  @Argument(help: "The servers, in order. Default: all that the balancers given have.") var servers: [String] = []
  @OptionGroup var nodes: AdminNodes
  @Option(help: "What restarts a server, for the shell.") var command: String
  @Option(help: "How long a server's own users may stay before they are led elsewhere.") var drain = "30s"
  @Option(help: "How long its last requests, and its way back to health, may take each.") var timeout = "2m"

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
      var world = RunningNodes(clients: try nodes.clients(concerning: servers.first), command: command)
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

  mutating func status() throws(AdminError) -> [NodeStatus] {
    var result: [NodeStatus] = []
    for client in clients { result.append(try NodeStatus(parsing: try client.send(.status(asJSON: true)))) }
    return result
  }

  mutating func give(_ order: AdminOrder) throws(AdminError) {
    var errors: [String] = []
    for client in clients {
      do throws(AdminError) {
        _ = try client.send(.order(order))
      } catch {
        errors.append(error.description)
      }
    }
    if !errors.isEmpty { throw AdminError(errors.joined(separator: "; ")) }
  }

  mutating func restart(_ server: NodeStatus.Server) -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", command]
    var environment = ProcessInfo.processInfo.environment
    environment["GEODIRECTOR_SERVER"] = server.name
    environment["GEODIRECTOR_SITE"] = server.site
    environment["GEODIRECTOR_ADDRESS"] = server.address
    process.environment = environment
    do { try process.run() } catch { return 127 }
    process.waitUntilExit()
    // As a shell has it: 128 and the signal's number.
    return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
  }

  mutating func pause(milliseconds: Int64) { usleep(UInt32(clamping: milliseconds * 1000)) }
  mutating func now() -> Int64 { Int64(Date().timeIntervalSince1970 * 1000) }
  mutating func tell(_ line: String) {
    print(line)
    fflush(nil)
  }
}
