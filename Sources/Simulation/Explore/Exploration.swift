internal import Topology

/// Looks for failures nobody thought of: random schedules of faults, each checked for every property.
public enum Exploration {
  /// Users of a schedule when nobody says how many.
  public static let usersByDefault = 140

  private struct Outcome: Sendable {
    var requests: UInt64
    /// By property.
    var violations: [UInt64]
  }

  /// Runs the schedules 0 up to `count` of a seed, and shrinks the first that violates a property.
  ///
  /// The report depends on the network, `count`, `options.seed`, `options.users` (140 unless given) and
  /// `options.behaviour`, and not on `threads`.
  public static func run(
    _ network: NetworkModel, count: Int, options: SimulationOptions, threads: Int = 1
  ) -> ExploreReport {
    let generator = ScheduleGenerator(network)
    let users = options.users ?? usersByDefault
    var plain = options
    plain.tracesViolations = false
    plain.traceUser = nil
    plain.users = nil
    let each = plain
    let outcomes = Parallel.map(max(0, count), threads: threads) { number in
      let report = Simulation.run(
        network, scenario: generator.schedule(number, seed: each.seed, users: users), options: each)
      return Outcome(requests: report.total.counts.requests, violations: report.verdicts.map(\.violations))
    }
    var report = ExploreReport(
      network: network.topology.name, digest: network.topology.digest, seed: options.seed, schedules: outcomes.count,
      users: users, requests: outcomes.reduce(0) { $0 + $1.requests },
      tallies: Property.allCases.enumerated().map { index, property in
        let hits = outcomes.indices.filter { outcomes[$0].violations[index] > 0 }
        return ExploreReport.Tally(
          property: property, schedules: hits.count,
          violations: hits.reduce(0) { $0 + outcomes[$1].violations[index] }, first: hits.first)
      })
    if let number = report.tallies.compactMap(\.first).min(),
      let property = report.tallies.first(where: { $0.first == number })?.property
    {
      let drawn = generator.schedule(number, seed: each.seed, users: users)
      report.find = find(network, number, property, drawn, each, threads: threads)
    }
    return report
  }

  private static func find(
    _ network: NetworkModel, _ number: Int, _ property: Property, _ drawn: Scenario, _ options: SimulationOptions,
    threads: Int
  ) -> ExploreReport.Find {
    var quiet = options
    quiet.progress = nil
    let each = quiet
    var shrinker = Shrinker(network.topology, threads: threads) { scenario in
      Simulation.run(network, scenario: scenario, options: each).verdicts
        .first { $0.property == property }?.first?.atNanoseconds
    }
    let scenario = shrinker.shrink(drawn)
    quiet.tracesViolations = true
    return ExploreReport.Find(
      number: number, property: property, drawn: drawn, scenario: scenario, runs: shrinker.runs,
      report: Simulation.run(network, scenario: scenario, options: quiet))
  }
}
