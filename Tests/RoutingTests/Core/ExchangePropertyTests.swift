import Testing
import Topology

@testable import Routing

/// What holds for every exchange, whatever happens in whatever order; a failure names the seed that repeats it.
@Suite struct ExchangePropertyTests {
  enum Role: CaseIterable, Sendable { case office, director, balancer, spilling }

  static func plan(_ role: Role, _ random: inout SplitMix64) -> ApplicationPlan {
    let limit = [0, 1, 2][Int(random.below(3))]
    let algorithm = BalanceAlgorithm.allCases[Int(random.below(UInt32(BalanceAlgorithm.allCases.count)))]
    let percent = Int(random.below(30))
    let persist = random.below(4) == 0
    let change: (inout ApplicationPlan) -> Void = {
      $0.pool.algorithm = algorithm
      $0.pool.persist = persist
      $0.retries.budgetMinimum = 1
      $0.retries.budgetPercent = percent
      for index in $0.pool.servers.indices { $0.pool.servers[index].maxConnections = limit }
    }
    return switch role {
    case .office: PlanBuilder.office(directors: 2, change)
    case .director: PlanBuilder.director(sites: 3, change)
    case .balancer: PlanBuilder.balancer(max: limit, change)
    case .spilling:
      PlanBuilder.director(sites: 2) {
        change(&$0)
        $0.pool.spill = true
      }
    }
  }

  /// A request and what the test has seen of it.
  struct Trip {
    var exchange = Exchange()
    var tried: [Int32] = []
    var triedAt: [Int32: Int64] = [:]
    var isReconnecting = false
    var attemptsMax = 1
    /// Attempts for which there was no port.
    var withoutPort = 0
    var steps = 0
  }

  /// Random requests, events and beliefs; every promise is looked at after each step.
  final class Run {
    var random: SplitMix64
    let core: CoreFixture
    var trips: [Trip] = []

    init(role: Role, seed: UInt64) {
      random = SplitMix64(seed: seed)
      let plan = ExchangePropertyTests.plan(role, &random)
      core = CoreFixture(plan, seed: seed)
    }

    func below(_ bound: Int) -> Int { Int(random.below(UInt32(bound))) }

    func changeBeliefs() {
      let server = core.plan.pool.servers[below(core.plan.pool.servers.count)].name
      core.believe(Belief.allCases[below(Belief.allCases.count)], of: server)
    }

    func begin() {
      var trip = Trip()
      trip.attemptsMax = 1 + below(6)
      let values = core.plan.pool.servers.compactMap(\.cookieValue)
      let cookie: String? = below(3) == 0 ? nil : below(8) == 0 ? "nobody" : values[below(values.count)]
      let session = core.plan.cookie?.mode == .prefix && cookie != nil ? "s\(below(5))" : nil
      _ = core.begin(
        &trip.exchange, cookie: cookie, session: session, method: below(3) == 0 ? "POST" : "GET",
        client: random.next(), attemptsMax: trip.attemptsMax)
      take(&trip)
      if trip.exchange.isActive { trips.append(trip) }
    }

    /// Looks at the action given last.
    func take(_ trip: inout Trip) {
      trip.steps += 1
      #expect(trip.steps < 400, "an exchange ends")
      #expect(trip.exchange.attempts - trip.withoutPort <= trip.attemptsMax)
      switch core.action {
      case .connect(let server, let policy):
        #expect(core.shared.health.snapshot(server).enabled != .maintenance)
        if trip.tried.last == server && policy == .none && !trip.isReconnecting
          && trip.exchange.attempts == trip.tried.count
        {
          trip.isReconnecting = true
        } else {
          #expect(mayBeTried(server, trip), "no server is tried twice, unless it has come back since")
          trip.tried.append(server)
          trip.triedAt[server] = core.now
          trip.isReconnecting = false
        }
        let limit = core.shared.loads.limit(server)
        #expect(limit == 0 || core.shared.loads.inFlight(server) <= limit)
      case .queue(let server), .awaitTrial(let server): #expect(mayBeTried(server, trip))
      case .answer(let failure):
        #expect(!trip.exchange.isActive)
        if failure == .destinationUnavailable { expectNobodyLeft(trip) }
      case .relay: #expect(trip.exchange.state == .relaying)
      case .awaitBudget, .nothing: break
      }
    }

    func mayBeTried(_ server: Int32, _ trip: Trip) -> Bool {
      trip.triedAt[server].map { core.pool.members[Int(server)].aliveSince >= $0 } ?? true
    }

    /// A request is given up only when no candidate that is believed well was left to it.
    func expectNobodyLeft(_ trip: Trip) {
      guard trip.exchange.attempts < trip.attemptsMax, trip.exchange.state == .done, !refusedASite else { return }
      for server in core.plan.pool.servers.indices where !trip.tried.contains(Int32(server)) {
        let health = core.shared.health.snapshot(Int32(server))
        #expect(!health.takesOwnUsers, "\(core.plan.pool.servers[server].name) was left")
      }
    }
    var refusedASite = false

    func advance(_ position: Int) {
      var trip = trips[position]
      let exchange = trip.exchange
      // Now and then an event comes to a state that does not await it, as a late completion does.
      switch exchange.state {
      case .connecting:
        switch below(6) {
        case 0, 1: _ = core.refuse(&trip.exchange)
        case 2 where below(8) == 0: _ = core.runShort(&trip.exchange)
        case 2 where below(4) == 0:
          trip.withoutPort += 1
          _ = core.runOutOfPorts(&trip.exchange)
        default:
          let isNew = trip.isReconnecting || below(2) == 0
          trip.exchange.connected(isNew: isNew, pool: &core.pool)
          if below(4) > 0 { trip.exchange.requestBytesSent() }
          if below(6) == 0 { trip.exchange.replayLost() }
          trips[position] = trip
          return
        }
      case .awaitingResponse:
        switch below(9) {
        case 0, 1:
          _ = core.lose(&trip.exchange, responseBegun: below(4) == 0, wasKept: !trip.isReconnecting && below(2) == 0)
        case 2: _ = core.timeOut(&trip.exchange)
        case 3: _ = core.garble(&trip.exchange)
        case 4, 5:
          refusedASite = true
          let refusals: [Exchange.Refusal] = [.destinationUnavailable, .connectionLimitReached, .connectionTerminated]
          _ = core.respond(&trip.exchange, refusals[below(3)])
        default: _ = core.respond(&trip.exchange)
        }
      case .relaying:
        trip.exchange.learned(moved: below(4) == 0, pool: &core.pool, now: core.now)
        core.finish(&trip.exchange)
        trips[position] = trip
        return
      case .queued: _ = below(3) == 0 ? core.waitedTooLong(&trip.exchange) : core.slotFreed(&trip.exchange)
      case .awaitingTrial: _ = below(2) == 0 ? core.waitedTooLong(&trip.exchange) : core.trialResolved(&trip.exchange)
      case .awaitingBudget:
        if below(3) == 0 {
          #expect(core.waitedTooLong(&trip.exchange).hasPrefix("answer"))
          trips[position] = trip
          return
        } else {
          _ = core.budgetFreed(&trip.exchange)
        }
      case .idle, .done:
        Issue.record("an exchange that is over is still driven")
        return
      }
      take(&trip)
      trips[position] = trip
    }

    /// Events that come too late change nothing.
    func lateEvents(_ position: Int) {
      let state = trips[position].exchange.state
      let attempts = trips[position].exchange.attempts
      if state != .queued { #expect(core.slotFreed(&trips[position].exchange) == "nothing") }
      if state != .awaitingTrial { #expect(core.trialResolved(&trips[position].exchange) == "nothing") }
      if state != .connecting {
        #expect(core.refuse(&trips[position].exchange) == "nothing")
        #expect(core.runOutOfPorts(&trips[position].exchange) == "nothing")
      }
      if state != .awaitingResponse {
        #expect(core.lose(&trips[position].exchange) == "nothing")
        #expect(core.respond(&trips[position].exchange) == "nothing")
      }
      #expect(trips[position].exchange.state == state && trips[position].exchange.attempts == attempts)
    }

    func run(steps: Int) {
      for _ in 0..<steps {
        if below(3) == 0 { changeBeliefs() }
        if below(4) == 0 { core.now += Int64(below(2_000)) * 1_000_000 }
        if trips.isEmpty || (trips.count < 12 && below(3) == 0) { begin() }
        guard !trips.isEmpty else { continue }
        let position = below(trips.count)
        if below(10) == 0 { lateEvents(position) }
        if below(25) == 0 {
          core.finish(&trips[position].exchange)  // the client went away
        } else {
          advance(position)
        }
        if !trips[position].exchange.isActive { trips.swapAt(position, trips.count - 1); trips.removeLast() }
        if below(50) == 0 { _ = core.takeEvidence() }
        let inFlight = core.pool.budget.inFlight
        #expect(inFlight == trips.count)
      }
      for position in trips.indices { core.finish(&trips[position].exchange) }
      #expect(core.holdsNothing)
      for server in 0..<Int32(core.pool.serverCount) {
        #expect(!core.trialIsPending(core.name(server)), "no trial outlives its request")
      }
    }
  }

  @Test(
    "nothing leaks, no server is tried twice or in maintenance, attempts are bounded, and every exchange ends",
    arguments: Role.allCases)
  func promises(role: Role) {
    for seed in 0..<150 as Range<UInt64> {
      let run = Run(role: role, seed: seed)
      run.run(steps: 300)
    }
  }

  @Test("a request ends however its attempts fail, and nobody is left out", arguments: Role.allCases)
  func alwaysEnds(role: Role) {
    for seed in 0..<200 as Range<UInt64> {
      let run = Run(role: role, seed: seed &+ 10_000)
      for _ in 0..<10 { run.changeBeliefs() }
      for _ in 0..<10 {
        run.begin()
        var rounds = 0
        while !run.trips.isEmpty && rounds < 200 {
          if run.trips[0].exchange.state == .connecting {
            _ = run.core.refuse(&run.trips[0].exchange)
            var trip = run.trips[0]
            run.take(&trip)
            run.trips[0] = trip
          } else {
            run.advance(0)
          }
          if !run.trips[0].exchange.isActive { run.trips.removeLast() }
          rounds += 1
        }
        #expect(run.trips.isEmpty, "seed \(seed)")
        run.trips = []
      }
      #expect(run.core.holdsNothing)
    }
  }

  @Test("a candidate that admits new users is found unless it was tried or its site refused", arguments: Role.allCases)
  func alwaysFound(role: Role) {
    for seed in 0..<400 as Range<UInt64> {
      let run = Run(role: role, seed: seed &+ 20_000)
      let core = run.core
      for _ in 0..<8 { run.changeBeliefs() }
      for _ in 0..<20 {
        var exclusions = Pool.Exclusions()
        for server in 0..<Int32(core.pool.serverCount) where run.below(3) == 0 { exclusions.tried.insert(server) }
        if run.below(2) == 0 { exclusions.sites = UInt64(run.below(4)) }
        let before = exclusions
        let values = core.plan.pool.servers.compactMap(\.cookieValue)
        let binding = core.binding(run.below(2) == 0 ? nil : values[run.below(values.count)], session: "s")
        let selection = core.pool.select(
          binding, key: SelectionKey(clientHash: run.random.next(), sessionHash: binding.sessionHash),
          excluding: &exclusions, now: core.now)
        let admitting = (0..<Int32(core.pool.serverCount)).filter {
          core.pool.members[Int($0)].health.takesNewUsers && !before.rules(out: core.pool.members[Int($0)], $0)
        }
        switch selection {
        case .server(let server, let reason, _):
          let member = core.pool.members[Int(server)]
          #expect(!before.rules(out: member, server), "seed \(seed): an excluded server")
          #expect(member.health.enabled != .maintenance)
          if !admitting.isEmpty {
            #expect(reason != .lastResort && reason != .draining, "seed \(seed)")
          }
        case .awaitTrial(let server): #expect(!before.rules(out: core.pool.members[Int(server)], server))
        case .none: #expect(admitting.isEmpty, "seed \(seed)")
        }
      }
    }
  }
}
