internal import Routing
internal import Topology

/// What an event is about; of several at one moment the lower comes first.
enum EventKind: UInt8 {
  case fault, address, probeEnd, bound, growth, arrive, response, lost, connectResult, connectTimeout, acknowledge
  case timeout, waitTimeout, cancel, poll, probe, nameCheck, resolve, user
}

/// One scenario while it runs: virtual time, the truth about the network, every node's state, and the users.
///
/// A value that nobody shares, so that runs may go on in parallel. Its functions are mutating also where they change nothing: for a
/// borrow of a noncopyable value the compiler copies all of it at each call that is not inlined.
///
/// Its pointers are `var`, though never set again: what is changed in place through a `let` does not compile under ThreadSanitizer
/// (Swift 6.3.1).
///
/// The extensions hold the life of a request in its order:
/// `+Users`, `+Requests`, `+Connections`, `+Attempts`, `+Servers`, `+Answers`, `+Cancelling`; then `+Health`, `+Faults`, `+Addresses` and `+Record`.
struct Run: ~Copyable {
  let network: NetworkModel
  let scenario: Scenario
  let options: SimulationOptions
  let seed: UInt64
  let end: Int64
  var now: Int64 = 0
  var queue: EventQueue
  var events: UInt64 = 0
  var world: World

  // Nodes
  var pools: UnsafeMutablePointer<Pool>
  var shared: UnsafeMutablePointer<PoolShared>
  var poolStates: UnsafeMutablePointer<PoolState>
  var candidates: UnsafeMutablePointer<CandidateState>
  let candidateCount: Int
  var health: UnsafeMutablePointer<ServerHealth>
  var probes: UnsafeMutablePointer<Probe>
  let probeCount: Int
  /// When the last hint against a site came, by candidate position of its first server.
  var hintedAt: UnsafeMutablePointer<Int64>
  var nodeRandom: UnsafeMutablePointer<RandomStream>
  /// By node, then by application: the pool by the file that the node goes by; -1: none.
  var nodePools: UnsafeMutablePointer<Int32>
  var growing: [CandidateReference] = []
  var growthIsScheduled = false
  var waitingLegs: [[Int32]]
  var isRetrying = false

  // Requests
  var legs: UnsafeMutablePointer<Leg>
  var legCapacity = 256
  var legCount = 0
  var freeLeg: Int32 = -1

  // Users
  let population: Population
  /// Users listed one by one; nil: so many with habits.
  var roster: Roster?
  let isListed: Bool
  /// What each user met, if that is to be told.
  var userReports: [UserReport] = []
  var users: UnsafeMutablePointer<User>
  var pasts: UnsafeMutablePointer<UserPast>
  /// Some users have an order of sites of their own, and take a while to their office.
  let hasPlaces: Bool
  /// Some application's site cookie has dates.
  let hasDates: Bool
  /// Habits and pools of the entries' users: by entry, then by application, of which there are so many.
  let applications: Int
  var entryHabits: UnsafeMutablePointer<Habits>
  var entryPools: UnsafeMutablePointer<Int32>
  let userHashes: UInt64

  // Application servers
  var servers: UnsafeMutablePointer<ServerState>
  var siteOfElement: UnsafeMutablePointer<Int32>
  /// By entry: the site of new users on an ordinary day.
  var entrySites: UnsafeMutablePointer<Int32>
  /// The user whose story is told; -1: nobody's.
  let tracedUser: Int32

  // What happens and what is found
  var changes: [TimedChange] = []
  /// When the network changes next, by a fault or by an address that moves.
  var nextChangeAt: Int64 = .max
  /// How many of the changes have been.
  var changesApplied = 0
  /// The longest time an attempt to connect may take.
  let longestConnect: Int64
  var record: Recorder
  var truth: Truth
  var verdicts: Verdicts
  var tracer: Tracer?
  var awaited: [AwaitedDetection] = []
  var activeFaults = 0
  /// Addresses that the nodes of an entry share; mostly none.
  var addresses: [EntryAddress] = []
  let behaviour: Behaviour
  /// Who leads users to sites, with `sitesByName`.
  var nameService: NameService

  init(_ network: NetworkModel, scenario: Scenario, options: SimulationOptions) {
    self.network = network
    self.scenario = scenario
    self.options = options
    behaviour = options.behaviour
    seed = scenario.seed ?? options.seed
    nameService = NameService(network, options, seed: seed)
    end = max(1, scenario.duration.nanosecondsClamped)
    world = World(network, seed: seed)
    let poolCount = network.pools.count
    candidateCount = network.pools.reduce(0) { $0 + $1.candidates.count }
    probeCount = network.pools.reduce(0) { $0 + $1.checks.count }
    pools = .allocate(capacity: max(1, poolCount))
    shared = .allocate(capacity: max(1, poolCount))
    poolStates = .allocate(capacity: max(1, poolCount))
    candidates = .allocate(capacity: max(1, candidateCount))
    health = .allocate(capacity: max(1, candidateCount))
    hintedAt = .allocate(capacity: max(1, candidateCount))
    hintedAt.initialize(repeating: -1, count: max(1, candidateCount))
    probes = .allocate(capacity: max(1, probeCount))
    nodeRandom = .allocate(capacity: max(1, network.nodeCount))
    for (index, node) in network.nodes.enumerated() {
      (nodeRandom + index).initialize(to: RandomStream(seed: seed, hash: node.nameHash))
    }
    nodePools = .allocate(capacity: max(1, network.nodeCount * max(1, network.applicationCount)))
    for (index, node) in network.nodes.enumerated() {
      for (application, pool) in node.poolOf.enumerated() {
        nodePools[index * network.applicationCount + application] = pool
      }
    }
    waitingLegs = Array(repeating: [], count: poolCount)
    legs = .allocate(capacity: legCapacity)
    population = Population(network, scenario: scenario, options: options, seed: seed)
    isListed = options.roll != nil
    users = UnsafeMutableRawPointer.allocate(
      byteCount: max(1, population.total) * MemoryLayout<User>.stride, alignment: 64
    ).bindMemory(to: User.self, capacity: max(1, population.total))
    pasts = .allocate(capacity: max(1, population.total))
    hasPlaces = !population.accessTimes.isEmpty
    hasDates = network.pools.contains { $0.hasDates }
    queue = EventQueue(eventsPerSecond: population.requestsPerSecond * Self.eventsPerRequest + Double(probeCount) / 2)
    userHashes = StableHash.combine(seed, StableHash.hash(literal: "users"))
    applications = max(1, network.applicationCount)
    longestConnect = network.pools.map(\.connectTimeout).max() ?? 0
    entryHabits = .allocate(capacity: max(1, population.entries.count * applications))
    entryPools = .allocate(capacity: max(1, population.entries.count * applications))
    for (index, entry) in population.entries.enumerated() {
      for application in 0..<network.applicationCount {
        (entryHabits + index * applications + application).initialize(to: entry.habits[application])
        let node = Int(entry.elements[0])
        entryPools[index * applications + application] = network.nodes[node].poolOf[application]
      }
    }
    var states: [ServerState] = []
    for (index, model) in network.services.enumerated() {
      let name = network.elements[network.firstServer + index].name
      states.append(ServerState(model, random: RandomStream(seed: seed, name: name)))
    }
    servers = .allocate(capacity: max(1, states.count))
    servers.initialize(from: states, count: states.count)
    siteOfElement = .allocate(capacity: max(1, network.elements.count))
    for (index, element) in network.elements.enumerated() { siteOfElement[index] = element.site }
    entrySites = .allocate(capacity: max(1, population.entries.count))
    tracedUser = options.traceUser.map { Int32(clamping: $0) } ?? -1
    record = Recorder(network, end: end)
    truth = Truth(network, population: population)
    verdicts = Verdicts(network, population: population)
    if let traced = options.traceUser { tracer = Tracer(user: traced) }
    for entry in population.entries.indices { entrySites[entry] = verdicts.newUsers.preferred(entry) }
    roster = options.roll.map { [population] in Roster($0, entries: population.entries, network: network) }
    layOut()
    if options.tellsUsers { userReports = emptyUserReports() }
    for node in 0..<network.nodeCount { startNode(node, isFirst: true) }
    if behaviour.contains(.sitesByName) { startNames() }
    startUsers()
    startAddresses()
    planFaults()
  }

  deinit {
    for pool in 0..<network.pools.count {
      (pools + pool).deinitialize(count: 1)
      shared[pool].deallocate()
      poolStates[pool].groups?.deallocate()
    }
    for candidate in 0..<candidateCount { candidates[candidate].idle?.deallocate() }
    health.deinitialize(count: candidateCount)
    probes.deinitialize(count: probeCount)
    entryHabits.deinitialize(count: population.entries.count * network.applicationCount)
    pools.deallocate()
    shared.deallocate()
    poolStates.deallocate()
    candidates.deallocate()
    health.deallocate()
    hintedAt.deallocate()
    probes.deallocate()
    nodeRandom.deallocate()
    nodePools.deallocate()
    legs.deallocate()
    users.deallocate()
    pasts.deallocate()
    servers.deinitialize(count: network.services.count)
    servers.deallocate()
    siteOfElement.deallocate()
    entrySites.deallocate()
    entryHabits.deallocate()
    entryPools.deallocate()
  }

  /// Events of a request through all its tiers, on an ordinary day.
  private static let eventsPerRequest = 6.0
  /// From so many users on, their memory is not in the processor's cache.
  private static let usersFar = 8_000
  /// Keeps what was read ahead from being left out.
  private var readAhead: UInt64 = 0

  /// Runs to the scenario's end.
  mutating func run() {
    let areFar = population.total >= Self.usersFar
    while true {
      if !queue.hasReady {
        guard queue.refill() else { break }
        if areFar { fetchUsers() }
      }
      guard let event = queue.popReady(until: end) else { break }
      now = event.time
      events &+= 1
      if events & Self.progressMask == 0 { tellProgress() }
      handle(event)
    }
    now = end
    countUnanswered()
    record.close(at: end)
  }

  /// Progress is told every 65,536 events: some ten times a second at least.
  private static let progressMask: UInt64 = 0xFFFF

  @inline(never)
  private mutating func tellProgress() {
    guard let progress = options.progress else { return }
    let requests = PhaseIndex.allCases.indices.reduce(UInt64(0)) { $0 + record.counts[$1].requests }
    progress(
      SimulationProgress(
        scenario: scenario.name, nowNanoseconds: now, endNanoseconds: end, requests: requests, isDone: false))
  }

  /// Reads the memory of those who act in this tick, all at once, so that the waits for it overlap.
  @inline(never)
  private mutating func fetchUsers() {
    var sum: UInt64 = 0
    for event in queue.ready where event.kind == EventKind.user.rawValue {
      sum &+= UInt64(users[Int(event.index)].visit)
    }
    readAhead &+= sum
  }

  @inline(__always)
  private mutating func handle(_ event: Event) {
    let kind = unsafeBitCast(event.kind, to: EventKind.self)
    let index = event.index
    switch kind {
    case .user: userActs(index)
    case .arrive: if isCurrent(event) { arrive(index) }
    case .response: if isCurrent(event) { response(index) }
    case .connectResult: if isCurrent(event) { connectResult(index) }
    case .connectTimeout: if isCurrent(event) { connectFailed(index, "no connection in time") }
    case .lost: if isCurrent(event) { lost(index) }
    case .acknowledge: if isCurrent(event) { acknowledgementMissing(index) }
    case .timeout: if isCurrent(event) { timedOut(index) }
    case .waitTimeout: if isCurrent(event) { waitedTooLong(index) }
    case .cancel: cancel(index, generation: event.token)
    case .poll: poll(index)
    case .probe: if probes[Int(index)].token & Event.tokenMask == event.token { probeBegins(index) }
    case .probeEnd: if probes[Int(index)].token & Event.tokenMask == event.token { probeEnds(index) }
    case .growth: grow()
    case .nameCheck: checkName(Int(index))
    case .resolve: resolvesAgain(index)
    case .fault: apply(Int(index))
    case .address: addressActs(Int(index), token: event.token)
    case .bound: checkBound(Int(index))
    }
  }

  @inline(__always)
  private func isCurrent(_ event: Event) -> Bool {
    legs[Int(event.index)].token & Event.tokenMask == event.token
  }

  @inline(__always)
  mutating func schedule(_ kind: EventKind, _ index: Int32, token: UInt32 = 0, at time: Int64) {
    queue.push(Event(time, kind: kind.rawValue, token: token, index: index))
  }
}
