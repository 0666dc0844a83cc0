import ArgumentParser
import Foundation
import Topology
import TopologyFile

/// `geodirector topology ...`
struct TopologyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "topology",
    abstract: "Check a topology file, show what it means, explain what happens to a request, simulate failures.",
    subcommands: [TopologyCheck.self, TopologyShow.self, TopologyExplain.self, TopologySimulate.self])
}

/// The topology file of a command.
struct TopologyFileArgument: ParsableArguments {
  @Argument(
    help: "The topology file. Default: the environment variable GEODIRECTOR_TOPOLOGY.",
    completion: .file(extensions: ["yaml", "yml"]))
  var file: String?

  /// The path given, or that of the environment; without either, wrong usage.
  func path() throws -> String {
    if let path = file ?? ProcessInfo.processInfo.environment["GEODIRECTOR_TOPOLOGY"], !path.isEmpty { return path }
    throw ValidationError("No topology: give FILE, or set GEODIRECTOR_TOPOLOGY.")
  }
}

extension ExitCode {
  /// EX_CONFIG of sysexits.h: the topology is wrong.
  static let configuration = ExitCode(78)
}

/// Writes findings to standard error, one a line, in colour on a terminal.
func printDiagnostics(_ diagnostics: [Diagnostic]) {
  let colours = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["NO_COLOR"] == nil
  for diagnostic in diagnostics {
    var line = diagnostic.description
    if colours, let range = line.range(of: " \(diagnostic.severity.rawValue): ") {
      let colour = diagnostic.severity == .error ? "31" : "33"
      line.replaceSubrange(range, with: " \u{1B}[1;\(colour)m\(diagnostic.severity.rawValue):\u{1B}[0m ")
    }
    FileHandle.standardError.write(Data((line + "\n").utf8))
  }
}

/// Reads the topology, writes what is wrong to standard error, and ends the command with 78 when there is an error.
func loadTopology(_ path: String) throws -> Topology {
  let (topology, diagnostics) = TopologyLoader.load(path)
  printDiagnostics(diagnostics)
  guard let topology else { throw ExitCode.configuration }
  return topology
}
