import Foundation
import Testing
import Topology
import TopologyFile

/// A small generator whose seed replays a failure (SplitMix64).
private struct Generator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

@Suite struct MutationTests {
  private static let pieces = [
    "", " ", "\n", ":", "- ", "{", "}", "[", "]", "\"", "'", "&a ", "*a", "<<: ", "#", "|", ">", "!", "null", "-1",
    "99999999999999999999", "0s", "\t", "é", "\u{0}", "SITE1", "name: ", "? ",
  ]

  @Test(arguments: 0..<8) func noMutationOfAFileCrashesTheLoader(seed: UInt64) throws {
    var random = Generator(state: seed)
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
