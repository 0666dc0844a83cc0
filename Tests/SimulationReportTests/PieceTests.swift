import Foundation
import Testing
import Topology

@testable import Simulation
@testable import geodirector

@Suite struct QuantitiesTests {
  @Test(
    arguments: [
      (0, "0s"), (250_000_000, "250ms"), (1_000_000_000, "1s"), (2_160_000_000, "2.2s"), (59_960_000_000, "1m"),
      (120_000_000_000, "2m"), (123_105_000_000, "2m3.1s"), (605_400_000_000, "10m5s"), (3_600_000_000_000, "1h"),
      (3_900_000_000_000, "1h5m"), (5_400_500_000, "5.4s"), (-1_000_000_000, "-1s"), (1_500_000, "1.5ms"),
    ] as [(Int64, String)]) func times(nanoseconds: Int64, text: String)
  {
    #expect(Quantities.time(nanoseconds) == text)
  }

  @Test(
    arguments: [
      (0, "0.000s"), (9_612_000_000, "9.612s"), (123_105_400_000, "2m3.105s"), (3_600_000_000_000, "1h0m0.000s"),
    ] as [(Int64, String)]) func moments(nanoseconds: Int64, text: String)
  {
    #expect(Quantities.moment(nanoseconds) == text)
  }

  @Test(
    arguments: [
      (0, "0"), (0.0124, "0.0124"), (0.00052, "0.00052"), (1.2, "1.2"), (9.994, "9.99"), (9.996, "10"), (12.44, "12.4"),
      (99.94, "99.9"), (99.96, "100"), (1_020, "1,020"), (12_400, "12,400"), (-3, "-3"), (0.1, "0.1"), (5, "5"),
    ] as [(Double, String)]) func threeDigitsMatter(value: Double, text: String)
  {
    #expect(Quantities.significant(value) == text)
  }

  @Test(arguments: [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] as [(UInt64, String)])
  func thousandsAreApart(value: UInt64, text: String) { #expect(Quantities.count(value) == text) }

  @Test(
    arguments: [(0, "0 B"), (999, "999 B"), (1_000, "1 kB"), (38_800_000, "38.8 MB"), (999_600, "1 MB")]
      as [(UInt64, String)])
  func sizes(bytes: UInt64, text: String) { #expect(Quantities.bytes(bytes) == text) }

  @Test(arguments: [(0, "0"), (0.00001, "<0.0001"), (0.00194, "0.0019"), (12.44, "12.4")] as [(Double, String)])
  func money(value: Double, text: String) { #expect(Quantities.money(value) == text) }
}

@Suite struct TraceTextTests {
  @Test func requestsThatWentAlikeAreCounted() {
    let requests =
      [Reports.request(at: 1_000), Reports.request(at: 2_000), Reports.request(at: 3_000, balancer: "S1L2")]
      + [Reports.failed, Reports.request(at: 130_000), Reports.request(at: 131_000)]
    let lines = TraceText(UserTrace(user: 1, entry: "OP1", requests: requests), .plain, indent: 0).lines
    #expect(lines.count { $0.hasPrefix("at ") } == 3)
    #expect(lines.contains("  the same 2 times more, until 3.000s"))
    #expect(lines.contains("    1 of them by OP1 -> SD1 -> S1L2"))
    #expect(lines.last == "  the same once more, at 2m11.000s")
  }

  @Test func ofManyCandidatesTheFirstAndTheNamedAreTold() {
    var request = Reports.request(at: 0)
    request.attempts[0].candidates = (0..<30).map { Reports.candidate("D\($0)", isNamed: $0 == 29) }
    let text = TraceText(UserTrace(user: 1, entry: "OP1", requests: [request]), .plain, indent: 0).lines.joined()
    #expect(text.contains("D7 admits") && !text.contains("D8 admits") && text.contains("D29 (in the cookie) admits"))
    #expect(text.contains("and 21 further"))
  }

  @Test func aRequestUnderWayAtTheEndIsToldAsThat() {
    var request = Reports.request(at: 0)
    request.endedNanoseconds = nil
    request.attempts[1].outcome = ""
    let lines = TraceText(UserTrace(user: 1, entry: "OP1", requests: [request]), .plain, indent: 0).lines
    #expect(lines.contains("    SD1 -> S1L1 (cookie): no answer yet"))
    #expect(lines.last == "  not answered when the scenario ended")
  }
}

@Suite struct SiteSeriesTests {
  @Test func theSitesWithTheFewestRequestsAreOneLineTogether() {
    var series = Reports.series
    series.sites = (0..<12).map { "S\($0)" }
    series.requestsBySite = (0..<12).map { site in (0..<20).map { _ in UInt32(site) } }
    let chosen = SiteSeries.choose(series, linesMax: 4)
    #expect(chosen.map(\.name) == ["S9", "S10", "S11", "9 others"])
    #expect(chosen[3].values[0] == 36)
    #expect(SiteSeries.choose(series, linesMax: 12).count == 12)
  }
}

@Suite struct ProgressLineTests {
  @Test func itTellsScenariosVirtualTimeAndSpeed() {
    let running = SimulationProgress(
      scenario: "director-dies", nowNanoseconds: 300_000_000_000, endNanoseconds: 600_000_000_000,
      requests: 1_000_000, isDone: false)
    let text = ProgressLine.text(
      done: 2, of: 5, requestsDone: 2_000_000, running: [running], seconds: 2, isUnicode: false)
    #expect(text == "##########.......... 2/5, 1,500,000 requests/s, director-dies 5m of 10m")
  }
}

@Suite struct SimulationProgressTests {
  @Test func everyScenarioEndsWithOneWordThatItIsDone() throws {
    final class Heard: @unchecked Sendable {
      let lock = NSLock()
      var done: [String] = []
    }
    let heard = Heard()
    var topology = Topology(name: "none")
    topology.scenarios = ["a", "b"].map { Scenario(name: $0, duration: .seconds(1)) }
    var options = SimulationOptions()
    options.progress = { progress in if progress.isDone { heard.lock.withLock { heard.done.append(progress.scenario) } }
    }
    _ = try Simulation.run(topology, options: options, threads: 2)
    #expect(heard.done.sorted() == ["a", "b"])
  }
}
