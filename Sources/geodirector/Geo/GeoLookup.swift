import ArgumentParser
import Foundation
import Geo
import GeoDatabase
import Topology
import TopologyFile

/// `geodirector geo lookup IP...`
struct GeoLookup: ParsableCommand {
  /// How results are written.
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case text, json, csv
  }

  static let configuration = CommandConfiguration(
    commandName: "lookup",
    abstract: "Look addresses up: the database's record, the sites in order with their distances, and the reason.",
    discussion: """
      JSON is one object a line, CSV has a header line. Exit status: 0 every address was looked up, 1 an address of --stdin
      was none, 64 wrong usage, 78 the database or the topology cannot be used.

      Examples:
        geodirector geo lookup 81.2.69.160 2a02:c7f::1 --database GeoLite2-City.mmdb
        geodirector geo lookup 10.1.2.3 --topology network.yaml --at OP1
        geodirector geo lookup --stdin --format csv --topology network.yaml < addresses.txt
      """)

  @Argument(help: ArgumentHelp("IPv4 or IPv6 addresses.", valueName: "ip")) var addresses: [String] = []
  @Flag(
    help: "Addresses come from standard input, one a line; empty lines and those that begin with # are passed over.")
  var stdin = false
  @Option(
    help: ArgumentHelp("The MaxMind DB file. Default: that of the topology.", valueName: "file"),
    completion: .file(extensions: ["mmdb"]))
  var database: String?
  @Option(
    help: ArgumentHelp(
      "The topology whose sites are put in order. Default: the environment variable GEODIRECTOR_TOPOLOGY.",
      valueName: "file"), completion: .file(extensions: ["yaml", "yml"]))
  var topology: String?
  @Option(
    help: ArgumentHelp(
      "An office or a director: its sites in its own order. Default: every site in the order of the file.",
      valueName: "node"))
  var at: String?
  @Option(help: "text, json or csv.") var format = Format.text

  func run() throws {
    let topology = try TopologyFiles.path(self.topology).map { try TopologyFiles.load($0, warnings: false) }
    let preference = try preference(topology)
    let path = database ?? topology?.databasePath
    guard path != nil || topology?.geo != nil else {
      throw ValidationError("No database: give --database FILE, or a topology with \"geo: {database: FILE}\".")
    }
    guard stdin != !addresses.isEmpty else {
      throw ValidationError(stdin ? "Both --stdin and addresses: give one." : "No address: give some, or --stdin.")
    }
    let database = try path.map(TopologyFiles.database)
    let lookup = AddressLookup(database: database, preference: preference)
    var writer = LookupWriter(format: format, sites: preference?.sites.map(\.name) ?? [])
    if stdin {
      try answer(lookup, &writer)
    } else {
      let parsed = try addresses.map(checked)
      for address in parsed { writer.write(lookup.answer(address)) }
      writer.flush()
    }
  }

  private func checked(_ text: String) throws -> Network {
    do throws(TextError) {
      return try Network(parsingAddress: text)
    } catch {
      throw ValidationError(error.message)
    }
  }

  private func answer(_ lookup: AddressLookup, _ writer: inout LookupWriter) throws {
    var failed = false
    while let line = readLine() {
      let text = line.trimmingCharacters(in: .whitespaces)
      if text.isEmpty || text.hasPrefix("#") { continue }
      do throws(TextError) {
        writer.write(lookup.answer(try Network(parsingAddress: text)))
      } catch {
        failed = true
        writer.write(LookupAnswer(address: text, error: error.message))
      }
    }
    writer.flush()
    if failed { throw ExitCode(1) }
  }

  /// The preference of the node, or of the whole network; nil without a topology.
  private func preference(_ topology: Topology?) throws -> SitePreference? {
    guard let topology else {
      if at != nil { throw ValidationError("--at needs a topology: give --topology FILE.") }
      return nil
    }
    return try SitePreference(topology, at: at)
  }
}

extension SitePreference {
  /// The preference of an office or a director, or, without a name, of every site in the order of the file.
  init(_ topology: Topology, at node: String?) throws {
    guard let node else {
      self.init(sites: topology.sites, geo: topology.geo ?? GeoSettings())
      return
    }
    if let office = topology.office(named: node) {
      self.init(topology, office: office)
    } else if let site = topology.sites.first(where: { $0.directors.contains { $0.name == node } }) {
      self.init(topology, site: site)
    } else {
      let known = topology.offices.map(\.name) + topology.sites.flatMap(\.directors).map(\.name)
      let mend = spellingMend(of: node, among: known, noun: "offices and directors") ?? ""
      throw ValidationError("No office or director is named \"\(node)\"; \(mend)")
    }
  }
}
