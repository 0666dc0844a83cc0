import Topology

@testable import Routing

/// What is believed of a candidate, as a test says it.
enum Belief: CaseIterable {
  /// Takes all users.
  case up
  /// Alive, but takes no new users.
  case ownUsersOnly
  /// Checks or connects failed.
  case down
  /// Its monitor says that it has nothing to serve with.
  case declaredDead
  /// The operator drains it.
  case drain
  /// The operator has taken it out.
  case maintenance

  func snapshot(weight: Int32) -> HealthSnapshot {
    switch self {
    case .up: HealthSnapshot(weight: weight)
    case .ownUsersOnly: HealthSnapshot(admit: false, weight: weight)
    case .down: HealthSnapshot(admit: false, liveness: .unreachable, weight: weight)
    case .declaredDead: HealthSnapshot(admit: false, liveness: .declaredDead, weight: weight)
    case .drain: HealthSnapshot(enabled: .drain, weight: weight)
    case .maintenance: HealthSnapshot(enabled: .maintenance, weight: weight)
    }
  }
}

/// One worker's core with a clock set by hand and no socket: exchanges are driven by events, and actions come back as text.
final class CoreFixture {
  static let second: Int64 = 1_000_000_000

  let plan: ApplicationPlan
  let shared: PoolShared
  var pool: Pool
  var now: Int64 = 100 * CoreFixture.second
  /// The action given last.
  private(set) var action = Exchange.Action.nothing
  private let ownsShared: Bool

  /// - Parameter shared: the state of another fixture of the same plan, as of a second worker of its process.
  init(_ plan: ApplicationPlan, sharing other: CoreFixture? = nil, workers: Int = 1, seed: UInt64 = 1) {
    self.plan = plan
    ownsShared = other == nil
    shared = other?.shared ?? PoolShared(plan: plan.pool, workers: 2)
    pool = Pool(
      application: plan, shared: shared, timeScale: 1, workers: workers, worker: other == nil ? 0 : 1, seed: seed,
      now: now)
  }

  deinit { if ownsShared { shared.deallocate() } }

  // MARK: What is believed

  func believe(_ belief: Belief, of names: String...) {
    for name in names {
      let index = server(name)
      let weight = Int32(plan.pool.servers[Int(index)].weight) * Int32(ServerHealth.weightScale)
      shared.publish(index, belief.snapshot(weight: weight))
    }
    pool.refreshIfNeeded(now: now)
  }

  func server(_ name: String) -> Int32 {
    Int32(plan.pool.servers.firstIndex { $0.name == name }!)
  }

  func name(_ server: Int32) -> String { plan.pool.servers[Int(server)].name }

  // MARK: Events

  func binding(_ cookie: String?, session: String? = nil) -> Binding {
    guard let cookie else {
      guard let session else { return .none }
      return Binding(presence: .unknown, group: -1, sessionHash: StableHash.hash(session))
    }
    var text = cookie
    let group = text.withUTF8 { pool.group(named: UnsafeRawBufferPointer($0)) }
    return Binding(
      presence: group >= 0 ? .named : .unknown, group: group, sessionHash: session.map { StableHash.hash($0) } ?? 0)
  }

  func begin(
    _ exchange: inout Exchange, cookie: String? = nil, session: String? = nil, method: String = "GET",
    client: UInt64 = 7, attemptsMax: Int = 16, order: Int32 = 0, waiter: Int32 = -1
  ) -> String {
    let binding = binding(cookie, session: session)
    return tell(
      exchange.begin(
        Exchange.Request(
          isIdempotent: method != "POST", binding: binding,
          key: SelectionKey(clientHash: StableHash.avalanche(client), sessionHash: binding.sessionHash),
          order: order),
        attemptsMax: attemptsMax, waiter: waiter, pool: &pool, now: now))
  }

  /// The connection is refused.
  func refuse(_ exchange: inout Exchange) -> String {
    tell(exchange.connectFailed(ownFault: false, pool: &pool, now: now))
  }

  /// The connection is there, and the request goes out.
  func connect(_ exchange: inout Exchange, isNew: Bool = true) {
    exchange.connected(isNew: isNew, pool: &pool)
    exchange.requestBytesSent()
  }

  /// The connection breaks before a response.
  func lose(_ exchange: inout Exchange, responseBegun: Bool = false, wasKept: Bool = false) -> String {
    tell(exchange.connectionLost(responseBegun: responseBegun, wasKept: wasKept, pool: &pool, now: now))
  }

  /// The server turns the connection down before it looks at the request.
  func reject(_ exchange: inout Exchange) -> String {
    tell(exchange.connectionRejected(pool: &pool, now: now))
  }

  /// A response's head comes.
  func respond(_ exchange: inout Exchange, _ refusal: Exchange.Refusal = .none) -> String {
    tell(exchange.responseHead(refusal, pool: &pool, now: now))
  }

  func slotFreed(_ exchange: inout Exchange) -> String { tell(exchange.slotFreed(pool: &pool, now: now)) }
  func look(_ exchange: inout Exchange) -> String { tell(exchange.lookWhileQueued(pool: &pool, now: now)) }
  func trialResolved(_ exchange: inout Exchange) -> String { tell(exchange.trialResolved(pool: &pool, now: now)) }
  func waitedTooLong(_ exchange: inout Exchange) -> String { tell(exchange.waitedTooLong(pool: &pool, now: now)) }
  func budgetFreed(_ exchange: inout Exchange) -> String { tell(exchange.budgetFreed(pool: &pool, now: now)) }
  func timeOut(_ exchange: inout Exchange) -> String { tell(exchange.responseTimedOut(pool: &pool)) }
  func garble(_ exchange: inout Exchange) -> String { tell(exchange.responseInvalid(pool: &pool)) }

  /// No descriptor of our own is left for the connection.
  func runShort(_ exchange: inout Exchange) -> String {
    tell(exchange.connectFailed(ownFault: true, pool: &pool, now: now))
  }

  /// No local port is left towards the server.
  func runOutOfPorts(_ exchange: inout Exchange) -> String { tell(exchange.portsRanOut(pool: &pool, now: now)) }

  func finish(_ exchange: inout Exchange) { exchange.finish(pool: &pool) }

  /// A whole request that the first server asked answers: its name, and why it was chosen.
  @discardableResult
  func serve(
    cookie: String? = nil, session: String? = nil, method: String = "GET", client: UInt64 = 7,
    movedTo newCookie: String? = nil, order: Int32 = 0
  ) -> String {
    var exchange = Exchange()
    let first = begin(&exchange, cookie: cookie, session: session, method: method, client: client, order: order)
    guard case .connect = action else {
      exchange.finish(pool: &pool)
      return first
    }
    connect(&exchange)
    _ = respond(&exchange)
    if let newCookie {
      let moved = pool.tellsOfAnotherSite(
        binding(newCookie).group, binding: exchange.binding, reason: exchange.reason,
        server: exchange.server)
      exchange.learned(moved: moved, pool: &pool, now: now)
    } else {
      exchange.learned(moved: false, pool: &pool, now: now)
    }
    let answer = "\(name(exchange.server)) \(exchange.reason.text)"
    exchange.finish(pool: &pool)
    return answer
  }

  /// The server that the request of another exchange goes to; it is given up there.
  func choice(cookie: String? = nil, session: String? = nil, client: UInt64 = 7) -> String {
    var exchange = Exchange()
    defer { exchange.finish(pool: &pool) }
    return begin(&exchange, cookie: cookie, session: session, client: client)
  }

  private func tell(_ action: Exchange.Action) -> String {
    self.action = action
    return switch action {
    case .connect(let server, _): "connect \(name(server))"
    case .queue(let server): "queue \(name(server))"
    case .awaitTrial(let server): "await trial of \(name(server))"
    case .awaitBudget: "await budget"
    case .answer(let failure): "answer \(failure)"
    case .relay: "relay"
    case .nothing: "nothing"
    }
  }

  // MARK: What was learned, and what is held

  func takeEvidence() -> [String] { pool.takeEvidence().map { "\(name($0.server)) \($0.kind)" } }

  /// Whether the request still has to wait for what it was told to ("await trial of NAME").
  func isAwaiting(_ exchange: inout Exchange, _ told: String) -> Bool {
    let server = server(String(told.split(separator: " ").last!))
    return pool.trialIsAwaited(server, since: exchange.exclusions.since, now: now)
  }

  func trialIsPending(_ name: String) -> Bool { pool.trialIsPending(server(name), now: now) }
  var hasFreed: Bool { pool.hasFreed }

  /// Nothing is held any more: no slot, no place in a queue or in the budget.
  var holdsNothing: Bool {
    pool.budget.inFlight == 0 && pool.budget.retries == 0 && shared.loads.totalInFlight == 0
      && shared.loads.waitingForSeveral == 0
      && (0..<Int32(pool.serverCount)).allSatisfy { shared.loads.inFlight($0) == 0 && shared.loads.waiting($0) == 0 }
  }
}
