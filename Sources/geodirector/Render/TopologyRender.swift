import ArgumentParser
import Foundation
import Geo
import GeoDatabase
import Topology

/// `geodirector topology render ...`
struct TopologyRender: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "render",
    abstract: "Write configuration for other programs.",
    subcommands: [RenderHAProxy.self, RenderKeepalived.self, RenderSystemd.self, RenderGdnsd.self])
}

/// `geodirector topology render gdnsd FILE`
struct RenderGdnsd: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gdnsd",
    abstract:
      "A configuration of the name server gdnsd that answers with the directors of each client's nearest healthy site.",
    discussion: """
      What gdnsd cannot do like geodirector is told on standard error. Its zones are yours; a record refers to what is written here:
        www 60 DYNA geoip!entry

      Example:
        geodirector topology render gdnsd network.yaml > /etc/gdnsd/config && gdnsd checkconf
      """)

  @OptionGroup var topology: TopologyFileArgument
  @Option(
    help: ArgumentHelp(
      "An office or a director: its sites in its own order. Default: every site in the order of the file.",
      valueName: "node"))
  var at: String?

  func run() throws {
    let topology = try TopologyFiles.load(self.topology.path(), warnings: false)
    let preference = try SitePreference(topology, at: at)
    do throws(TextError) {
      let configuration = try GdnsdConfiguration(
        topology, preference, directory: FileManager.default.currentDirectoryPath,
        databaseType: topology.databasePath.flatMap { try? GeoDatabase.metadata(path: $0).type })
      for difference in configuration.differences { StandardError.write("Warning: \(difference)\n") }
      print(configuration.text)
    } catch {
      StandardError.write("Error: \(error.mend.map { "\(error.message); \($0)" } ?? error.message)\n")
      throw ExitCode.configuration
    }
  }
}
