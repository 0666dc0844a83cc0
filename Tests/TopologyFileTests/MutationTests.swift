import Foundation
import TestRandom
import Testing
import Topology
import TopologyFile

@Suite struct MutationTests {
  private static let pieces = [
    "", " ", "\n", ":", "- ", "{", "}", "[", "]", "\"", "'", "&a ", "*a", "<<: ", "#", "|", ">", "!", "null", "-1",
    "99999999999999999999", "0s", "\t", "é", "\u{0}", "SITE1", "name: ", "? ",
  ]

  @Test(arguments: 0..<8) func noMutationOfAFileCrashesTheLoader(seed: UInt64) throws {
    var random = Generator(seed: seed)
    let path = repository.appendingPathComponent("topologies/two-sites.yaml").path
    let original = Array(try String(contentsOfFile: path, encoding: .utf8).unicodeScalars)
    for _ in 0..<40 {
      var scalars = original
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let start = Int.random(in: 0..<scalars.count, using: &random)
        let end = min(scalars.count, start + Int.random(in: 0...12, using: &random))
        let piece = Self.pieces.randomElement(using: &random) ?? ""
        scalars.replaceSubrange(start..<end, with: Array(piece.unicodeScalars))
      }
      var text = String.UnicodeScalarView()
      text.append(contentsOf: scalars)
      let (topology, diagnostics) = TopologyLoader.load(text: String(text), file: "mutated.yaml")
      #expect((topology == nil) == diagnostics.contains { $0.severity == .error })
      for node in topology?.nodes ?? [] { _ = try topology?.plan(for: node.name) }
    }
  }
}
