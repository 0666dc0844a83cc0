import ArgumentParser

/// `geodirector topology ...`
struct TopologyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "topology",
    abstract:
      "Check a topology file, show what it means, explain what happens to a request, simulate failures, configure other programs.",
    subcommands: [
      TopologyCheck.self, TopologyShow.self, TopologyExplain.self, TopologySimulate.self, TopologyRender.self,
    ])
}

/// The topology file of a command.
struct TopologyFileArgument: ParsableArguments {
  @Argument(
    help: "The topology file. Default: the environment variable GEODIRECTOR_TOPOLOGY.",
    completion: .file(extensions: ["yaml", "yml"]))
  var file: String?

  /// The path given, or that of the environment; without either, wrong usage.
  func path() throws -> String {
    if let path = TopologyFiles.path(file) { return path }
    throw ValidationError("No topology: give FILE, or set GEODIRECTOR_TOPOLOGY.")
  }
}
