public import Topology

/// Runs scenarios in virtual time.
public enum Simulation {
  /// Runs one scenario. A pure function: the same network, scenario and options give the same report.
  ///
  /// `network` is made once and may serve any number of runs at the same time.
  public static func run(_ network: NetworkModel, scenario: Scenario, options: SimulationOptions) -> ScenarioReport {
    let network = network.prepared(for: scenario, options)
    var report = once(network, scenario, options)
    if options.tracesViolations { tell(&report, network, scenario, options) }
    options.progress?(
      SimulationProgress(
        scenario: scenario.name, nowNanoseconds: report.durationNanoseconds,
        endNanoseconds: report.durationNanoseconds, requests: report.total.counts.requests, isDone: true))
    return report
  }

  private static func once(
    _ network: NetworkModel, _ scenario: Scenario, _ options: SimulationOptions
  ) -> ScenarioReport {
    var run = Run(network, scenario: scenario, options: options)
    run.run()
    return run.report()
  }

  /// Runs the scenarios of the topology's file, or the built-in ones when it has none, on up to `threads` threads; the report
  /// does not depend on how many.
  ///
  /// - Parameter named: this scenario alone.
  /// - Throws: `PlanError` when a node's plan cannot be made.
  public static func run(
    _ topology: Topology, named name: String? = nil, options: SimulationOptions, threads: Int = 1
  ) throws(PlanError) -> SimulationReport {
    let network = try NetworkModel(topology)
    var scenarios = topology.scenarios.isEmpty ? BuiltInScenarios.scenarios(of: topology) : topology.scenarios
    if let name { scenarios = scenarios.filter { $0.name == name } }
    let chosen = scenarios
    let reports = Parallel.map(chosen.count, threads: threads) { run(network, scenario: chosen[$0], options: options) }
    return SimulationReport(network: topology.name, digest: topology.digest, scenarios: reports)
  }

  /// Requests of a story before the one that violates a property.
  private static let requestsBefore = 2

  /// Runs the scenario again for the users of the first violations, and tells their last requests up to it.
  private static func tell(
    _ report: inout ScenarioReport, _ network: NetworkModel, _ scenario: Scenario, _ options: SimulationOptions
  ) {
    var stories: [(user: Int, trace: UserTrace)] = []
    for index in report.verdicts.indices {
      guard let violation = report.verdicts[index].first, let user = violation.user else { continue }
      if !stories.contains(where: { $0.user == user }) {
        var again = options
        again.traceUser = user
        guard let trace = once(network, scenario, again).trace else { continue }
        stories.append((user, trace))
      }
      guard var story = stories.first(where: { $0.user == user })?.trace else { continue }
      let last = story.requests.lastIndex { $0.beganNanoseconds == violation.atNanoseconds } ?? story.requests.count - 1
      story.requests = Array(story.requests[max(0, last - requestsBefore)..<last + 1])
      report.verdicts[index].first?.trace = story
    }
  }
}
