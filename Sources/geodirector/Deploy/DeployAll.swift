import ArgumentParser
import Glibc
import Topology

extension DeployReport.Format: ExpressibleByArgument {}

/// `geodirector deploy all`
struct DeployAll: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "all", abstract: "Run every node of a topology and its demo servers, each as its own process.",
    discussion: """
        geodirector deploy all --topology topologies/two-sites.yaml

      Prints a table of the processes. One that is killed stays down and the command that starts it again is printed, so that
      failures can be played. Ctrl-C stops everything.
      """)

  @OptionGroup var topology: TopologyOptions
  @Option(name: .long, help: "Worker threads of each node.") var workers = 1
  @Option(name: .long, help: "A directory for the nodes' access logs, or none.") var accessLog = "none"
  @Option(name: .long, help: "text, or json: one object per event.") var format = DeployReport.Format.text

  func validate() throws {
    if !(1...256).contains(workers) { throw ValidationError("--workers is a number from 1 to 256") }
  }

  func run() async throws {
    try await DeployFailure.reported {
      let loaded = try topology.load()
      var directory: String?
      if accessLog != "none" {
        directory = try Self.absolute(accessLog, what: "the directory for access logs")
      }
      let plan = DeployPlan(
        executable: try Self.absolute("/proc/self/exe", what: "this program"),
        topologyPath: try Self.absolute(try topology.path(), what: "the topology"), workers: workers,
        accessLogDirectory: directory, timeScale: topology.timeScale)
      var supervisor = try Supervisor(
        nodes: plan.nodes(of: loaded), topology: loaded, report: DeployReport(format: format))
      try supervisor.run()
    }
  }

  /// The path as it can be used from any other directory.
  private static func absolute(_ path: String, what: String) throws -> String {
    guard let resolved = realpath(path, nil) else {
      throw DeployFailure.configuration("\(what), \(path): \(String(cString: strerror(errno)))")
    }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
