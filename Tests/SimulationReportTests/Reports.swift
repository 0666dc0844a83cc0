import Topology

@testable import Simulation

/// Reports made by hand: what renderers are given does not change with the engine.
enum Reports {
  /// Ten minutes of two sites; SD1 is killed from 2m to 4m.
  static func scenario(_ name: String = "director-dies") -> ScenarioReport {
    var before = Counts()
    before.requests = 1_800
    before.bytes = 38_800_000
    before.cost = 0.00194
    before.costOracle = 0.00194
    var detection = Counts()
    detection.requests = 806
    detection.errors = 3
    detection.errorsOracle = 3
    detection.sessionsLost = 2
    detection.sessionsLostOracle = 2
    detection.usersMoved = 2
    detection.moves = 2
    detection.interSite = 563
    detection.interSiteOracle = 560
    detection.bytes = 29_400_000
    detection.cost = 0.00196
    detection.costOracle = 0.00190
    var total = before
    total += detection
    let latency = LatencyReport(
      count: 1_800, p50Nanoseconds: 56_100_000, p99Nanoseconds: 136_000_000, maxNanoseconds: 140_000_000)
    let slow = LatencyReport(
      count: 803, p50Nanoseconds: 348_000_000, p99Nanoseconds: 12_300_000_000, maxNanoseconds: 13_000_000_000)
    return ScenarioReport(
      name: name, summary: "SD1 is dead for two minutes, its balancers and servers live",
      durationNanoseconds: 600_000_000_000, seed: 1, users: 140,
      faults: [
        FaultMark(atNanoseconds: 120_000_000_000, untilNanoseconds: 240_000_000_000, text: "kill SD1")
      ],
      phases: [
        PhaseReport(
          phase: .before, lengthNanoseconds: 120_000_000_000, counts: before, latency: latency,
          spans: [PhaseSpan(beginNanoseconds: 0, endNanoseconds: 120_000_000_000)]),
        PhaseReport(
          phase: .detection, lengthNanoseconds: 61_200_000_000, counts: detection, latency: slow,
          spans: [PhaseSpan(beginNanoseconds: 120_000_000_000, endNanoseconds: 181_200_000_000)]),
      ],
      total: PhaseReport(phase: .all, lengthNanoseconds: 600_000_000_000, counts: total, latency: slow),
      series: series, links: [link],
      verdicts: Property.allCases.map { PropertyVerdict(property: $0, violations: 0, first: nil) },
      expectations: [
        ExpectationOutcome(
          expectation: Expectation(measure: .movedBack, atMost: 0), value: 0, holds: true),
        ExpectationOutcome(
          expectation: Expectation(measure: .p99, phase: .failedOver, atMost: 800), value: 415.2, holds: true),
      ],
      trace: nil, events: 12_345)
  }

  static let link = LinkReport(
    from: "OP1", to: "SITE1", isInterSite: false, isDeclared: true, bytes: 68_200_000, cost: 0.0039)

  /// 20 steps of 30 s.
  static let series = TimeSeries(
    stepNanoseconds: 30_000_000_000, sites: ["SITE1", "SITE2"],
    requestsBySite: [
      (0..<20).map { (4..<8).contains($0) ? 0 : 300 }, (0..<20).map { (4..<8).contains($0) ? 450 : 150 },
    ],
    interSite: (0..<20).map { (4..<8).contains($0) ? 140 : 0 }, errors: (0..<20).map { $0 == 4 ? 3 : 0 },
    sessionsLost: (0..<20).map { $0 == 4 || $0 == 5 ? 1 : 0 }, moves: Array(repeating: 0, count: 20))

  /// The scenario with a violated property, its story, and an expectation that fails.
  static func failing(_ name: String = "director-dies") -> ScenarioReport {
    var report = scenario(name)
    report.verdicts[3] = PropertyVerdict(
      property: .noAvoidableError, violations: 2,
      first: Violation(
        atNanoseconds: 123_105_000_000, user: 12,
        text: "a GET of user 12 ended with status 503 although a server could be reached",
        trace: UserTrace(user: 12, entry: "OP1", requests: [request(at: 119_250), failed])))
    report.expectations[0].value = 4
    report.expectations[0].holds = false
    return report
  }

  static func request(at milliseconds: Int64, balancer: String = "S1L1") -> RequestTrace {
    let cookies = "SITE=SITE1; JSESSIONID=W14~1"
    let director = AttemptTrace(
      atNanoseconds: milliseconds * 1_000_000, node: "OP1", depth: 0, chosen: "SD1", reason: "cookie",
      candidates: [candidate("SD1", isNamed: true), candidate("SD2", tier: 1)], outcome: "answered 200")
    let server = AttemptTrace(
      atNanoseconds: milliseconds * 1_000_000, node: "SD1", depth: 1, chosen: balancer, reason: "cookie",
      candidates: [candidate(balancer, isNamed: true)], outcome: "answered 200")
    return RequestTrace(
      beganNanoseconds: milliseconds * 1_000_000, endedNanoseconds: (milliseconds + 53) * 1_000_000, method: "GET",
      cookiesBefore: cookies, cookiesAfter: cookies, status: 200, server: "W14", isNewSession: false,
      lostSession: false, attempts: [director, server])
  }

  /// SD1 is dead, which OP1 does not know; SD2 is believed down and lives.
  static let failed = RequestTrace(
    beganNanoseconds: 123_105_000_000, endedNanoseconds: 123_136_000_000, method: "GET",
    cookiesBefore: "SITE=SITE1; JSESSIONID=W14~1", cookiesAfter: "", status: 503, server: nil, isNewSession: false,
    lostSession: true,
    attempts: [
      AttemptTrace(
        atNanoseconds: 123_105_000_000, node: "OP1", depth: 0, chosen: "SD1", reason: "cookie",
        candidates: [
          candidate("SD1", isNamed: true, isReachable: false), candidate("SD2", tier: 1, belief: "down"),
        ], outcome: "connection refused"),
      AttemptTrace(
        atNanoseconds: 123_136_000_000, node: "OP1", depth: 0, chosen: nil, reason: "no way left: answers 503",
        candidates: [], outcome: "no way left: answers 503"),
    ])

  static func candidate(
    _ name: String, tier: Int = 0, isNamed: Bool = false, belief: String = "admits", isReachable: Bool = true
  ) -> CandidateTrace {
    CandidateTrace(name: name, tier: tier, isNamed: isNamed, belief: belief, isReachable: isReachable)
  }

  static func report(_ scenarios: ScenarioReport...) -> SimulationReport {
    SimulationReport(network: "two-sites", digest: "0123456789abcdef", scenarios: scenarios)
  }
}
