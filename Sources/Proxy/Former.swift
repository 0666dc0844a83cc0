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

  /// Requests of this plan at a server of the plan in use.
  func inFlight(_ application: Int, _ server: Int) -> Int32 {
    guard let place = past(application, server) else { return 0 }
    return generation.shared.applications[place.application].loads.inFlight(Int32(place.server))
  }
}

/// Those who serve former plans.
extension Control {
  /// Between two looks at what former plans hold of servers with a bound, in nanoseconds.
  private static let limitsInterval: Int64 = 50_000_000

  /// The plan was replaced: its workers end when their connections have ended.
  mutating func retire(_ before: Generation) {
    let gone = before.listeners.filter { !generation.has($0) }
    for descriptor in gone { _ = cr_listener_mute(descriptor) }
    former.append(Former(before, gone: gone, mutedUntil: gone.isEmpty ? 0 : handshakesOver))
    if gone.isEmpty { before.shared.advance(to: .stopping) }
    // It would hold all those before it for as long as it lives.
    before.shared.former.withLock { $0 = [] }
    for position in former.indices { former[position].place(in: generation.plan) }
    let known = former.map(\.generation.shared)
    shared.former.withLock { $0 = known }
  }

  /// Milliseconds until something is to be done about changes, at most.
  var changesTimeout: Int32 {
    mutating get {
      if pending != nil || tellingEnds != nil || former.contains(where: { $0.mutedUntil > 0 }) || pause.isMoving {
        return 10
      }
      if placesAreReduced || hasBoundsBefore { return Int32(Self.limitsInterval / 1_000_000) }
      return 1_000
    }
  }

  mutating func tendFormer() {
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
    for entry in ended { entry.generation.closeReactors() }
    if !ended.isEmpty {
      former.removeAll { entry in ended.contains { $0.generation === entry.generation } }
      let known = former.map(\.generation.shared)
      shared.former.withLock { $0 = known }
    }
    if placesAreReduced || hasBoundsBefore || !ended.isEmpty { settleLimits() }
  }

  /// Whether requests of former plans hold places at servers that have a bound.
  private var hasBoundsBefore: Bool {
    mutating get {
      if former.isEmpty { return false }
      for (application, planned) in shared.plan.applications.enumerated() {
        for (server, entry) in planned.pool.servers.enumerated() where entry.maxConnections > 0 {
          if inFlightBefore(application, server) > 0 { return true }
        }
      }
      return false
    }
  }

  /// What former plans hold of a server's places is not free: one place is left to the plan in use in any case, so that connections
  /// which last for hours shut nobody out.
  mutating func settleLimits() {
    placesAreReduced = false
    for (application, planned) in shared.plan.applications.enumerated() {
      for (server, entry) in planned.pool.servers.enumerated() where entry.maxConnections > 0 {
        let before = inFlightBefore(application, server)
        if before > 0 { placesAreReduced = true }
        let free = entry.maxConnections - before
        shared.applications[application].loads.setLimit(Int32(server), Int32(clamping: max(1, free)))
      }
    }
  }

  /// Requests of former plans at a server.
  func inFlightBefore(_ application: Int, _ server: Int) -> Int {
    former.reduce(0) { $0 + Int($1.inFlight(application, server)) }
  }
}
