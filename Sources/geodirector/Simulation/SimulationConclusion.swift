import Simulation
import Topology

/// The last line of a report: what was found in all, and what failed.
struct SimulationConclusion {
  /// Scenarios that failed and are named.
  private static let namedMax = 4

  var network: String
  /// By scenario: its properties and expectations that do not hold, in their own words; none where it holds.
  var scenarios: [(name: String, holds: Bool, failures: [String])]

  func line(_ style: TerminalStyle) -> String {
    let failed = scenarios.filter { !$0.holds }
    let all = Quantities.some(UInt64(scenarios.count), "scenario")
    if failed.isEmpty { return style.paint("ok: \(network): every property and expectation holds in \(all)", .good) }
    var words = failed.prefix(Self.namedMax).map { "\($0.name) (\($0.failures.joined(separator: ", ")))" }
    if failed.count > Self.namedMax { words.append("and \(failed.count - Self.namedMax) more") }
    let count = scenarios.count == 1 ? "" : " \(failed.count) of \(all):"
    return style.paint("FAILED: \(network):\(count) \(words.joined(separator: "; "))", .bad)
  }
}
