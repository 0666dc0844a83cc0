import ArgumentParser
import Foundation
import Simulation
import Topology

/// `geodirector topology simulate FILE`
struct TopologySimulate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Show what the network does under failures, before anyone builds it.",
    discussion: """
      Runs the file's scenarios in virtual time, with the routing code of the proxy; without scenarios each element fails
      once, in turn. The same file, seed and version give the same output.
      Exit status: 0 every property and expectation holds, 1 one does not, 64 wrong usage, 78 errors in the file.

      Example:
        geodirector topology simulate topologies/two-sites.yaml --scenario kill-SD1
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case text, json
  }

  @OptionGroup var topology: TopologyFileArgument
  @Option(help: "Run this scenario alone.") var scenario: String?
  @Option(help: "Users at the same time. Default: as the file says, else 140.") var users: Int?
  @Option(help: "The random seed of scenarios that name none.") var seed: UInt64 = 1
  @Option(help: ArgumentHelp("Tell every request of this user, numbered from 0.", valueName: "user")) var trace: Int?
  @Option(help: "text or json.") var format: Format = .text

  func validate() throws {
    if let users, users < 1 { throw ValidationError("--users must be at least 1.") }
    if let trace, trace < 0 { throw ValidationError("--trace: users are numbered from 0.") }
  }

  func run() throws {
    let topology = try loadTopology(try topology.path())
    var options = SimulationOptions(seed: seed)
    options.users = users
    options.traceUser = trace
    let scenarios = topology.scenarios.isEmpty ? BuiltInScenarios.scenarios(of: topology) : topology.scenarios
    if let scenario, !scenarios.contains(where: { $0.name == scenario }) {
      let names = scenarios.map(\.name).joined(separator: ", ")
      throw ValidationError("No scenario is named \"\(scenario)\"; there are: \(names).")
    }
    let report = try Simulation.run(
      topology, named: scenario, options: options, threads: ProcessInfo.processInfo.activeProcessorCount)
    switch format {
    case .text: print(SimulationText(report).text)
    case .json: print(SimulationJSON.text(of: report))
    }
    if !report.holds { throw ExitCode(1) }
  }
}
