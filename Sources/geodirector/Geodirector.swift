import ArgumentParser

/// The command line of geodirector: each subcommand lives in a folder of its own.
@main
struct Geodirector: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "geodirector",
    abstract: "Directs users to the nearest healthy site and keeps them there.",
    subcommands: [DeployCommand.self, TopologyCommand.self, GeoCommand.self, PKICommand.self])
}
