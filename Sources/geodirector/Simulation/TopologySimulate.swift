import ArgumentParser
import Foundation
import GeoDatabase
import Simulation
import Topology
import TopologyFile

/// `geodirector topology simulate FILE`
struct TopologySimulate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Show what the network does under failures, before anyone builds it.",
    discussion: """
      Runs the file's scenarios in virtual time, with the routing code of the proxy; without scenarios each element fails \
      once, in turn. The same file, seed and version give the same output. Exit status: 0 every property and expectation \
      holds, 1 one does not, 64 wrong usage, 78 errors in the file.

      Examples:
        geodirector topology simulate topologies/two-sites.yaml
        geodirector topology simulate topologies/two-sites.yaml --scenario director-dies --trace 5
        geodirector topology simulate topologies/two-sites.yaml --population users.yaml --per-user
        geodirector topology simulate topologies/three-sites.yaml --users 10000 --plot three-sites.svg --format json
        geodirector topology simulate topologies/two-sites.yaml --explore 1000
        geodirector topology simulate topologies/two-sites.yaml --compare --dns-ttl 5m
        geodirector topology simulate topologies/world.yaml --geography --clients 100000
        geodirector topology simulate topologies/tcp-relays.yaml --scenario stall-syslog-prod-site
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case text, json
  }

  @OptionGroup var topology: TopologyFileArgument
  @Option(help: "Run this scenario alone.") var scenario: String?
  @Option(help: "Users at the same time. Default: as the file says, else 140.") var users: Int?
  @Option(
    help: ArgumentHelp(
      "Users one by one, with cookies and times of requests, in place of a number of users.", valueName: "users.yaml"),
    completion: .file(extensions: ["yaml", "yml", "json"]))
  var population: String?
  @Flag(help: "Tell what each user met: errors, lost sessions, moves, requests between sites.") var perUser = false
  @Option(help: "The random seed of scenarios that name none.") var seed: UInt64 = 1
  @Option(help: ArgumentHelp("Tell every request of this user, numbered from 0.", valueName: "user")) var trace: Int?
  @Option(
    help: ArgumentHelp("Draw what happened over time into this SVG file.", valueName: "file.svg"),
    completion: .file(extensions: ["svg"]))
  var plot: String?
  @Option(
    help: ArgumentHelp(
      "Run this many random schedules of faults instead of scenarios, and shrink the first that violates a property.",
      valueName: "count"))
  var explore: Int?
  @Flag(
    help: """
      Run each scenario in other ways, too, side by side: the rules of HAProxy's guide, no site cookie, DNS failover, return \
      at once. The exit status is that of our own way.
      """)
  var compare = false
  @Option(
    help: ArgumentHelp(
      "With --compare: how long answers of names are kept. Default: 60s.", valueName: "duration"),
    transform: Self.timeToLive)
  var dnsTTL: Duration?
  @Flag(help: "With --compare: applications go on with sessions they do not know, and set no cookie then.")
  var adoptSessions = false
  @Flag(
    help: """
      Instead of scenarios: draw clients over the world's people, and tell how far and how long it is to their sites by the \
      file's geography, with sites in turn, and with each site alone.
      """)
  var geography = false
  @Option(help: "With --geography: how many clients are drawn. Default: 10000.") var clients: Int?
  @Option(
    help: ArgumentHelp(
      "With --geography: the office whose preference it is. Default: the first with client-location, else all sites.",
      valueName: "office"))
  var at: String?
  @Flag(help: "Tell every scenario in full, also those in which everything holds when there are many.") var full = false
  @Option(help: "text or json.") var format: Format = .text

  func validate() throws {
    if let geographyMisuse { throw ValidationError(geographyMisuse) }
    if let users, !(1...10_000_000).contains(users) {
      throw ValidationError(users < 1 ? "--users must be at least 1." : "--users must be at most 10000000.")
    }
    if population != nil, users != nil {
      throw ValidationError("--users has no meaning beside --population, which lists the users.")
    }
    if let trace, trace < 0 { throw ValidationError("--trace: users are numbered from 0.") }
    if let explore, !(1...1_000_000).contains(explore) {
      throw ValidationError(
        explore < 1
          ? "--explore must be at least 1."
          : "--explore must be at most 1000000; more need another --seed.")
    }
    if explore != nil {
      let other =
        scenario != nil
        ? "--scenario"
        : trace != nil
          ? "--trace"
          : plot != nil
            ? "--plot"
            : full
              ? "--full"
              : population != nil ? "--population" : perUser ? "--per-user" : nil
      if let other { throw ValidationError("--explore draws its own scenarios: it does not go with \(other).") }
    }
    if compare {
      let other =
        explore != nil
        ? "--explore"
        : trace != nil ? "--trace" : plot != nil ? "--plot" : full ? "--full" : perUser ? "--per-user" : nil
      if let other { throw ValidationError("--compare shows sums of each way: it does not go with \(other).") }
    } else if dnsTTL != nil || adoptSessions {
      throw ValidationError("\(dnsTTL != nil ? "--dns-ttl" : "--adopt-sessions") has no meaning without --compare.")
    }
    if let plot, !plot.lowercased().hasSuffix(".svg") {
      // A topology is easily named in its place, and would be overwritten.
      throw ValidationError("--plot: \"\(plot)\" is no name of a drawing; write FILE.svg.")
    }
    if let plot, let reason = Self.whyUnwritable(plot) { throw ValidationError("--plot: \(reason)") }
  }

  func run() throws {
    let topology = try TopologyFiles.load(self.topology.path(), warnings: true)
    if topology.hasRelaysAlone { return try simulateRelays(topology) }
    if topology.sites.isEmpty {
      throw ValidationError("the network has no site: nobody is there who would answer requests.")
    }
    let known = topology.relaysOfChecks.map(\.name)
    let unknown = topology.relays.map(\.name).filter { !known.contains($0) }.joined(separator: ", ")
    if !unknown.isEmpty, format == .text {
      FileHandle.standardError.write(
        Data(
          "note: only relays before monitors and admission ports are simulated, not what these pass on: \(unknown)\n"
            .utf8
        ))
    }
    if geography { return try geography(topology) }
    if let explore { return try self.explore(topology, count: explore) }
    let scenarios = topology.scenarios.isEmpty ? BuiltInScenarios.scenarios(of: topology) : topology.scenarios
    let names = scenarios.map(\.name)
    try expectScenario(among: names)
    let runs = (scenario == nil ? names.count : 1) * (compare ? Way.allCases.count : 1)
    let progress = ProgressLine.onTerminal(scenarios: runs)
    var options = SimulationOptions(seed: seed)
    options.users = users
    options.traceUser = trace
    options.tellsUsers = perUser
    if let population { options.roll = try Self.roll(population, topology) }
    options.clientPlace = try Self.places(of: options.roll, topology)
    options.rollouts = try Rollouts.load(scenarios.filter { scenario == nil || $0.name == scenario }, of: topology)
    if let progress { options.progress = { progress.update($0) } }
    if compare { return try self.compare(topology, options, progress) }
    let report = try Simulation.run(
      topology, named: scenario, options: options, threads: ProcessInfo.processInfo.activeProcessorCount)
    progress?.finish()
    if let trace, let most = report.scenarios.map(\.users).max(), trace >= most {
      throw ValidationError("--trace: there is no user \(trace); they are numbered from 0 to \(most - 1).")
    }
    if report.scenarios.allSatisfy({ $0.users == 0 }) { throw Self.nobody() }
    if let plot { try Self.write(SimulationPlot(report).text, to: plot) }
    let text = SimulationText(report, .ofStandardOutput(), isFull: full)
    switch format {
    case .text: print(text.text)
    case .json:
      print(try SimulationJSON(report).json())
      // Standard output is the program's; people read the other.
      if !report.holds {
        FileHandle.standardError.write(Data((SimulationText(report).conclusion + "\n").utf8))
      }
    }
    if !report.holds { throw ExitCode(1) }
  }

  /// Refuses a name of `--scenario` that none of these has.
  func expectScenario(among names: [String]) throws {
    guard let scenario, !names.contains(scenario) else { return }
    let mend = spellingMend(of: scenario, among: names, noun: "there are")
    throw ValidationError("No scenario is named \"\(scenario)\"; \(mend ?? "there is none")")
  }

  /// Tells that there were no users, and is how the command ends then.
  static func nobody() -> ExitCode {
    FileHandle.standardError.write(
      Data("error: nobody used the network, and so nothing was tried; give \"users:\" above 0, or --users\n".utf8))
    return ExitCode.configuration
  }

  /// The users of a population file; ends the command with 78 when something is wrong with it.
  private static func roll(_ path: String, _ topology: Topology) throws -> UserRoll {
    let (roll, diagnostics) = PopulationLoader.load(path, for: topology)
    TopologyFiles.print(diagnostics)
    guard let roll else { throw ExitCode.configuration }
    return roll
  }

  /// Where the addresses of listed users are, by the topology's database; nil: nobody asks, or there is none.
  private static func places(of roll: UserRoll?, _ topology: Topology) throws -> SimulationOptions.ClientPlaces? {
    guard let roll, roll.users.contains(where: { $0.client != nil }) else { return nil }
    guard let database = try TopologyFiles.database(of: topology) else { return nil }
    // An address that cannot be looked up gets the configured order, as at a node.
    return { high, low in
      guard let entry = try? database.find(high: high, low: low) else { return nil }
      return try? database.place(of: entry.record)
    }
  }

  private func compare(_ topology: Topology, _ options: SimulationOptions, _ progress: ProgressLine?) throws {
    var options = options
    if let dnsTTL { options.namesLast = dnsTTL }
    if adoptSessions { options.behaviour.insert(.applicationsAdoptSessions) }
    let report = try Comparison.run(
      topology, named: scenario, options: options, threads: ProcessInfo.processInfo.activeProcessorCount)
    progress?.finish()
    switch format {
    case .text: print(CompareText(report, .ofStandardOutput()).text)
    case .json:
      print(try CompareJSON(report).json())
      if !report.holds { FileHandle.standardError.write(Data((CompareText(report).conclusion + "\n").utf8)) }
    }
    if !report.holds { throw ExitCode(1) }
  }

  /// A second at least: a name without any time to live is asked for each time, which is another matter.
  private static func timeToLive(_ text: String) throws -> Duration {
    do {
      let duration = try Duration(parsing: text)
      guard duration >= .seconds(1) else { throw ValidationError("it must be at least 1s.") }
      return duration
    } catch let error as TextError {
      throw ValidationError([error.message, error.mend].compactMap(\.self).joined(separator: "; "))
    }
  }

  private func explore(_ topology: Topology, count: Int) throws {
    let progress = ProgressLine.onTerminal(scenarios: count)
    var options = SimulationOptions(seed: seed)
    options.users = users
    if let progress { options.progress = { progress.update($0) } }
    let report = Exploration.run(
      try NetworkModel(topology), count: count, options: options,
      threads: ProcessInfo.processInfo.activeProcessorCount)
    progress?.finish()
    let text = ExploreText(report, .ofStandardOutput())
    switch format {
    case .text: print(text.text)
    case .json:
      print(try ExploreJSON(report).json())
      if !report.holds { FileHandle.standardError.write(Data((ExploreText(report).conclusion + "\n").utf8)) }
    }
    if !report.holds { throw ExitCode(1) }
  }

  /// Known before anything runs: a long simulation is not to end with a drawing that nobody gets.
  private static func whyUnwritable(_ path: String) -> String? {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
      if isFolder.boolValue { return "\"\(path)\" is a directory." }
      return FileManager.default.isWritableFile(atPath: path) ? nil : "\"\(path)\" cannot be written."
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    return FileManager.default.isWritableFile(atPath: folder) ? nil : "there is no directory \"\(folder)\" to write in."
  }

  private static func write(_ text: String, to path: String) throws {
    do {
      try text.write(toFile: path, atomically: true, encoding: .utf8)
    } catch {
      throw ValidationError("--plot: \"\(path)\" cannot be written: \(error.localizedDescription)")
    }
  }
}
