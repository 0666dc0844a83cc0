import Simulation
import Topology

/// What exploring found, for programs; the schema is that of docs/simulation.md.
struct ExploreJSON: Encodable {
  private let schema = SimulationJSON.schema
  private let network, digest: String
  private let holds: Bool
  private let seed: UInt64
  private let schedules, users: Int
  private let requests: UInt64
  private let properties: [Tally]
  private let find: Find?

  struct Tally: Encodable {
    var property, statement: String
    var schedules: Int
    var violations: UInt64
    var first: Int?
  }
  struct Find: Encodable {
    var schedule: Int
    var property: String
    /// Entries of `scenarios:`, as drawn and shrunk.
    var drawn, scenario: String
    var runs: Int
    var report: SimulationJSON.Scenario
  }

  init(_ report: ExploreReport) {
    network = report.network
    digest = report.digest
    holds = report.holds
    seed = report.seed
    schedules = report.schedules
    users = report.users
    requests = report.requests
    properties = report.tallies.map {
      Tally(
        property: $0.property.rawValue, statement: $0.property.statement, schedules: $0.schedules,
        violations: $0.violations, first: $0.first)
    }
    find = report.find.map {
      Find(
        schedule: $0.number, property: $0.property.rawValue, drawn: $0.drawn.text(), scenario: $0.scenario.text(),
        runs: $0.runs, report: SimulationJSON.Scenario($0.report))
    }
  }
}
