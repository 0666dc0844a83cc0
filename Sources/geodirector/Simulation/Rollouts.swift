import ArgumentParser
import Simulation
import Topology
import TopologyFile

/// The files that scenarios roll out.
enum Rollouts {
  /// Reads them; ends the command with 78 when one of them is wrong, or cannot be simulated beside the topology.
  ///
  /// - Returns: by path, as `SimulationOptions.rollouts`.
  static func load(_ scenarios: [Scenario], of topology: Topology) throws -> [String: Topology] {
    var files: [String: Topology] = [:]
    for path in scenarios.flatMap(\.rolloutPaths) where files[path] == nil {
      files[path] = try TopologyFiles.load(path, warnings: false)
    }
    let errors = scenarios.flatMap { topology.rolloutErrors(in: $0, rollouts: files) }
    TopologyFiles.print(errors)
    if !errors.isEmpty { throw ExitCode.configuration }
    return files
  }
}
