import Testing
import Topology

@testable import Simulation

/// Users who know one address, which balancers or directors share.
@Suite("Shared addresses")
struct SharedAddressTests {
  /// S1L1 and S1L2 before four servers, in this order of priority.
  private static func topology(_ change: (inout Topology) -> Void = { _ in }) -> Topology {
    var topology = TwoSites.topology
    topology.offices = []
    topology.links = []
    topology.sites.removeLast()
    topology.sites[0].directors = []
    topology.sharedAddresses = [address("entry", 51)]
    for index in 0..<2 { topology.sites[0].balancers[index].vrrp = [AddressHolder(address: Located("entry"))] }
    change(&topology)
    return topology
  }

  private static func address(_ name: String, _ number: Int) -> SharedAddress {
    SharedAddress(
      name: name, address: Located(.ipv4(0x7F01_0100 | UInt32(number), port: 0)), prefixLength: 32,
      routerID: Located(number))
  }

  /// 256 less 200 and 150, of 256 parts of the announcements' second.
  private static let skews = (first: 56.0 / 256, second: 106.0 / 256)

  private struct Story {
    var report: ScenarioReport
    /// Of one user who asks some 20 times a second.
    var requests: [RequestTrace]

    /// In seconds.
    var failures: [Double] { requests.filter { $0.endedNanoseconds != nil && $0.status == nil }.map(Self.began) }

    /// Nodes at which answered requests of a span had entered.
    func nodes(_ from: Double, _ to: Double) -> Set<String> {
      Set(requests.filter { $0.status != nil && Self.began($0) >= from && Self.began($0) < to }.map(Self.node))
    }

    func nodes(_ from: Double) -> Set<String> { nodes(from, .infinity) }

    private static func began(_ request: RequestTrace) -> Double { Double(request.beganNanoseconds) / 1e9 }

    private static func node(_ request: RequestTrace) -> String { request.attempts.first?.node ?? "none" }
  }

  private static func run(
    _ steps: [ScenarioStep], of topology: Topology = Self.topology(), seconds: Int = 120,
    _ change: (inout SimulationOptions) -> Void = { _ in }
  ) throws -> Story {
    var scenario = TwoSites.scenario("s", seconds: seconds, steps)
    scenario.traffic.users = 10
    scenario.traffic.thinkTime = .milliseconds(30)
    scenario.traffic.sessionLength = .seconds(3600)
    var options = SimulationOptions(seed: 5)
    options.traceUser = 3
    change(&options)
    let report = Simulation.run(try NetworkModel(topology), scenario: scenario, options: options)
    for verdict in report.verdicts {
      #expect(verdict.holds, "\(verdict.property.rawValue): \(verdict.first?.text ?? "")")
    }
    #expect(report.total.counts.avoidableErrors == 0)
    return Story(report: report, requests: try #require(report.trace).requests)
  }

  /// What failed began in this span, from its first moments to its last.
  private static func expect(
    _ story: Story, failsFrom from: Double, to: Double, _ at: Testing.SourceLocation = #_sourceLocation
  ) throws {
    let first = try #require(story.failures.first, sourceLocation: at)
    let last = try #require(story.failures.last, sourceLocation: at)
    // The request in flight had begun before; and who finds silence waits a second for the end of it.
    #expect(first > from - 0.2 && first < from + 0.5, "\(first)", sourceLocation: at)
    #expect(last < to && last > to - 1.5, "\(last)", sourceLocation: at)
    #expect(
      !story.requests.contains {
        $0.status != nil && Double($0.beganNanoseconds) / 1e9 > from && Double($0.beganNanoseconds) / 1e9 < to
      }, sourceLocation: at)
  }

  // MARK: The holder ends

  @Test func `The holder's end costs users the checks and the skew, and then the next holder serves them`() throws {
    let story = try Self.run([TwoSites.step(at: 60, .kill(TwoSites.names("S1L1")))])
    let back = 62 + Self.skews.second
    try Self.expect(story, failsFrom: 60, to: back)
    #expect(story.nodes(0, 60) == ["S1L1"])
    #expect(story.nodes(60) == ["S1L2"])
    // Who is refused tries again and again; where nobody has the address a user waits a second.
    #expect(story.failures.count > 20)
    let waits = story.requests.filter {
      $0.status == nil && $0.endedNanoseconds != nil && $0.beganNanoseconds > 62_000_000_000
    }
    #expect(waits.count == 1)
    for wait in waits {
      let length = (wait.endedNanoseconds ?? 0) - wait.beganNanoseconds
      #expect(length >= 1_000_000_000 && length < 1_001_000_000)
    }
    #expect(story.report.total.counts.errors > 200)
    #expect(story.report.total.counts.sessionsLost == 0)
    // The failure is unnoticed for as long.
    let detection = try #require(story.report.phases.first { $0.phase == .detection })
    #expect(abs(Double(detection.lengthNanoseconds) / 1e9 - 2 - Self.skews.second) < 0.001)
    #expect(detection.counts.errors + 11 > story.report.total.counts.errors)
  }

  @Test func `A silent machine costs three announcements and the skew`() throws {
    let slow = Self.topology { $0.sharedAddresses[0].interval = .seconds(2) }
    let story = try Self.run([TwoSites.step(at: 60, .power(TwoSites.names("S1L1")))], of: slow)
    try Self.expect(story, failsFrom: 60, to: 66 + 2 * Self.skews.second)
    #expect(story.nodes(60) == ["S1L2"])
    // Nobody refuses.
    #expect(story.failures.count < 12)
  }

  @Test func `What is over before two questions fail moves nothing`() throws {
    let story = try Self.run([TwoSites.step(at: 60, .restart(TwoSites.names("S1L1"), pause: .milliseconds(1900)))])
    try Self.expect(story, failsFrom: 60, to: 61.9)
    #expect(story.nodes(0) == ["S1L1"])
  }

  @Test func `A standby's end costs nothing, and is known when the holder ends`() throws {
    let three = Self.topology { topology in
      var third = topology.sites[0].balancers[1]
      third.id = 9
      third.name = "S1L3"
      third.listen[0].address = Located(.ipv4(0x7F01_0113, port: 8080))
      third.monitor = Located(.ipv4(0x7F01_0113, port: 8081))
      topology.sites[0].balancers.append(third)
    }
    let story = try Self.run(
      [TwoSites.step(at: 40, .kill(TwoSites.names("S1L2"))), TwoSites.step(at: 60, .kill(TwoSites.names("S1L1")))],
      of: three)
    // The third's priority is 100.
    try Self.expect(story, failsFrom: 60, to: 62 + 156.0 / 256)
    #expect(story.nodes(0, 60) == ["S1L1"])
    #expect(story.nodes(60) == ["S1L3"])
  }

  @Test func `A soft stop gives the address away, and breaks what is in flight`() throws {
    let story = try Self.run([TwoSites.step(at: 60, .rollingRestart(TwoSites.names("S1L1"), pause: .seconds(1)))])
    try Self.expect(story, failsFrom: 62, to: 62 + Self.skews.second)
    #expect(story.nodes(0, 61.9) == ["S1L1"])
    #expect(story.nodes(62) == ["S1L2"])
    // Each of the ten waits once, and what some had in flight breaks off before.
    #expect((11...20).contains(story.report.total.counts.errors), "\(story.report.total.counts.errors)")
  }

  // MARK: The return

  @Test func `Who comes back does not take the address from the one that has it`() throws {
    let story = try Self.run([TwoSites.step(at: 30, lasts: 20, .kill(TwoSites.names("S1L1")))])
    try Self.expect(story, failsFrom: 30, to: 32 + Self.skews.second)
    #expect(story.nodes(30) == ["S1L2"])
  }

  @Test func `Who preempts takes it back after the delay, and not before`() throws {
    let preempting = Self.topology {
      $0.sharedAddresses[0].preempts = true
      $0.sharedAddresses[0].preemptDelay = .milliseconds(6500)
    }
    let story = try Self.run([TwoSites.step(at: 30, lasts: 20, .kill(TwoSites.names("S1L1")))], of: preempting)
    // Two questions, and whole seconds.
    let back = 50.0 + 2 + 7
    #expect(story.nodes(32, back - 0.1) == ["S1L2"])
    #expect(story.nodes(back) == ["S1L1"])
    // Only what was in flight breaks.
    #expect(story.failures.filter { $0 > 33.5 }.count <= 1)
    #expect(story.failures.allSatisfy { $0 < 33 || abs($0 - back) < 0.3 })
  }

  @Test
  func
    `With all of them dead the first that is back has the address after its checks, three announcements and the skew`()
    throws
  {
    let story = try Self.run([
      TwoSites.step(at: 20, .kill(TwoSites.names("S1L1"))),
      TwoSites.step(at: 40, lasts: 30, .kill(TwoSites.names("S1L2"))),
    ])
    let back = 70 + 2 + 3 + Self.skews.second
    #expect(story.nodes(24, 40) == ["S1L2"])
    #expect(story.nodes(40, back).isEmpty)
    #expect(story.nodes(back) == ["S1L2"])
    #expect(story.failures.allSatisfy { $0 < back })
  }

  // MARK: What is one address, and what is not

  @Test func `A holder without a monitor keeps the address while its machine lives`() throws {
    let unasked = Self.topology { topology in
      for index in 0..<2 {
        topology.sites[0].balancers[index].monitor = nil
        topology.sites[0].balancers[index].vrrp[0].source = Located(.ipv4(0x7F01_0201 + UInt32(index), port: 0))
      }
    }
    let killed = try Self.run([TwoSites.step(at: 30, lasts: 20, .kill(TwoSites.names("S1L1")))], of: unasked)
    try Self.expect(killed, failsFrom: 30, to: 50)
    #expect(killed.nodes(0) == ["S1L1"])
    let silent = try Self.run([TwoSites.step(at: 30, lasts: 20, .power(TwoSites.names("S1L1")))], of: unasked)
    try Self.expect(silent, failsFrom: 30, to: 33 + Self.skews.second)
    #expect(silent.nodes(30) == ["S1L2"])
  }

  @Test func `The highest priority has the address first`() throws {
    let turned = Self.topology { $0.sites[0].balancers[1].vrrp[0].priority = Located(210) }
    #expect(try Self.run([], of: turned, seconds: 10).nodes(0) == ["S1L2"])
  }

  @Test(arguments: [false, true])
  func `Users who know the nodes, or two addresses, try the next one at once`(hasTwo: Bool) throws {
    let several = Self.topology { topology in
      if hasTwo { topology.sharedAddresses.append(Self.address("other", 52)) }
      for index in 0..<2 {
        topology.sites[0].balancers[index].vrrp =
          hasTwo ? ["entry", "other"].map { AddressHolder(address: Located($0)) } : []
      }
    }
    let story = try Self.run(
      [TwoSites.step(at: 30, lasts: 20, .kill(TwoSites.names("S1L1")))], of: several, seconds: 60)
    // What was in flight.
    #expect(story.failures.count <= 1)
    #expect(story.report.total.counts.errors <= 10)
    #expect(story.nodes(30.1, 50) == ["S1L2"])
    #expect(story.nodes(50) == ["S1L1"])
  }

  @Test func `Directors share an address for their own users, and nobody else's`() throws {
    var topology = TwoSites.topology
    var second = topology.sites[0].directors[0]
    second.id = 9
    second.name = "SD1b"
    second.listen[0].address = Located(.ipv4(0x7F01_0102, port: 8080))
    second.monitor = Located(.ipv4(0x7F01_0102, port: 8081))
    topology.sites[0].directors.append(second)
    topology.sites[0].traffic.users = 20
    topology.sharedAddresses = [Self.address("entry", 51)]
    for index in 0..<2 { topology.sites[0].directors[index].vrrp = [AddressHolder(address: Located("entry"))] }
    for office in topology.offices.indices { topology.offices[office].traffic.users = 20 }
    var scenario = TwoSites.scenario("s", seconds: 120, [TwoSites.step(at: 60, .kill(TwoSites.names("SD1")))])
    scenario.traffic.thinkTime = .milliseconds(100)
    // What is sent twice is not processed twice.
    scenario.traffic.postShare = 0
    var options = SimulationOptions(seed: 2)
    options.tellsUsers = true
    let report = Simulation.run(try NetworkModel(topology), scenario: scenario, options: options)
    #expect(report.holds)
    let users = try #require(report.perUser)
    for user in users { #expect((user.errors > 0) == (user.entry == "SITE1"), "\(user.user) at \(user.entry)") }
    #expect(users.count == 80)
  }

  // MARK: All together

  @Test func `What is gone through at once comes out as step by step`() throws {
    let steps = [
      TwoSites.step(at: 20, lasts: 15, .kill(TwoSites.names("S1L1"))),
      TwoSites.step(at: 50, lasts: 20, .power(TwoSites.names("S1L2"))),
      TwoSites.step(at: 80, .rollingRestart(TwoSites.names("S1L1", "S1L2"), pause: .seconds(5))),
    ]
    let preempting = Self.topology { $0.sharedAddresses[0].preempts = true }
    var quick = try Self.run(steps, of: preempting, seconds: 150).report
    var slow = try Self.run(steps, of: preempting, seconds: 150) { $0.stepByStep = true }.report
    #expect(quick.events < slow.events)
    quick.events = 0
    slow.events = 0
    quick.trace = nil
    slow.trace = nil
    #expect(quick == slow)
  }

  @Test(arguments: [false, true])
  func `Every property holds in random schedules`(preempts: Bool) throws {
    let topology = Self.topology { $0.sharedAddresses[0].preempts = preempts }
    var options = SimulationOptions(seed: 4)
    options.users = 40
    let report = Exploration.run(try NetworkModel(topology), count: 30, options: options, threads: 2)
    for tally in report.tallies { #expect(tally.violations == 0, "\(tally)") }
    #expect(report.requests > 30 * 2_000)
  }
}
