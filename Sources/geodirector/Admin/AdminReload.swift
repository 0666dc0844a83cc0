import ArgumentParser
import Operations

/// `geodirector admin reload`
struct AdminReload: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reload",
    abstract: "Have nodes serve by the topology as it is now; tells what has changed, or why nothing has.",
    discussion: """
      The same as SIGHUP to each, one after the other. A node reads the file that it was started with. Ends with 1 when one goes on
      with the topology it has.

      Example:
        geodirector admin reload --node S1L1 --node S1L2 --topology network.yaml
      """)
  @OptionGroup var nodes: AdminNodes

  func run() async throws {
    try await DeployFailure.reported {
      let patient = try nodes.clients(orRunning: true).map { AdminClient(path: $0.path, timeoutMilliseconds: 130_000) }
      try AdminNodes.send(.reload, to: patient)
    }
  }
}
