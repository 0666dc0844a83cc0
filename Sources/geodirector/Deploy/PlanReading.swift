import Proxy
import Topology
import TopologyFile

extension TopologyOptions {
  /// Reads the topology again for a node, whenever it is called: what is wrong comes back in one line.
  func source(of name: String) throws -> PlanSource {
    let path = try path()
    let timeScale = timeScale
    return { () throws(NodeError) -> NodePlan in
      let (loaded, diagnostics) = TopologyLoader.load(path)
      guard var topology = loaded else {
        let errors = diagnostics.filter { $0.severity == .error }
        let first = errors.first?.description ?? "\(path) cannot be used"
        let more = errors.count > 1 ? " (and \(errors.count - 1) more: geodirector topology check \(path))" : ""
        throw NodeError(kind: .configuration, description: first + more)
      }
      if let timeScale { topology.timeScale = timeScale }
      do throws(PlanError) {
        return try topology.plan(for: name)
      } catch {
        throw NodeError(kind: .configuration, description: "\(path): \(error)")
      }
    }
  }
}
