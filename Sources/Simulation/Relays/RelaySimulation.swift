internal import Routing
public import Topology

/// Runs scenarios of networks of relays alone in virtual time: users open connections through relays, and relays choose servers by the
/// code that the proxy runs.
public enum RelaySimulation {
  /// Runs one scenario. A pure function: the same network, scenario and options give the same report.
  ///
  /// - Parameter options: users, seed, progress, and of the rules `withoutFastChecks` and `withoutEvidence`; the others are about requests.
  public static func run(
    _ network: RelayNetwork, scenario: Scenario, options: SimulationOptions
  ) -> RelayScenarioReport {
    var run = RelayRun(network, scenario: scenario, options: options)
    run.run()
    let report = run.report()
    options.progress?(
      SimulationProgress(
        scenario: scenario.name, nowNanoseconds: report.durationNanoseconds,
        endNanoseconds: report.durationNanoseconds, requests: report.total.counts.tried, isDone: true))
    return report
  }

  /// Runs the scenarios of the topology's file, or the built-in ones when it has none, on up to `threads` threads; the report
  /// does not depend on how many.
  ///
  /// - Parameter named: this scenario alone.
  /// - Throws: `PlanError` when a relay's plan cannot be made.
  public static func run(
    _ topology: Topology, named name: String? = nil, options: SimulationOptions, threads: Int = 1
  ) throws(PlanError) -> RelaySimulationReport {
    let network = try RelayNetwork(topology)
    var scenarios = topology.scenarios.isEmpty ? BuiltInScenarios.scenarios(of: network) : topology.scenarios
    if let name { scenarios = scenarios.filter { $0.name == name } }
    let chosen = scenarios
    let reports = Parallel.map(chosen.count, threads: threads) { run(network, scenario: chosen[$0], options: options) }
    return RelaySimulationReport(network: topology.name, digest: topology.digest, scenarios: reports)
  }
}

extension BuiltInScenarios {
  /// In this order: each server and each relay is killed for four minutes; each falls silent, with its machine; each server that is asked
  /// more than for a connection takes connections and says nothing. They are called `kill-NAME`, `power-NAME` and `stall-NAME`.
  public static func scenarios(of network: RelayNetwork) -> [Scenario] {
    var servers: [String] = []
    var asked: [String] = []
    for pool in network.pools {
      for candidate in pool.candidates {
        // A relay behind a relay stands for itself.
        guard Int(candidate.element) >= network.relayCount else { continue }
        if !servers.contains(candidate.name) { servers.append(candidate.name) }
        if let check = candidate.check, !check.isConnect, !asked.contains(candidate.name) {
          asked.append(candidate.name)
        }
      }
    }
    let names = servers + network.topology.relays.map(\.name)
    return names.map { kill($0) }
      + names.map { scenario("power-\($0)", "the machine of \($0) falls silent", .power([Located($0)])) }
      + asked.map {
        scenario(
          "stall-\($0)", "\($0) takes connections and says nothing",
          .slow(.elements([Located($0)]), added: .seconds(3600), divided: 1))
      }
  }
}

extension RelayRun {
  /// What was found, when the run is over.
  func report() -> RelayScenarioReport {
    let phases = record.reports().map { phase($0) }
    var total = phase(record.total())
    for count in counts { total.counts += count }
    let expectations = scenario.expectations.map { outcome($0, phases + [total]) }
    return RelayScenarioReport(
      name: scenario.name, summary: scenario.summary, durationNanoseconds: end, seed: seed, users: userCount,
      faults: plan.marks, phases: phases, total: total, series: series, listeners: listeners,
      verdicts: [
        verdict(.noAvoidableFailure, avoidable), verdict(.detectionInTime, undetected), verdict(.backInTime, late),
      ], expectations: expectations, events: events)
  }

  private func verdict(_ property: RelayProperty, _ found: Violations) -> RelayVerdict {
    RelayVerdict(property: property, violations: found.count, first: found.first)
  }

  private func phase(_ report: PhaseReport) -> RelayPhaseReport {
    let index = PhaseIndex.allCases.firstIndex { $0.phase == report.phase }
    return RelayPhaseReport(
      phase: report.phase, lengthNanoseconds: report.lengthNanoseconds, spans: report.spans,
      counts: index.map { counts[$0] } ?? RelayCounts(), opening: report.latency)
  }

  private var series: RelaySeries {
    let names = network.elements[network.relayCount...].map(\.name)
    let found = record.series(names)
    return RelaySeries(
      stepNanoseconds: found.stepNanoseconds, servers: names, openedByServer: found.requestsBySite,
      failed: found.errors, cut: found.sessionsLost)
  }

  private var listeners: [RelayListenerReport] {
    network.entries.indices.map { index in
      let entry = network.entries[index]
      let users = userCount / network.entries.count + (index < userCount % network.entries.count ? 1 : 0)
      return RelayListenerReport(
        relay: network.elements[Int(entry.relay)].name, address: entry.address, pool: entry.poolName, users: users,
        counts: ofEntry[index], outages: outages(index))
    }
  }

  /// From each first failure to the first attempt after it that came about.
  private func outages(_ entry: Int) -> [PhaseSpan] {
    var spans: [PhaseSpan] = []
    var began: Int64?
    for attempt in attempts[entry].sorted() {
      if attempt & 1 == 0 {
        began = began ?? attempt >> 1
      } else if let since = began {
        spans.append(PhaseSpan(beginNanoseconds: since, endNanoseconds: attempt >> 1))
        began = nil
      }
    }
    if let began { spans.append(PhaseSpan(beginNanoseconds: began, endNanoseconds: end)) }
    return spans
  }

  private func outcome(_ expectation: Expectation, _ phases: [RelayPhaseReport]) -> ExpectationOutcome {
    let part = phases.first { $0.phase == expectation.phase }
    let counts = part?.counts ?? RelayCounts()
    let value: Double =
      switch expectation.measure {
      case .errors: Double(counts.avoidableFailures)
      case .allErrors: Double(counts.failed)
      case .sessionLosses: Double(counts.cut)
      case .p50: Double(part?.opening.p50Nanoseconds ?? 0) / 1e6
      case .p99: Double(part?.opening.p99Nanoseconds ?? 0) / 1e6
      case .avoidableSessionLosses, .movedNeedlessly, .movedBack, .interSite, .avoidableInterSite, .cost: 0
      }
    let holds = expectation.atMost.map { value <= $0 } ?? true && expectation.atLeast.map { value >= $0 } ?? true
    return ExpectationOutcome(expectation: expectation, value: value, holds: holds)
  }
}
