import Foundation
import Simulation
import Testing
import Topology
import TopologyFile

/// Schedules in which exploring once found a violation hold now.
@Suite("Finds")
struct FindsTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

  private static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appending(path: path).standardized, encoding: .utf8)
  }

  @Test(arguments: [
    ("../../topologies/two-sites.yaml", "Finds/two-sites.yaml"),
    ("../../topologies/three-sites.yaml", "Finds/three-sites.yaml"),
    ("../EndToEnd/topologies/four-sites.yaml", "Finds/four-sites.yaml"),
  ])
  func `What exploring found does not come again`(network: String, finds: String) throws {
    let file = try Self.text(network).components(separatedBy: "\nscenarios:")[0]
    let (topology, diagnostics) = TopologyLoader.load(
      text: file + "\n" + (try Self.text(finds)), file: "finds.yaml")
    #expect(diagnostics.filter { $0.severity == .error }.isEmpty)
    let report = try Simulation.run(try #require(topology), options: SimulationOptions(), threads: 2)
    #expect(report.scenarios.count >= 3)
    for scenario in report.scenarios {
      for verdict in scenario.verdicts {
        #expect(verdict.holds, "\(scenario.name): \(verdict.property.rawValue): \(verdict.first?.text ?? "")")
      }
    }
  }
}
