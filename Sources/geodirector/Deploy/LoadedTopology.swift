import Topology
import TopologyFile

extension TopologyOptions {
  /// Reads the topology; a file with errors is refused with all of them, warnings are left to `topology check`.
  func load() throws -> Topology {
    let path = try path()
    let (topology, diagnostics) = TopologyLoader.load(path)
    let errors = diagnostics.filter { $0.severity == .error }
    guard var topology, errors.isEmpty else {
      throw DeployFailure.configuration(errors.map(\.description).joined(separator: "\ngeodirector: "))
    }
    if let timeScale { topology.timeScale = timeScale }
    return topology
  }
}
