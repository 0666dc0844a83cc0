import Testing

@testable import Routing
@testable import Topology

/// What is known of a server under another plan, or in another process.
struct HealthMemoryTests {
  private static func plan(weight: Int = 100, fall: Int = 3, rise: Int = 2, checked: Bool = true) -> ServerPlan {
    let check = CheckPlan(
      kind: .tcp, address: .ipv4(0x7F00_0001, port: 80), interval: .seconds(2), fastInterval: .seconds(1),
      downInterval: .seconds(1), timeout: .seconds(1), rise: rise, fall: fall)
    return ServerPlan(
      name: "W1", site: "SITE1", address: .ipv4(0x7F00_0001, port: 80), cookieValue: "W1", tier: 0, weight: weight,
      maxConnections: 0, isNode: false, admission: nil, liveness: checked ? check : nil, slowStart: .seconds(10))
  }

  private static let second: Int64 = 1_000_000_000

  /// Ways to come to a state.
  private static let histories: [(String, @Sendable (inout ServerHealth) -> Void)] = [
    ("nothing known", { _ in }),
    ("up", { _ = $0.record(.liveness, success: true, now: second) }),
    ("a failure", { _ = $0.record(.liveness, success: false, now: second) }),
    ("down", { health in for now in 1...3 { _ = health.record(.liveness, success: false, now: Int64(now)) } }),
    (
      "reached by a trial",
      { health in
        for now in 1...3 { _ = health.record(.liveness, success: false, now: Int64(now)) }
        _ = health.recordTrialSuccess(now: 5)
      }
    ),
    ("declared dead", { _ = $0.record(.liveness, statement: .nobody, now: second) }),
    (
      "drained by its own word",
      {
        _ = $0.record(.liveness, statement: MonitorStatement(admit: false, alive: true, drainDeadline: 99), now: second)
      }
    ),
    ("drained by an operator", { _ = $0.setEnabled(.drain, drainDeadline: 77, now: second) }),
    ("in maintenance", { _ = $0.setEnabled(.maintenance, now: second) }),
    ("a failed connect", { _ = $0.recordConnectFailure(now: second) }),
    (
      "in a slow start",
      { health in
        for now in 1...3 { _ = health.record(.liveness, success: false, now: Int64(now)) }
        for now in 4...5 { _ = health.record(.liveness, success: true, now: Int64(now) * second) }
      }
    ),
  ]

  @Test(arguments: histories.indices)
  func `It goes on as it was, now and after whatever comes next`(index: Int) {
    let (name, live) = Self.histories[index]
    for (next, go) in Self.histories {
      var before = ServerHealth(plan: Self.plan())
      live(&before)
      var after = ServerHealth(plan: Self.plan(), memory: before.memory, now: 6 * Self.second)
      for health in [before, after] { #expect(health.memory == before.memory, "\(name)") }
      go(&before)
      go(&after)
      #expect(Self.facts(before) == Self.facts(after), "\(name), then \(next)")
      #expect(
        before.effectiveWeight(now: 8 * Self.second, jitterSeed: 1)
          == after.effectiveWeight(now: 8 * Self.second, jitterSeed: 1), "\(name), then \(next)")
    }
  }

  private static func facts(_ health: ServerHealth) -> String {
    "\(health.enabled) \(health.admit) \(health.liveness) \(String(describing: health.drainDeadline)) \(health.lastConnectFailed)"
  }

  @Test func `A check that the plan has no more holds nobody down`() {
    var before = ServerHealth(plan: Self.plan())
    for now in 1...3 { _ = before.record(.liveness, success: false, now: Int64(now)) }
    let after = ServerHealth(plan: Self.plan(checked: false), memory: before.memory, now: 5)
    #expect(after.liveness == .alive && after.takesNewUsers)
  }

  @Test func `A smaller fall takes one more failure to be reached`() {
    var before = ServerHealth(plan: Self.plan(fall: 5))
    for now in 1...4 { _ = before.record(.liveness, success: false, now: Int64(now)) }
    var after = ServerHealth(plan: Self.plan(fall: 2), memory: before.memory, now: 5)
    #expect(after.liveness == .alive)
    _ = after.record(.liveness, success: false, now: 6)
    #expect(after.liveness == .unreachable)
  }

  @Test func `Of a server under the same name at another address only the order holds`() {
    var before = ServerHealth(plan: Self.plan())
    for now in 1...3 { _ = before.record(.liveness, success: false, now: Int64(now)) }
    _ = before.setEnabled(.drain, drainDeadline: 77, now: 5)
    let after = ServerHealth(plan: Self.plan(), memory: before.memory.ofOperator, now: 6)
    #expect(after.enabled == .drain && after.drainDeadline == 77 && after.liveness == .alive && after.admit)
  }
}
