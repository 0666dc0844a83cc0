import ArgumentParser

/// `geodirector geo ...`
struct GeoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "geo",
    abstract: "Where addresses are, and which sites they get.",
    subcommands: [GeoLookup.self])
}
