import Testing
import Topology

@testable import Simulation

/// Users listed one by one instead of a number of them with habits.
@Suite("Listed users")
struct ListedUserTests {
  private static func user(
    _ name: String, _ entry: String, server: String?, session: String? = nil, at seconds: [Double]
  ) -> ListedUser {
    var user = ListedUser(name: name, entry: entry)
    user.server = server
    user.session = session ?? server.map { _ in "id-\(name)" }
    user.site = server.map { $0.hasPrefix("W1") ? 0 : 1 }
    user.pages = seconds.map { ListedUser.Page(atNanoseconds: Int64($0 * 1e9)) }
    return user
  }

  private static func run(_ users: [ListedUser], _ steps: [ScenarioStep] = [], seed: UInt64 = 1) -> ScenarioReport {
    var scenario = Scenario(name: "listed", duration: .seconds(600))
    scenario.steps = steps
    var options = SimulationOptions(seed: seed)
    options.roll = UserRoll(users: users)
    options.tellsUsers = true
    return Simulation.run(TwoSites.network, scenario: scenario, options: options)
  }

  @Test func `Nobody asks for more than what is listed, at the times that are listed`() throws {
    let report = Self.run([
      Self.user("anna", "OP3", server: "W21", at: [1, 2.5, 100]), Self.user("ben", "OP1", server: nil, at: [3]),
    ])
    #expect(report.users == 2 && report.total.counts.requests == 4)
    let told = try #require(report.perUser)
    // By entry, in the order of the network.
    #expect(told.map(\.name) == ["ben", "anna"] && told.map(\.user) == [0, 1] && told.map(\.requests) == [1, 3])
    #expect(told.allSatisfy { !$0.isConcerned })
    #expect(report.series.requestsBySite.map { $0.reduce(0, +) } == [1, 3])
  }

  @Test func `The session a user comes with is known to its server`() throws {
    let report = Self.run([Self.user("anna", "OP1", server: "W14", at: [1, 2])])
    #expect(report.total.counts.sessionsLost == 0 && report.total.counts.moves == 0)
    var options = SimulationOptions()
    options.roll = UserRoll(users: [Self.user("anna", "OP1", server: "W14", at: [1])])
    options.traceUser = 0
    let scenario = Scenario(name: "traced", duration: .seconds(10))
    let trace = try #require(Simulation.run(TwoSites.network, scenario: scenario, options: options).trace)
    #expect(trace.requests.first?.server == "W14")
    #expect(trace.requests.first?.cookiesBefore == "SITE=SITE1; JSESSIONID=W14~1")
  }

  @Test func `A user whose server dies is told with the loss and the move, others are not concerned`() throws {
    let kill = ScenarioStep(at: .seconds(10), lasts: .seconds(100), fault: .kill([Located("W14")]))
    let report = Self.run(
      [
        Self.user("anna", "OP1", server: "W14", at: [1, 20, 30]),
        Self.user("ben", "OP1", server: "W13", at: [1, 20, 30]),
        Self.user("cleo", "OP1", server: "W14", at: [1, 200]),
      ], [kill])
    let told = try #require(report.perUser)
    #expect(told[0].sessionsLostAtNanoseconds == [20_000_000_000])
    #expect(
      told[0].moves.count == 1 && told[0].moves[0].from == "W14" && told[0].moves[0].atNanoseconds == 20_000_000_000)
    #expect(!told[1].isConcerned)
    // The server has forgotten her, but it is hers.
    #expect(told[2].sessionsLostAtNanoseconds == [200_000_000_000] && told[2].moves.isEmpty)
  }

  @Test func `Who takes a session over follows from its id, whatever the seed`() throws {
    let kill = ScenarioStep(at: .seconds(1), lasts: nil, fault: .kill([Located("W14")]))
    let users = (0..<40).map { Self.user("u\($0)", "OP1", server: "W14", session: "session-\($0)", at: [5]) }
    let targets = (1...3).map { seed in
      Self.run(users, [kill], seed: seed).perUser?.compactMap { $0.moves.first?.to } ?? []
    }
    #expect(targets[0].count == 40 && Set(targets[0]) == ["W11", "W12", "W13"])
    #expect(targets[0] == targets[1] && targets[0] == targets[2])
  }

  @Test func `A page waits for the answers of the page before`() throws {
    // OP1 waits for its connect time-outs while nothing passes.
    let power = ScenarioStep(at: .zero, lasts: nil, fault: .power([Located("SITE1"), Located("SITE2")]))
    let report = Self.run([Self.user("anna", "OP1", server: "W14", at: [1, 1.001, 1.002])], [power])
    #expect(report.total.counts.requests == 3 && report.total.counts.errors == 3)
    #expect(report.total.latency.count == 0)
  }
}
