internal import Routing
internal import Topology

/// What an event of a network of relays is about; of several at one moment the lower comes first.
enum RelayEventKind: UInt8 {
  case fault, checkEnds, bound, growth, connectResult, connectTimeout, waitTimeout, poll
  case reached, answered, closed, patience, stalled, cut, ended, check, call
}

/// One scenario of a network of relays while it runs: virtual time, what is true of the network, every relay's state, and the users'
/// connections. Each user has one connection at a time; it has a leg at each relay that it passes.
///
/// A value that nobody shares, so that runs may go on in parallel. Its pointers are `var`, and its functions mutating, as in `Run`.
///
/// The extensions: `+Callers` (users), `+Legs` (a connection at a relay), `+Health`, `+Faults`, `+Verdicts`.
struct RelayRun: ~Copyable {
  let network: RelayNetwork
  let scenario: Scenario
  let options: SimulationOptions
  let seed: UInt64
  let end: Int64
  var now: Int64 = 0
  var queue: EventQueue
  var events: UInt64 = 0

  // The truth
  var world: [ElementTruth]

  // Relays
  var pools: UnsafeMutablePointer<Pool>
  var shared: UnsafeMutablePointer<PoolShared>
  var health: [[ServerHealth]]
  var checks: [CheckInProgress] = []
  /// By pool: its first check.
  var firstCheck: [Int] = []
  var relayRandom: [RandomStream]
  var waiting: [[Int32]]
  var pollIsScheduled: [Bool]
  var growing: [CandidateReference] = []
  var growthIsScheduled = false
  var isRetrying = false

  // Users
  let habits: RelayHabits
  let userCount: Int
  var callers: UnsafeMutablePointer<Caller>
  /// By user, then by the relay's place in the connection.
  var legs: UnsafeMutablePointer<RelayLeg>

  // What happens and what is found
  var plan: RelayFaultPlan
  var activeFaults = 0
  var awaited: [AwaitedDetection] = []
  var record: Recorder
  var counts = [RelayCounts](repeating: RelayCounts(), count: PhaseIndex.allCases.count)
  var ofEntry: [RelayCounts]
  /// By entry: attempts by the time at which they began, doubled, and one more for those that came about.
  var attempts: [[Int64]]
  var avoidable = Violations()
  var undetected = Violations()
  var late = Violations()

  init(_ network: RelayNetwork, scenario: Scenario, options: SimulationOptions) {
    self.network = network
    self.scenario = scenario
    self.options = options
    // By locals, not by properties: Swift 6.3.1 with -O frees too much where an initializer reads a property of a noncopyable value it is
    // making.
    let seed = scenario.seed ?? options.seed
    let end = max(1, scenario.duration.nanosecondsClamped)
    let habits = RelayHabits(scenario.traffic.over(network.topology.traffic))
    let userCount = network.entries.isEmpty ? 0 : options.users ?? habits.users
    let legCount = max(1, userCount * RelayNetwork.depthMax)
    let plan = RelayFaultPlan(network, scenario: scenario)
    let cycle = Double(max(1, habits.length + habits.pause)) / 1e9
    self.seed = seed
    self.end = end
    self.habits = habits
    self.userCount = userCount
    self.plan = plan
    queue = EventQueue(eventsPerSecond: Double(userCount) * 6 / cycle + 20)
    world = Array(repeating: ElementTruth(), count: network.elements.count)
    pools = .allocate(capacity: max(1, network.pools.count))
    shared = .allocate(capacity: max(1, network.pools.count))
    health = network.pools.map { pool in pool.plan.pool.servers.map { ServerHealth(plan: $0) } }
    relayRandom = network.elements.prefix(network.relayCount).map { RandomStream(seed: seed, name: $0.name) }
    waiting = Array(repeating: [], count: network.pools.count)
    pollIsScheduled = Array(repeating: false, count: network.pools.count)
    callers = .allocate(capacity: max(1, userCount))
    legs = .allocate(capacity: legCount)
    legs.initialize(repeating: RelayLeg(), count: legCount)
    record = Recorder(siteCount: network.elements.count - network.relayCount, end: end)
    ofEntry = Array(repeating: RelayCounts(), count: network.entries.count)
    attempts = Array(repeating: [], count: network.entries.count)
    layOutChecks()
    for relay in 0..<network.relayCount { start(relay, isFirst: true) }
    startCallers()
    for (index, change) in plan.changes.enumerated() where change.at <= end {
      schedule(.fault, Int32(index), at: max(0, change.at))
    }
  }

  deinit {
    for pool in 0..<network.pools.count {
      (pools + pool).deinitialize(count: 1)
      shared[pool].deallocate()
    }
    pools.deallocate()
    shared.deallocate()
    callers.deinitialize(count: userCount)
    callers.deallocate()
    legs.deinitialize(count: max(1, userCount * RelayNetwork.depthMax))
    legs.deallocate()
  }

  /// Runs to the scenario's end.
  mutating func run() {
    while let event = queue.pop(until: end) {
      now = event.time
      events &+= 1
      handle(event)
    }
    now = end
    record.close(at: end)
  }

  private mutating func handle(_ event: Event) {
    guard let kind = RelayEventKind(rawValue: event.kind) else { return }
    let index = event.index
    switch kind {
    case .fault: apply(Int(index))
    case .checkEnds: if isCurrentCheck(event) { checkEnds(Int(index)) }
    case .check: if isCurrentCheck(event) { checkBegins(Int(index)) }
    case .bound: boundIsOver(Int(index))
    case .growth: grow()
    case .connectResult: if isCurrentLeg(event) { connectResult(index) }
    case .connectTimeout: if isCurrentLeg(event) { connectFailed(index) }
    case .waitTimeout: if isCurrentLeg(event) { waitedTooLong(index) }
    case .poll: poll(index)
    case .reached: if isCurrentCaller(event) { reachesRelay(index) }
    case .answered: if isCurrentCaller(event) { answered(index) }
    case .closed: if isCurrentCaller(event) { failed(index, .closed) }
    case .patience: if isCurrentCaller(event) { failed(index, .timedOut) }
    case .stalled: if isCurrentCaller(event) { stalled(index) }
    case .cut: if isCurrentCaller(event) { cut(index) }
    case .ended: if isCurrentCaller(event) { ended(index) }
    case .call: if isCurrentCaller(event) { call(index) }
    }
  }

  private func isCurrentCheck(_ event: Event) -> Bool {
    checks[Int(event.index)].token & Event.tokenMask == event.token
  }

  private func isCurrentLeg(_ event: Event) -> Bool { legs[Int(event.index)].token & Event.tokenMask == event.token }

  private func isCurrentCaller(_ event: Event) -> Bool {
    callers[Int(event.index)].token & Event.tokenMask == event.token
  }

  mutating func schedule(_ kind: RelayEventKind, _ index: Int32, token: UInt32 = 0, at time: Int64) {
    queue.push(Event(time, kind: kind.rawValue, token: token, index: index))
  }

  /// A relay's process begins, with empty memory: every server is believed up.
  mutating func start(_ relay: Int, isFirst: Bool) {
    for pool in network.poolsOfRelay[relay] {
      let model = network.pools[pool]
      if !isFirst {
        (pools + pool).deinitialize(count: 1)
        shared[pool].deallocate()
        health[pool] = model.plan.pool.servers.map { ServerHealth(plan: $0) }
        waiting[pool] = []
      }
      (shared + pool).initialize(to: PoolShared(plan: model.plan.pool, workers: 1))
      (pools + pool).initialize(
        to: Pool(
          application: model.plan, shared: shared[pool], timeScale: model.timeScale, workers: 1,
          seed: relayRandom[relay].next(), now: now))
      startChecks(Int32(pool))
    }
  }
}

/// What is true of an element at this moment.
struct ElementTruth {
  /// Reasons why its process does not run.
  var kills = 0
  /// Reasons why its machine has no power.
  var powerCuts = 0
  /// Grows with each end of the process: connections of an earlier one are gone.
  var epoch: UInt32 = 0
  /// Added to all it says, in nanoseconds; its kernel takes connections at once.
  var slowness: Int64 = 0
  /// Since when it has taken connections and answered within the users' patience; `.max`: it does not.
  var availableSince: Int64 = -1
  /// When it last ceased to; -1: never.
  var failedAt: Int64 = -1

  var isPowered: Bool { powerCuts == 0 }
  var isUp: Bool { kills == 0 && powerCuts == 0 }
}

/// A user, and the connection that the user has.
struct Caller {
  enum State: UInt8 {
    case away, opening, open
    /// What carried it is gone, in silence; the user has not noticed yet.
    case broken
  }
  var entry: Int32
  var state = State.away
  var phase = PhaseIndex.before
  /// Relays it has come to: legs in use.
  var depth: Int32 = 0
  var usedBackup = false
  /// A bound on connections was met.
  var metBound = false
  var token: UInt32 = 0
  var began: Int64 = 0
  /// When it broke in silence, and when the user notices at the latest.
  var brokenAt: Int64 = 0
  var noticesAt: Int64 = 0
  var random: RandomStream
}

/// A connection at one relay.
struct RelayLeg {
  var exchange = Exchange()
  var pool: Int32 = -1
  /// The port it came in at.
  var port: UInt16 = 0
  /// Who it goes to, and the port there.
  var target: Int32 = -1
  var targetPort: UInt16 = 0
  /// It has reached that.
  var isConnected = false
  /// The process that it reached.
  var epoch: UInt32 = 0
  var attemptBegan: Int64 = 0
  var retries: Int64 = 0
  var awaited: Int32 = -1
  var token: UInt32 = 0
}

/// What users of relays do; times in nanoseconds.
struct RelayHabits: Sendable {
  /// How long users wait for silence to end: 30 s.
  static let patience: Int64 = 30_000_000_000
  /// Between a failure and the next attempt: half of this to one and a half of it, 1 s.
  static let retry: Int64 = 1_000_000_000

  var users: Int
  /// Mean length of a connection.
  var length: Int64
  /// Mean pause until the next.
  var pause: Int64

  /// What holds where neither the file nor the scenario says anything: 140 users, connections of a minute, pauses of 5 s.
  init(_ settings: TrafficSettings) {
    users = settings.users ?? Population.usersByDefault
    length = max(1_000_000, settings.sessionLength?.nanosecondsClamped ?? 60_000_000_000)
    pause = max(1_000_000, settings.thinkTime?.nanosecondsClamped ?? 5_000_000_000)
  }
}
