import Testing

@testable import Routing
@testable import Topology

private let second: Int64 = 1_000_000_000

private func server(
  admission: CheckPlan? = nil, liveness: CheckPlan? = .sample(), weight: Int = 100, slowStart: Duration = .zero
) -> ServerHealth {
  ServerHealth(
    plan: ServerPlan(
      name: "W14", site: "SITE1", address: .ipv4(0x7F00_0001, port: 80), cookieValue: "W14", tier: 0, weight: weight,
      maxConnections: 0, isNode: false, admission: admission, liveness: liveness, slowStart: slowStart))
}

/// Rule C1: the three facts, and what moves them.
struct ServerHealthFactsTests {
  @Test func `C1: a server is believed up until evidence says otherwise`() {
    for health in [server(), server(liveness: nil), server(admission: .sample())] {
      #expect(health.enabled == .ready && health.admit && health.liveness == .alive)
      #expect(health.takesNewUsers && health.takesOwnUsers)
    }
  }

  @Test func `C1: the liveness check decides both facts when there is no admission check`() {
    var health = server()
    #expect(health.record(.liveness, success: false, now: 1) == [])
    #expect(health.record(.liveness, success: false, now: 2) == [])
    #expect(health.record(.liveness, success: false, now: 3) == [.liveness, .admit])
    #expect(health.liveness == .unreachable && !health.admit && !health.takesOwnUsers)
    #expect(health.record(.liveness, success: true, now: 4) == [])
    #expect(health.record(.liveness, success: true, now: 5) == [.liveness, .admit])
    #expect(health.takesNewUsers && health.takesOwnUsers)
  }

  @Test func `C1: the admission check decides about new users only`() {
    var health = server(admission: .sample(fall: 1))
    #expect(health.record(.admission, success: false, now: 1) == [.admit])
    #expect(!health.takesNewUsers && health.takesOwnUsers && health.liveness == .alive)
    _ = health.record(.admission, success: true, now: 2)
    #expect(health.record(.admission, success: true, now: 3) == [.admit])
  }

  @Test func `C1: a server that is not alive admits nobody, whatever its admission check says`() {
    var health = server(admission: .sample(), liveness: .sample(fall: 1))
    #expect(health.record(.liveness, success: false, now: 1) == [.liveness, .admit])
    _ = health.record(.admission, success: true, now: 2)
    #expect(!health.admit)
  }

  @Test func `C1: drain keeps own users, maintenance nobody`() {
    var health = server()
    #expect(health.setEnabled(.drain, drainDeadline: 1000, now: 1) == [.enabled, .drainDeadline])
    #expect(!health.takesNewUsers && health.takesOwnUsers && health.admit && health.drainDeadline == 1000)
    #expect(health.setEnabled(.drain, drainDeadline: 1000, now: 1) == [])
    #expect(health.setEnabled(.maintenance, now: 2) == [.enabled, .drainDeadline])
    #expect(!health.takesNewUsers && !health.takesOwnUsers && health.drainDeadline == nil)
    #expect(health.setEnabled(.ready, now: 3) == .enabled)
    #expect(health.takesNewUsers && health.takesOwnUsers)
  }

  @Test func `C1: results of a check the plan does not have change nothing`() {
    var health = server(liveness: nil)
    for now in 0..<10 {
      #expect(health.record(.liveness, success: false, now: Int64(now)) == [])
      #expect(health.record(.admission, success: false, now: Int64(now)) == [])
    }
    #expect(health.takesNewUsers && health.takesOwnUsers)
  }
}

/// Rule C2 and C4: what users' requests tell.
struct PassiveEvidenceTests {
  @Test func `C4: fall failed connects in a row make it unreachable without awaiting a check`() {
    var health = server()
    #expect(health.recordConnectFailure(now: 1) == .checkSoon, "the first asks for a check")
    #expect(health.recordConnectFailure(now: 2) == [])
    #expect(health.recordConnectFailure(now: 3) == [.liveness, .admit, .checkSoon])
    #expect(health.liveness == .unreachable && health.connectFailures == 3)
    #expect(health.recordConnectFailure(now: 4) == [])
    _ = health.record(.liveness, success: true, now: 5)
    #expect(health.liveness == .unreachable, "rise successes are needed")
    #expect(health.record(.liveness, success: true, now: 6) == [.liveness, .admit])
  }

  @Test func `C4: a success between starts the count again`() {
    var health = server()
    for now in 0..<20 {
      _ = health.recordConnectFailure(now: Int64(now))
      _ = health.recordConnectFailure(now: Int64(now))
      #expect(health.recordConnectSuccess(now: Int64(now)) == [])
    }
    #expect(health.liveness == .alive && health.connectFailures == 0)
  }

  @Test func `C4: a server that is never checked stays believed alive`() {
    var health = server(liveness: nil)
    for now in 0..<20 { #expect(health.recordConnectFailure(now: Int64(now)).subtracting(.checkSoon).isEmpty) }
    #expect(health.takesNewUsers && health.takesOwnUsers)
  }

  @Test func `C2: a trial's success makes it alive for its own users, admission waits for the checks`() {
    var health = server()
    for now in 0..<3 { _ = health.record(.liveness, success: false, now: Int64(now)) }
    #expect(health.recordTrialSuccess(now: 4) == [.liveness, .checkSoon])
    #expect(health.takesOwnUsers && !health.takesNewUsers)
    _ = health.record(.liveness, success: true, now: 5)
    #expect(!health.takesNewUsers)
    #expect(health.record(.liveness, success: true, now: 6) == .admit)
    #expect(health.takesOwnUsers && health.takesNewUsers)
  }

  @Test func `C2: a trial's success on a server believed alive changes nothing`() {
    var health = server()
    _ = health.recordConnectFailure(now: 1)
    #expect(health.recordTrialSuccess(now: 2) == [])
    #expect(health.connectFailures == 0)
  }

  @Test func `C2: after a trial's success failed connects count anew, failed checks do not overrule it`() {
    var health = server()
    for now in 0..<3 { _ = health.recordConnectFailure(now: Int64(now)) }
    _ = health.recordTrialSuccess(now: 4)
    for now in 5..<15 { #expect(health.record(.liveness, success: false, now: Int64(now)) == []) }
    #expect(health.liveness == .alive)
    #expect(health.recordConnectFailure(now: 15) == .checkSoon)
    #expect(health.recordConnectFailure(now: 16) == [])
    #expect(health.recordConnectFailure(now: 17) == [.liveness, .checkSoon])
    #expect(health.liveness == .unreachable)
  }
}

/// Rule E1 and E2: what a node's monitor tells.
struct MonitorStatementTests {
  private func node() -> ServerHealth { server(liveness: .sample(kind: .monitor)) }

  @Test(
    arguments: [
      (true, true, [], .alive), (false, true, .admit, .alive), (false, false, [.admit, .liveness], .declaredDead),
      (true, false, [.admit, .liveness], .declaredDead),
    ] as [(Bool, Bool, HealthChange, Liveness)])
  func `E1: what a monitor says holds at once`(
    _ admit: Bool, _ alive: Bool, _ change: HealthChange, _ liveness: Liveness
  ) {
    var health = node()
    #expect(health.record(.liveness, statement: MonitorStatement(admit: admit, alive: alive), now: 1) == change)
    #expect(health.liveness == liveness && health.admit == (admit && alive))
    let back = health.record(.liveness, statement: MonitorStatement(admit: true, alive: true), now: 2)
    #expect(back == change, "and so does the contrary")
    #expect(health.takesNewUsers && health.takesOwnUsers)
  }

  @Test func `E1: whether the monitor can be reached goes through rise and fall`() {
    var health = node()
    let well = MonitorStatement(admit: true, alive: true)
    for now in 0..<2 { #expect(health.record(.liveness, success: false, now: Int64(now)) == []) }
    #expect(health.record(.liveness, success: false, now: 3) == [.liveness, .admit])
    #expect(health.liveness == .unreachable)
    #expect(health.record(.liveness, statement: well, now: 4) == [])
    #expect(health.record(.liveness, statement: well, now: 5) == [.liveness, .admit])
  }

  @Test func `E1: the drain deadline is the earlier of the node's and the operator's`() {
    var health = node()
    let drain = MonitorStatement(admit: false, alive: true, drainDeadline: 5000)
    #expect(health.record(.liveness, statement: drain, now: 1) == [.admit, .drainDeadline])
    #expect(health.drainDeadline == 5000)
    _ = health.setEnabled(.drain, drainDeadline: 4000, now: 2)
    #expect(health.drainDeadline == 4000)
    _ = health.setEnabled(.ready, now: 3)
    #expect(health.drainDeadline == 5000)
    _ = health.record(.liveness, statement: MonitorStatement(admit: true, alive: true), now: 4)
    #expect(health.drainDeadline == nil && health.takesNewUsers)
  }

  @Test func `F2: a server past the deadline of its drain keeps no node alive`() {
    var health = node()
    let drain = MonitorStatement(admit: false, alive: true, drainDeadline: 5000)
    _ = health.record(.liveness, statement: drain, now: 1)
    func said(at seconds: Int64) -> MonitorStatement {
      var said = MonitorStatement.nobody
      said.include(health, weight: 1, seconds: seconds)
      return said
    }
    #expect(said(at: 4999) == MonitorStatement(admit: false, alive: true))
    #expect(said(at: 5000) == .nobody)
    _ = health.record(.liveness, statement: MonitorStatement(admit: true, alive: true, drainDeadline: 5000), now: 2)
    #expect(said(at: 5000) == MonitorStatement(admit: true, alive: true), "a deadline alone drains nobody")
  }

  @Test func `E1: a server whose last connect failed keeps no node alive until something reaches it`() {
    func said(of health: ServerHealth) -> MonitorStatement {
      var said = MonitorStatement.nobody
      said.include(health, weight: 1, seconds: 0)
      return said
    }
    let well = MonitorStatement(admit: true, alive: true)
    let reached: [(String, (inout ServerHealth) -> HealthChange)] = [
      ("a connect", { $0.recordConnectSuccess(now: 3) }), ("a trial", { $0.recordTrialSuccess(now: 3) }),
      ("a check", { $0.record(.liveness, success: true, now: 3) }),
      ("its monitor", { $0.record(.liveness, statement: well, now: 3) }),
    ]
    for (what, event) in reached {
      var health = node()
      _ = health.recordConnectFailure(now: 1)
      #expect(health.takesNewUsers, "one failure does not take it away from users")
      #expect(said(of: health) == .nobody, "but promises nothing")
      #expect(!health.isSettled(.liveness))
      _ = health.record(.liveness, success: false, now: 2)
      #expect(said(of: health) == .nobody)
      _ = event(&health)
      #expect(said(of: health) == well, "\(what)")
    }
    var unchecked = server(liveness: nil)
    _ = unchecked.recordConnectFailure(now: 1)
    #expect(said(of: unchecked) == well, "nothing would bring it back")
  }

  @Test func `E2: a node that declared itself dead and then falls silent is unreachable: trials are allowed again`() {
    var health = node()
    _ = health.record(.liveness, statement: MonitorStatement(admit: false, alive: false), now: 1)
    for now in 2..<4 { #expect(health.record(.liveness, success: false, now: Int64(now)) == []) }
    #expect(health.liveness == .declaredDead)
    #expect(health.record(.liveness, success: false, now: 4) == .liveness)
    #expect(health.liveness == .unreachable)
  }

  @Test func `E2: failed connects do not hide that a node declared itself dead`() {
    var health = node()
    _ = health.record(.liveness, statement: MonitorStatement(admit: false, alive: false), now: 1)
    for now in 2..<9 { _ = health.recordConnectFailure(now: Int64(now)) }
    #expect(health.liveness == .declaredDead)
  }

  @Test func `C3: the success of a last resort overrules a statement until the next`() {
    var health = node()
    let dead = MonitorStatement(admit: false, alive: false)
    _ = health.record(.liveness, statement: dead, now: 1)
    #expect(health.recordTrialSuccess(now: 2) == [.liveness, .checkSoon])
    #expect(health.takesOwnUsers && !health.takesNewUsers)
    #expect(health.record(.liveness, statement: dead, now: 3) == .liveness)
    #expect(health.liveness == .declaredDead)
  }
}

/// Rule C6: slow start.
struct SlowStartTests {
  private func back(weight: Int) -> ServerHealth {
    var health = server(weight: weight, slowStart: .seconds(100))
    for _ in 0..<3 { _ = health.record(.liveness, success: false, now: 0) }
    _ = health.record(.liveness, success: true, now: 0)
    #expect(health.record(.liveness, success: true, now: 1000 * second) == [.liveness, .admit, .slowStart])
    return health
  }

  @Test(arguments: [1, 100, 256])
  func `C6: the weight grows evenly from a tenth to the whole`(_ weight: Int) {
    let health = back(weight: weight)
    let whole = Double(weight * 16)
    #expect(health.effectiveWeight(now: 1000 * second, jitterSeed: 1) == max(1, Int32(whole / 10)))
    var before: Int32 = 0
    for tick in 0...130 {
      let now = (1000 + Int64(tick)) * second
      let weight = health.effectiveWeight(now: now, jitterSeed: 1)
      #expect(weight >= before && weight > 0 && Double(weight) <= whole)
      if tick == 50 { #expect((0.4...0.75).contains(Double(weight) / whole)) }
      if !health.isStartingSlowly(now: now, jitterSeed: 1) { #expect(Double(weight) == whole) }
      before = weight
    }
    #expect(Double(before) == whole && !health.isStartingSlowly(now: 1130 * second, jitterSeed: 1))
  }

  @Test func `C6: the length of a slow start differs between servers by a fifth at most`() {
    let health = back(weight: 100)
    var lengths = Set<Int64>()
    for seed in 0..<200 {
      let length = (0...200).first { !health.isStartingSlowly(now: (1000 + $0) * second, jitterSeed: UInt64(seed)) }
      lengths.insert(length ?? 0)
    }
    #expect(lengths.count > 20)
    for length in lengths { #expect((80...121).contains(length)) }
  }

  @Test func `C6: a new server has its whole weight, one of weight 0 none, one without slow start all at once`() {
    #expect(server(weight: 3, slowStart: .seconds(9)).effectiveWeight(now: 0, jitterSeed: 0) == 48)
    #expect(server(weight: 0).effectiveWeight(now: 0, jitterSeed: 0) == 0)
    var health = server(liveness: .sample(rise: 1, fall: 1))
    _ = health.record(.liveness, success: false, now: 1)
    #expect(health.record(.liveness, success: true, now: 2) == [.liveness, .admit])
    #expect(health.effectiveWeight(now: 2, jitterSeed: 0) == 1600)
  }

  @Test func `C6: after a trial the slow start begins when new users are let in`() {
    var health = server(slowStart: .seconds(100))
    for now in 0..<3 { _ = health.recordConnectFailure(now: Int64(now)) }
    #expect(!health.recordTrialSuccess(now: 5).contains(.slowStart))
    _ = health.record(.liveness, success: true, now: 50 * second)
    #expect(health.record(.liveness, success: true, now: 51 * second) == [.admit, .slowStart])
    #expect(health.effectiveWeight(now: 51 * second, jitterSeed: 0) == 160)
  }

  @Test func `C6: back from maintenance is a slow start, back from drain is none`() {
    var health = server(slowStart: .seconds(100))
    _ = health.setEnabled(.drain, now: 1)
    #expect(health.setEnabled(.ready, now: 2) == .enabled)
    _ = health.setEnabled(.maintenance, now: 3)
    #expect(health.setEnabled(.ready, now: 4) == [.enabled, .slowStart])
  }
}
