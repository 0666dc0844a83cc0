internal import CReactor
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// Where an application's server stands in a plan.
struct ServerPlace: Equatable {
  var application: Int
  var server: Int
}

/// Where servers stand in a plan, by their names.
struct PlanPlaces {
  private var places: [String: [String: ServerPlace]] = [:]

  init(_ plan: NodePlan) {
    for (application, planned) in plan.applications.enumerated() {
      for (server, entry) in planned.pool.servers.enumerated() where places[planned.name]?[entry.name] == nil {
        places[planned.name, default: [:]][entry.name] = ServerPlace(application: application, server: server)
      }
    }
  }

  func place(_ application: String, _ server: String) -> ServerPlace? { places[application]?[server] }
}

/// A plan that is in use no more: its workers finish what they have.
struct Former {
  let generation: Generation
  /// Listeners that the plan after it has not: they close when what is in their queues has been taken.
  var gone: [Int32]
  /// When handshakes that were under way have ended; 0: the workers have been told to take what is queued.
  var mutedUntil: Int64
  /// Of each application and server, where it stands in the plan in use.
  var present: [[ServerPlace?]] = []
  private var pastPlaces: [[ServerPlace?]] = []

  init(_ generation: Generation, gone: [Int32], mutedUntil: Int64) {
    self.generation = generation
    self.gone = gone
    self.mutedUntil = mutedUntil
  }

  /// Another plan is in use.
  mutating func place(in plan: NodePlan) {
    let now = PlanPlaces(plan)
    present = generation.plan.applications.map { application in
      application.pool.servers.map { now.place(application.name, $0.name) }
    }
    let then = PlanPlaces(generation.plan)
    pastPlaces = plan.applications.map { application in
      application.pool.servers.map { then.place(application.name, $0.name) }
    }
  }

  /// Where a server of the plan in use stands in this one.
  func past(_ application: Int, _ server: Int) -> ServerPlace? { pastPlaces[application][server] }

  /// Where a server of the plan in use is counted in this one, with the requests of both; nil: nowhere.
  fileprivate func table(_ application: Int, _ server: Int, of shared: NodeShared) -> (loads: LoadTable, server: Int32)?
  {
    guard let place = past(application, server) else { return nil }
    let loads = generation.shared.applications[place.application].loads
    let number = Int32(place.server)
    return loads.counts(number, as: Int32(server), of: shared.applications[application].loads) ? (loads, number) : nil
  }

  /// Requests of this plan at a server of the plan in use which are not counted there: it has another address.
  func inFlightElsewhere(_ application: Int, _ server: Int, of shared: NodeShared) -> Int32 {
    guard let place = past(application, server), table(application, server, of: shared) == nil else { return 0 }
    return generation.shared.applications[place.application].loads.inFlight(Int32(place.server))
  }
}

/// Those who serve former plans.
extension Control {
  /// Between two looks at servers with a bound that plans share, in nanoseconds.
  private static let limitsInterval: Int64 = 25_000_000

  /// Between two looks at processes that have handed over, in nanoseconds.
  private static let linesInterval: Int64 = 1_000_000_000

  /// The plan was replaced: its workers end when their connections have ended.
  mutating func retire(_ before: Generation) {
    let gone = before.listeners.filter { !generation.has($0) }
    for descriptor in gone { _ = cr_listener_mute(descriptor) }
    former.append(Former(before, gone: gone, mutedUntil: gone.isEmpty ? 0 : handshakesOver))
    if gone.isEmpty { before.shared.advance(to: .stopping) }
    // It would hold all those before it for as long as it lives.
    before.shared.former.withLock { $0 = [] }
    for position in former.indices {
      former[position].place(in: generation.plan)
      former[position].generation.shared.secrets?.follow((generation.plan, generation.shared.secrets))
    }
    let known = former.map(\.generation.shared)
    shared.former.withLock { $0 = known }
  }

  /// Milliseconds until something is to be done about changes, at most.
  var changesTimeout: Int32 {
    mutating get {
      if pending != nil || tellingEnds != nil || former.contains(where: { $0.mutedUntil > 0 }) || pause.isMoving {
        return 10
      }
      if sharesBounds { return Int32(Self.limitsInterval / 1_000_000) }
      return 1_000
    }
  }

  mutating func tendFormer() {
    if now >= linesDue {
      linesDue = now + Self.linesInterval
      _ = countProcessesBefore()
    }
    if former.isEmpty { return }
    for position in former.indices {
      let shared = former[position].generation.shared
      if former[position].mutedUntil > 0, now >= former[position].mutedUntil {
        former[position].mutedUntil = 0
        shared.advance(to: .stopping)
      }
      if !former[position].gone.isEmpty, former[position].mutedUntil == 0,
        shared.listening.load(ordering: .acquiring) == 0
      {
        for descriptor in former[position].gone { _ = cr_close(descriptor) }
        former[position].gone = []
      }
    }
    let ended = former.filter { $0.gone.isEmpty && $0.generation.shared.working.load(ordering: .acquiring) == 0 }
    for entry in ended {
      entry.generation.shared.secrets?.retire()
      entry.generation.closeReactors()
    }
    if !ended.isEmpty {
      former.removeAll { entry in ended.contains { $0.generation === entry.generation } }
      let known = former.map(\.generation.shared)
      shared.former.withLock { $0 = known }
    }
    if !ended.isEmpty || (sharesBounds && now >= limitsDue) { settleLimits() }
  }

  /// Whether former plans and the one in use share servers with a bound.
  private var sharesBounds: Bool {
    !former.isEmpty
      && shared.plan.applications.contains { $0.pool.servers.contains { $0.maxConnections > 0 } }
  }

  /// A server's places are those of all plans: each counts the requests of the others. Who waits by a former plan came first: as many places
  /// as they are, are left to them by the plans after it. Each plan's marks of full servers are put right, as the others' requests change
  /// them; and workers with somebody who waits are woken to look, as nobody of another plan tells them of a place given back.
  mutating func settleLimits() {
    var hasWaiting: [Bool] = Array(repeating: false, count: former.count + 1)
    for (application, planned) in shared.plan.applications.enumerated() {
      let own = shared.applications[application].loads
      for (server, entry) in planned.pool.servers.enumerated() {
        let places = Int32(clamping: entry.maxConnections)
        var ahead: Int32 = 0
        func settle(_ loads: LoadTable, _ server: Int32, _ position: Int) {
          let left = places > ahead ? places - ahead : LoadTable.closed
          loads.setLimit(server, places == 0 ? 0 : left)
          let waiting = loads.waiting(server) + loads.waitingForSeveral
          if waiting > 0 { hasWaiting[position] = true }
          ahead += waiting
        }
        for position in former.indices {
          guard let (loads, number) = former[position].table(application, server, of: shared) else { continue }
          settle(loads, number, position)
        }
        settle(own, Int32(server), former.count)
      }
      own.settle()
    }
    for (position, entry) in former.enumerated() {
      for application in entry.generation.shared.applications { application.loads.settle() }
      if hasWaiting[position] { entry.generation.shared.wakeWorkers() }
    }
    if hasWaiting[former.count] && !former.isEmpty { shared.wakeWorkers() }
    // Of many servers and many plans this takes its time: it is a small part of the control thread's.
    let taken = cr_monotonic() - now
    limitsDue = now + max(Self.limitsInterval, 20 * max(0, taken))
  }

  /// Requests of former plans at a server that are not counted with those of the plan in use.
  func inFlightBefore(_ application: Int, _ server: Int) -> Int {
    former.reduce(0) { $0 + Int($1.inFlightElsewhere(application, server, of: shared)) }
  }
}
