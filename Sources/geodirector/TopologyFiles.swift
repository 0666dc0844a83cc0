import ArgumentParser
import Foundation
import Topology
import TopologyFile

/// How every command finds and reads its topology.
enum TopologyFiles {
  /// The path given, or that of the environment; nil: neither.
  static func path(_ given: String?) -> String? {
    if let path = given ?? ProcessInfo.processInfo.environment["GEODIRECTOR_TOPOLOGY"], !path.isEmpty { return path }
    return nil
  }

  /// Reads the topology and writes what is wrong to standard error; ends the command with 78 when there is an error.
  ///
  /// - Parameter warnings: whether warnings are written, too.
  static func load(_ path: String, warnings: Bool) throws -> Topology {
    let (topology, diagnostics) = TopologyLoader.load(path)
    print(diagnostics.filter { warnings || $0.severity == .error })
    guard let topology else { throw ExitCode.configuration }
    return topology
  }

  /// Writes findings to standard error, one a line, in colour on a terminal.
  static func print(_ diagnostics: [Diagnostic]) {
    let colours = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["NO_COLOR"] == nil
    for diagnostic in diagnostics {
      var line = diagnostic.description
      if colours, let range = line.range(of: " \(diagnostic.severity.rawValue): ") {
        let colour = diagnostic.severity == .error ? "31" : "33"
        line.replaceSubrange(range, with: " \u{1B}[1;\(colour)m\(diagnostic.severity.rawValue):\u{1B}[0m ")
      }
      StandardError.write(line + "\n")
    }
  }
}

extension ExitCode {
  /// EX_CONFIG of sysexits.h: the topology is wrong.
  static let configuration = ExitCode(78)
}
