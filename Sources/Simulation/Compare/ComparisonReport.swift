/// The same users and faults under each way, side by side.
public struct ComparisonReport: Sendable, Equatable {
  /// The network's name.
  public var network: String
  /// Digest of the topology's files, 16 hexadecimal digits.
  public var digest: String
  /// How long answers of names held, in nanoseconds.
  public var namesLastNanoseconds: Int64
  /// Applications went on with sessions they did not know, without a cookie.
  public var adoptsSessions: Bool
  /// The scenarios, in order.
  public var scenarios: [ComparedScenario]

  /// Every property and every expectation of every scenario holds under our own way.
  public var holds: Bool { scenarios.allSatisfy(\.ours.holds) }

  /// What was counted in all scenarios under a way.
  public func total(_ way: Way) -> Counts {
    var sum = Counts()
    for scenario in scenarios { sum += scenario[way].total.counts }
    return sum
  }

  /// Our own way alone, as the plain run reports it.
  public var ours: SimulationReport {
    SimulationReport(network: network, digest: digest, scenarios: scenarios.map(\.ours))
  }
}

/// One scenario under each way.
public struct ComparedScenario: Sendable, Equatable {
  /// By way, in the order of `Way.allCases`.
  let reports: [ScenarioReport]

  /// What came of it under a way. Violations are told without their stories.
  public subscript(_ way: Way) -> ScenarioReport { reports[Way.allCases.firstIndex(of: way) ?? 0] }

  /// What came of it under our own way.
  public var ours: ScenarioReport { self[.ours] }
}
