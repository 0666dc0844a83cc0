import ArgumentParser

/// `geodirector pki ...`: certificates for trials.
struct PKICommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pki", abstract: "Make a private authority and certificates for trials and tests.",
    subcommands: [PKIInit.self])
}
