import Testing

@testable import Routing
@testable import Topology

/// A pool that goes on where another one stood: after a reload, or in another process.
struct PoolMemoryTests {
  private static func plan(
    _ names: [String], weights: [Int] = [], algorithm: BalanceAlgorithm = .roundRobin
  ) -> ApplicationPlan {
    let servers = names.enumerated().map { index, name in
      PlanBuilder.server(
        name, site: "SITE1", cookie: name, weight: index < weights.count ? weights[index] : 1, isNode: false)
    }
    return PlanBuilder.application(servers, mode: .insert, algorithm: algorithm)
  }

  private static func next(_ count: Int, of fixture: CoreFixture) -> [String] {
    (0..<count).map { _ in String(fixture.choice().dropFirst("connect ".count)) }
  }

  /// What a fixture of a plan chooses after it has taken over from one that has made so many choices.
  private static func continued(_ first: CoreFixture, by plan: ApplicationPlan) -> CoreFixture {
    let second = CoreFixture(plan)
    let memory = first.pool.memory(plan: first.plan.pool)
    second.pool.goOn(from: memory, plan: plan.pool)
    return second
  }

  @Test(arguments: [BalanceAlgorithm.roundRobin, .staticRoundRobin, .leastConnections])
  func `Turns go on where they stood, after any number of them`(algorithm: BalanceAlgorithm) {
    for weights in [[1, 1, 1, 1, 1], [5, 1, 3], [12, 12, 26, 26]] {
      let plan = Self.plan(weights.indices.map { "W\($0)" }, weights: weights, algorithm: algorithm)
      for made in [0, 1, 2, 7, 63, 64, 65, 100] {
        let whole = CoreFixture(plan)
        let first = CoreFixture(plan)
        #expect(Self.next(made, of: first) == Self.next(made, of: whole))
        let second = Self.continued(first, by: plan)
        #expect(Self.next(30, of: second) == Self.next(30, of: whole), "\(algorithm) \(weights) after \(made)")
      }
    }
  }

  @Test func `Nobody is served twice in a row or left out when servers come and go`() {
    let first = CoreFixture(Self.plan(["A", "B", "C", "D"]))
    #expect(Set(Self.next(2, of: first)).count == 2)
    let second = Self.continued(first, by: Self.plan(["D", "C", "E", "A"]))
    let taken = Self.next(40, of: second)
    for name in ["A", "C", "D", "E"] { #expect(taken.count { $0 == name } == 10) }
  }

  @Test func `A server that is down has no turn, and its turn when it comes back`() {
    let plan = Self.plan(["A", "B", "C"])
    let first = CoreFixture(plan)
    first.believe(.down, of: "B")
    _ = Self.next(3, of: first)
    let second = CoreFixture(plan)
    second.believe(.down, of: "B")
    second.pool.goOn(from: first.pool.memory(plan: plan.pool), plan: plan.pool)
    #expect(Set(Self.next(10, of: second)) == ["A", "C"])
    second.believe(.up, of: "B")
    #expect(Set(Self.next(6, of: second)) == ["A", "B", "C"])
  }

  @Test func `What is said of servers that are gone, and of more tiers than there are, counts for nothing`() {
    let memory = CoreFixture(Self.plan(["X", "Y"])).pool.memory(plan: Self.plan(["X", "Y"]).pool)
    var more = memory
    more.tiers += [
      PoolMemory.Tier(balance: nil, admittingSince: 5), PoolMemory.Tier(balance: nil, admittingSince: .max),
    ]
    more.groups.append(PoolMemory.Group(value: "Z", balance: PoolMemory.Balance(turns: [], next: 9)))
    let fixture = CoreFixture(Self.plan(["A", "B"]))
    fixture.pool.goOn(from: more, plan: fixture.plan.pool)
    #expect(Set(Self.next(4, of: fixture)) == ["A", "B"])
  }

  @Test func `Turns that no process of ours would tell do no harm`() {
    let turns = [-1e300, -1, 0.5, 2, 1e300].map { PoolMemory.Turn(server: "A", left: $0) }
    let plan = Self.plan(["A", "B"])
    for algorithm in [BalanceAlgorithm.roundRobin, .staticRoundRobin, .leastConnections] {
      let fixture = CoreFixture(Self.plan(["A", "B"], algorithm: algorithm))
      var memory = fixture.pool.memory(plan: plan.pool)
      for next in [-5, 0, Int.max] {
        memory.tiers[0].balance = PoolMemory.Balance(turns: turns, next: next)
        fixture.pool.goOn(from: memory, plan: plan.pool)
        #expect(Set(Self.next(8, of: fixture)) == ["A", "B"])
      }
    }
  }

  @Test func `A bound that is lowered keeps newcomers out until enough have left, and a raised one lets them in`() {
    let loads = LoadTable.allocate(limits: [4])
    defer { loads.deallocate() }
    #expect(loads.reserve(0) && loads.reserve(0))
    loads.setLimit(0, 1)
    #expect(!loads.reserve(0) && loads.isFull(0) && loads.fullBits(word: 0) == 1)
    loads.release(0)
    #expect(!loads.reserve(0))
    loads.release(0)
    #expect(loads.fullBits(word: 0) == 0 && loads.reserve(0) && !loads.reserve(0))
    loads.setLimit(0, 2)
    #expect(loads.fullBits(word: 0) == 0 && loads.reserve(0) && !loads.reserve(0))
    loads.setLimit(0, 0)
    #expect(loads.reserve(0) && loads.fullBits(word: 0) == 0)
  }
}
