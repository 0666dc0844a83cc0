import ArgumentParser
import Foundation
import Simulation
import Topology

/// Networks of relays alone.
extension TopologySimulate {
  func simulateRelays(_ topology: Topology) throws {
    let others: [(String, Bool)] = [
      ("--population", population != nil), ("--per-user", perUser), ("--trace", trace != nil), ("--plot", plot != nil),
      ("--explore", explore != nil), ("--compare", compare), ("--geography", geography),
    ]
    if let other = others.first(where: \.1) {
      throw ValidationError(
        "\(other.0) is about requests and sites, and the network has relays alone; their scenarios take --scenario, "
          + "--users, --seed, --full and --format.")
    }
    let network = try RelayNetwork(topology)
    let scenarios = topology.scenarios.isEmpty ? BuiltInScenarios.scenarios(of: network) : topology.scenarios
    try expectScenario(among: scenarios.map(\.name))
    let progress = ProgressLine.onTerminal(scenarios: scenario == nil ? scenarios.count : 1)
    var options = SimulationOptions(seed: seed)
    options.users = users
    if let progress { options.progress = { progress.update($0) } }
    let report = try RelaySimulation.run(
      topology, named: scenario, options: options, threads: ProcessInfo.processInfo.activeProcessorCount)
    progress?.finish()
    if report.scenarios.allSatisfy({ $0.users == 0 }) { throw Self.nobody() }
    switch format {
    case .text: print(RelaySimulationText(report, .ofStandardOutput(), isFull: full).text)
    case .json:
      print(try RelaySimulationJSON(report).json())
      if !report.holds {
        FileHandle.standardError.write(Data((RelaySimulationText(report).conclusion + "\n").utf8))
      }
    }
    if !report.holds { throw ExitCode(1) }
  }
}
