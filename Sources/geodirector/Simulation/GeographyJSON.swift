import Simulation

/// What geography is worth, for programs. The schema is that of docs/simulation.md; within a number of `schema` keys are
/// added, never taken away or given another meaning.
struct GeographyJSON: Encodable {
  private let schema = 1
  private let network, digest: String
  private let entry: String?
  private let seed: UInt64
  private let clients: Int
  private let model = Model()
  private let ways: [Way]
  private let countries: [Country]

  struct Model: Encodable {
    var fibreKilometresPerMillisecond = PathModel.fibreKilometresPerMillisecond
    var stretch = PathModel.stretch
    var lastMileMilliseconds = PathModel.lastMileMilliseconds
  }
  struct Way: Encodable {
    var way: String
    /// Of `one-site`.
    var site: String?
    var roundTripMilliseconds, kilometres: Spread
    var sites: [Share]
  }
  struct Spread: Encodable {
    var p50, p90, p99, mean: Double

    init(_ spread: GeographyReport.Spread) {
      // To a thousandth: the model knows no more.
      func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
      (p50, p90) = (rounded(spread.p50), rounded(spread.p90))
      (p99, mean) = (rounded(spread.p99), rounded(spread.mean))
    }
  }
  struct Share: Encodable {
    var site: String
    var clients: Int
  }
  struct Country: Encodable {
    var code, name, site: String
    var clients: Int
    var roundTripMilliseconds: Double
  }

  init(_ report: GeographyReport) {
    network = report.network
    digest = report.digest
    entry = report.entry
    seed = report.seed
    clients = report.clients
    ways = report.outcomes.map { outcome in
      let (way, site): (String, String?) =
        switch outcome.way {
        case .preference: ("preference", nil)
        case .roundRobin: ("round-robin", nil)
        case .oneSite(let name): ("one-site", name)
        }
      return Way(
        way: way, site: site, roundTripMilliseconds: Spread(outcome.roundTripMilliseconds),
        kilometres: Spread(outcome.kilometres),
        sites: outcome.shares.map { Share(site: $0.site, clients: $0.clients) })
    }
    countries = report.countries.map {
      Country(
        code: $0.code, name: $0.name, site: $0.site, clients: $0.clients,
        roundTripMilliseconds: ($0.roundTripMilliseconds * 1000).rounded() / 1000)
    }
  }
}
