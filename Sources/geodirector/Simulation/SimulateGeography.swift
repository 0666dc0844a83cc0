import ArgumentParser
import Simulation
import Topology

extension TopologySimulate {
  /// `--geography`: clients all over the world instead of scenarios.
  func geography(_ topology: Topology) throws {
    let entry = GeographySimulation.entry(topology, named: at)
    if let at, entry == nil {
      let mend = spellingMend(of: at, among: topology.offices.map(\.name), noun: "there are")
      throw ValidationError("No office is named \"\(at)\"; \(mend ?? "there is none")")
    }
    let report: GeographyReport
    do {
      report = try GeographySimulation.run(topology, entry: entry, clients: clients ?? 10_000, seed: seed)
    } catch .sitesWithoutLocation(let names) {
      TopologyFiles.print(
        names.compactMap(topology.site(named:)).map {
          Diagnostic(
            .error, at: $0.location, "site \($0.name) has no location, so nobody knows how far it is",
            mend: "add \"location: [50.85, 4.35]\", its latitude and longitude")
        })
      throw ExitCode.configuration
    }
    switch format {
    case .text: print(GeographyText(report, .ofStandardOutput()).text)
    case .json: print(try GeographyJSON(report).json())
    }
  }

  /// Why the options beside `--geography`, or those that belong to it, make no sense; nil: they do.
  var geographyMisuse: String? {
    guard geography else {
      guard let stray = clients != nil ? "--clients" : at != nil ? "--at" : nil else { return nil }
      return "\(stray) has no meaning without --geography."
    }
    let others = [
      ("--scenario", scenario != nil), ("--users", users != nil), ("--population", population != nil),
      ("--per-user", perUser), ("--trace", trace != nil), ("--plot", plot != nil), ("--explore", explore != nil),
      ("--compare", compare), ("--full", full),
    ]
    if let other = others.first(where: \.1) { return "--geography runs no scenario: it does not go with \(other.0)." }
    if let clients, !(1...10_000_000).contains(clients) {
      return clients < 1 ? "--clients must be at least 1." : "--clients must be at most 10000000."
    }
    return nil
  }
}
