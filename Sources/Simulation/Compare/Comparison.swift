internal import Routing
public import Topology

/// Runs the same users and faults under each way.
public enum Comparison {
  /// Runs the scenarios of the topology's file, or the built-in ones when it has none, under each way, on up to `threads`
  /// threads; the report does not depend on how many.
  ///
  /// The users draw from the same random streams under each way: they come at the same times, and think, stay and ask alike. They
  /// think from the answer on, so that slower answers shift what follows. The oracle is the same, too: what it calls avoidable,
  /// somebody could have avoided with the network of the file. `traceUser`, `tellsUsers` and `tracesViolations` have no meaning here;
  /// of `behaviour` what a way leaves out is left out besides.
  ///
  /// - Parameter named: this scenario alone.
  /// - Throws: `PlanError` when a node's plan cannot be made.
  public static func run(
    _ topology: Topology, named name: String? = nil, options: SimulationOptions, threads: Int = 1
  ) throws(PlanError) -> ComparisonReport {
    let network = try NetworkModel(topology)
    let byName = try StandIns.network(network, roll: options.roll)
    var scenarios = topology.scenarios.isEmpty ? BuiltInScenarios.scenarios(of: topology) : topology.scenarios
    if let name { scenarios = scenarios.filter { $0.name == name } }
    let chosen = scenarios
    let ways = Way.allCases
    let reports = Parallel.map(chosen.count * ways.count, threads: threads) { number in
      let way = ways[number % ways.count]
      return Simulation.run(
        way.behaviour.contains(.sitesByName) ? byName : network, scenario: chosen[number / ways.count],
        options: self.options(options, way))
    }
    return ComparisonReport(
      network: topology.name, digest: topology.digest, namesLastNanoseconds: options.namesLast.nanosecondsClamped,
      adoptsSessions: options.behaviour.contains(.applicationsAdoptSessions),
      scenarios: chosen.indices.map { index in
        ComparedScenario(reports: Array(reports[index * ways.count..<(index + 1) * ways.count]))
      })
  }

  private static func options(_ options: SimulationOptions, _ way: Way) -> SimulationOptions {
    var plain = options
    plain.behaviour.formUnion(way.behaviour)
    plain.traceUser = nil
    plain.tellsUsers = false
    plain.tracesViolations = false
    if let told = options.progress {
      plain.progress = { progress in
        var named = progress
        named.scenario += ", \(way.title)"
        told(named)
      }
    }
    return plain
  }
}
