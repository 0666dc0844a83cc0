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
    let (outcomes, requests) = violations(network, count: count, options: options, threads: threads)
    var report = ExploreReport(
      network: network.topology.name, digest: network.topology.digest, seed: options.seed, schedules: outcomes.count,
      users: options.users ?? usersByDefault, requests: requests,
      tallies: Property.allCases.enumerated().map { index, property in
        let hits = outcomes.indices.filter { outcomes[$0][index] > 0 }
        return ExploreReport.Tally(
          property: property, schedules: hits.count,
          violations: hits.reduce(0) { $0 + outcomes[$1][index] }, first: hits.first)
      })
    if let number = report.tallies.compactMap(\.first).min(),
      let property = report.tallies.first(where: { $0.first == number })?.property
    {
      report.find = find(network, number, property, options: options, threads: threads)
    }
    return report
  }

  /// Shrinks the schedule of a number, which must violate the property.
  package static func find(
    _ network: NetworkModel, _ number: Int, _ property: Property, options: SimulationOptions, threads: Int = 1
  ) -> ExploreReport.Find {
    let drawn = ScheduleGenerator(network).schedule(
      number, seed: options.seed, users: options.users ?? usersByDefault)
    var quiet = options
    quiet.users = nil
    quiet.traceUser = nil
    quiet.progress = nil
    quiet.tracesViolations = false
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

  /// Schedules 0 up to `count`, as violations by property, and the requests of all.
  package static func violations(
    _ network: NetworkModel, count: Int, options: SimulationOptions, threads: Int
  ) -> (violations: [[UInt64]], requests: UInt64) {
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
    return (outcomes.map(\.violations), outcomes.reduce(0) { $0 + $1.requests })
  }
}
