import Foundation
import Testing
import Topology
import TopologyFile

/// The folder of files with something wrong in them, each beside a file `.expected` with what is to be said about it.
private let folder = repository.appendingPathComponent("Tests/TopologyFileTests/Broken")

private func brokenFiles() throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }.sorted()
}

@Suite struct BrokenFilesTests {
  @Test(arguments: try brokenFiles()) func everyErrorIsFoundInOneRun(name: String) throws {
    let path = folder.appendingPathComponent(name).path
    let (topology, diagnostics) = TopologyLoader.load(path)
    let expected = try String(
      contentsOfFile: path.replacingOccurrences(of: ".yaml", with: ".expected"), encoding: .utf8)
    // Messages name files as they were opened; the expectation names them from the folder.
    let found = diagnostics.map { "\($0)\n".replacingOccurrences(of: folder.path + "/", with: "") }.joined()
    #expect(found == expected)
    #expect((topology == nil) == diagnostics.contains { $0.severity == .error })
    #expect(!diagnostics.isEmpty)
  }

  @Test func thereAreEnoughOfThem() throws {
    #expect(try brokenFiles().count >= 85)
  }

  @Test(arguments: ["two-sites", "three-sites"]) func readyMadeTopologiesGiveNoFinding(name: String) throws {
    let topology = try readyMade(name)
    #expect(!topology.nodes.isEmpty)
    for node in topology.nodes {
      let plan = try topology.plan(for: node.name)
      #expect(plan.name == node.name)
      #expect(plan.applications.allSatisfy { $0.pool.servers.map(\.tier).max() == $0.pool.tierCount - 1 })
    }
  }

  @Test func aMissingFileIsReported() {
    let (topology, diagnostics) = TopologyLoader.load("/nowhere/at/all.yaml")
    #expect(topology == nil)
    #expect(diagnostics.map(\.message) == ["no such file: \"/nowhere/at/all.yaml\""])
  }
}
