import ArgumentParser
import Operations

/// `geodirector admin pause`
struct AdminPause: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pause",
    abstract: "Have nodes listen no more: others may take their addresses, connections go on.",
    discussion: """
      The same as SIGTTOU. A node that is paused still takes commands; `admin resume` has it listen again, as SIGTTIN does.

      Example:
        geodirector admin pause --node S1L1 --topology network.yaml
      """)
  @OptionGroup var nodes: AdminNodes

  func run() async throws {
    try await DeployFailure.reported { try AdminNodes.send(.pause, to: nodes.clients(orRunning: true)) }
  }
}

/// `geodirector admin resume`
struct AdminResume: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume",
    abstract: "Have paused nodes listen again.",
    discussion: """
      The same as SIGTTIN. Ends with 1 when somebody else has an address; the node then tries again every second until it is paused or
      stops.

      Example:
        geodirector admin resume --node S1L1 --topology network.yaml
      """)
  @OptionGroup var nodes: AdminNodes

  func run() async throws {
    try await DeployFailure.reported { try AdminNodes.send(.resume, to: nodes.clients(orRunning: true)) }
  }
}
