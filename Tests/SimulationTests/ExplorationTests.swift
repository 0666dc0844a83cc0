import Foundation
import Testing
import Topology
import TopologyFile

@testable import Simulation

@Suite("Exploration")
struct ExplorationTests {
  private static func network() throws -> NetworkModel { try NetworkModel(TwoSites.topology) }

  private static func options(without behaviour: Behaviour = [], seed: UInt64 = 1) -> SimulationOptions {
    var options = SimulationOptions(seed: seed)
    options.behaviour = behaviour
    options.users = 40
    return options
  }

  @Test func `Every property holds in random schedules`() throws {
    let report = Exploration.run(try Self.network(), count: 60, options: SimulationOptions(seed: 3), threads: 2)
    #expect(report.holds)
    #expect(report.users == 140)
    #expect(report.requests > 60 * 5_000)
    #expect(report.tallies.map(\.property) == Property.allCases)
  }

  @Test func `Threads change nothing, not even how a find is shrunk`() throws {
    let options = Self.options(without: .immediateFailback)
    let alone = Exploration.run(try Self.network(), count: 20, options: options, threads: 1)
    let together = Exploration.run(try Self.network(), count: 20, options: options, threads: 2)
    #expect(alone == together)
    #expect(!alone.holds)
  }

  @Test func `Schedules depend on the seed and their number alone`() throws {
    let generator = ScheduleGenerator(try Self.network())
    let first = (0..<50).map { generator.schedule($0, seed: 7, users: 140) }
    #expect(first[30] == ScheduleGenerator(try Self.network()).schedule(30, seed: 7, users: 140))
    #expect(Set(first.map(\.seed)).count == 50)
    #expect(generator.schedule(30, seed: 8, users: 140) != first[30])
    for schedule in first {
      #expect(schedule.duration == .seconds(600))
      #expect((1...4).contains(schedule.steps.count))
      #expect(schedule.traffic.users == 140)
    }
  }

  @Test(arguments: [Behaviour.immediateFailback, .withoutRedispatch, .withoutSiteCookie])
  func `A find is smaller than what was drawn, and pasted into the file it violates the same property`(
    behaviour: Behaviour
  ) throws {
    let file = try String(
      contentsOf: URL(fileURLWithPath: #filePath).appending(path: "../../../topologies/two-sites.yaml").standardized,
      encoding: .utf8)
    let text = try #require(file.components(separatedBy: "\nscenarios:").first)
    let topology = try #require(TopologyLoader.load(text: text, file: "two-sites.yaml").topology)
    let report = Exploration.run(
      try NetworkModel(topology), count: 20, options: Self.options(without: behaviour), threads: 2)
    let find = try #require(report.find)
    #expect(find.scenario.steps.count <= find.drawn.steps.count)
    #expect(find.scenario.duration <= .seconds(600))
    #expect(try #require(find.scenario.traffic.users) <= 40)

    let (pasted, diagnostics) = TopologyLoader.load(
      text: text + "\nscenarios:\n" + find.scenario.text() + "\n", file: "pasted.yaml")
    #expect(diagnostics.filter { $0.severity == .error }.isEmpty)
    var plain = SimulationOptions()
    plain.behaviour = behaviour
    let again = try Simulation.run(try #require(pasted), options: plain)
    #expect(again.scenarios.first?.verdicts.first { $0.property == find.property }?.holds == false)
  }
}
