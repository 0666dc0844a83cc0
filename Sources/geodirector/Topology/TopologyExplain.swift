import ArgumentParser
import Foundation
import Geo
import GeoDatabase
import Simulation
import Topology
import TopologyFile

/// `geodirector topology explain FILE --at NODE`
struct TopologyExplain: ParsableCommand {
  /// How the result is written.
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case text, json
  }

  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Follow one request tier by tier: who is asked, why, and what the user gets.",
    discussion: """
      The nodes' own rules decide, on paper: nothing is sent. Every checker has noticed what is down or cut; with --fresh nobody has.

      Examples:
        geodirector topology explain topologies/two-sites.yaml --at OP1
        geodirector topology explain topologies/two-sites.yaml --at OP1 --cookie 'SITE=SITE1; JSESSIONID=W14~1' --cut OP1:SITE1
        geodirector topology explain topologies/two-sites.yaml --at OP1 --down SITE1 --fresh --format json
        geodirector topology explain public.yaml --at ENTRY --client 81.2.69.160
        geodirector topology explain redirecting.yaml --at SD1 --client 81.2.69.160
        geodirector topology explain topologies/tcp-relays.yaml --at syslog --down syslog-prod-site
        geodirector topology explain topologies/tcp-relays.yaml --at LB1 --port 1494
        geodirector topology explain topologies/tls-relays.yaml --at front --server-name shop.example
      """)

  @OptionGroup var topology: TopologyFileArgument
  @Option(help: "The office or director (or balancer, or relay) that the user asks.") var at: String
  @Option(help: "The port of it that is asked, or that of its monitor. Default: that of its first listener.")
  var port: UInt16?
  @Option(help: "At a relay: the name that the connection's TLS asks for (SNI).") var serverName: String?
  @Option(help: "The host asked for. Default: that of the first application.") var host: String?
  @Option(help: "The request's field Cookie.") var cookie = ""
  @Option(help: "The method.") var method = "GET"
  @Option(
    help:
      "The user's IP address, for offices with client-location, directors that redirect, and algorithms that hash it.")
  var client: String?
  @Option(
    help: ArgumentHelp(
      "What is down: elements, sites with everything at them, relays or their servers, with commas between.",
      valueName: "name,..."))
  var down: [String] = []
  @Option(
    help: ArgumentHelp(
      "A link that is cut: OP1:SITE1 both ways, 'OP1>SITE1' one way; or RELAY:SERVER. May be repeated.",
      valueName: "link"))
  var cut: [String] = []
  @Flag(help: "Nobody has noticed yet what is down or cut.") var fresh = false
  @Option(help: "text or json.") var format = Format.text

  func run() throws {
    let topology = try TopologyFiles.load(self.topology.path(), warnings: true)
    let explanation: Explanation
    do {
      var faults = NetworkFaults()
      for name in down.flatMap({ $0.split(separator: ",") }) {
        try faults.takeDown(name.trimmingCharacters(in: .whitespaces), in: topology)
      }
      for link in cut.flatMap({ $0.split(separator: ",") }) {
        try faults.cut(link.trimmingCharacters(in: .whitespaces), in: topology)
      }
      var request = Explainer.Request(entry: at)
      request.method = method.uppercased()
      request.host = host
      request.port = port
      request.serverName = serverName
      try checkEntry(topology)
      request.cookie = cookie
      request.client = try client.map(Network.init(parsingAddress:))
      request.geography = try geography(topology, request.client)
      request.isFresh = fresh
      request.seconds = Int64(Date().timeIntervalSince1970)
      let explainer = try Explainer(topology, faults, request)
      if faults.down.contains(at) {
        throw TextError("\"\(at)\" is down itself, so nobody can ask it", mend: "leave it out of --down")
      }
      explanation = try explainer.explain()
    } catch let error as TextError {
      throw ValidationError(error.mend.map { "\(error.message); \($0)" } ?? error.message)
    } catch let error as PlanError {
      throw ValidationError("\(error)")
    }
    print(format == .json ? try explanation.json() : ExplanationText(explanation).text)
  }

  /// Refuses what the entry does not have.
  private func checkEntry(_ topology: Topology) throws {
    let plan = try topology.plan(for: at)
    if serverName != nil, plan.role != .relay {
      throw TextError("--server-name is for relays, and \"\(at)\" is none", mend: "use --host")
    }
    guard let port else { return }
    let ports = plan.listeners.compactMap(\.address.port) + [plan.monitor?.port].compactMap { $0 }
    guard !ports.contains(port) else { return }
    throw TextError(
      "\"\(at)\" does not listen on port \(port)", mend: "its ports: " + ports.map(String.init).joined(separator: ", "))
  }

  /// The client's order of sites at a node that goes by it; nil at any other.
  private func geography(_ topology: Topology, _ client: Network?) throws -> Explanation.Geography? {
    guard let geo = try topology.plan(for: at).geo else { return nil }
    let preference = SitePreference(geo)
    let names = preference.sites.map(\.name)
    guard let client else {
      return Explanation.Geography(
        client: nil, sites: names, why: "the configured order, as of a client of whom nothing is known (see --client)")
    }
    let database = try TopologyFiles.database(of: topology)
    let answer = AddressLookup(database: database, preference: preference).answer(client)
    guard let decision = answer.decision else { return nil }
    return Explanation.Geography(
      client: answer.address, sites: decision.order.map { names[$0] }, why: decision.reason.sentence)
  }
}
