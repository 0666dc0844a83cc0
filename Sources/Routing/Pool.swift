public import Topology

/// One worker's view of an application's candidates: who they are, what is believed of them, and how one is chosen.
///
/// Nothing here waits, reads a clock or draws from a random source of its own; `Pool+Selection.swift` holds the order in
/// which candidates are taken, `Pool+Queue.swift` who waits for the slots of full ones.
public struct Pool: ~Copyable {
  /// A candidate: what the plan says, and what is believed now.
  struct Member {
    var tier: Int32
    var group: Int32
    var site: Int32
    var isNode: Bool
    var hasCookieValue: Bool
    var trialInterval: Int64
    var hintInterval: Int64
    /// The share of the plan, 0 to 256.
    var weight: Int32
    var health: HealthSnapshot
    /// Since when it says itself that it has nobody to serve with.
    var deadSince: Int64 = .min
    /// Since when it is known to live again.
    var aliveSince: Int64 = .min
    /// The deadline of its drain has passed: its own users are moved, too (rule F2).
    var isDrained = false
    /// May be given new users.
    var admits: Bool { health.takesNewUsers && !isDrained }
    /// May be given its own users.
    var takesOwnUsers: Bool { health.takesOwnUsers && !isDrained }
    /// A request that belongs there may try it, whatever is believed of its life.
    var mayBeTried: Bool { health.enabled != .maintenance && !isDrained }
    /// Connects that failed here since one succeeded.
    var hasFailures = false
  }
  /// The candidates that bear one cookie value.
  struct Group {
    var members: [Int32]
    var site: Int32
    var balancer: Spread
  }
  /// A tier's candidates that admit new users.
  struct Tier {
    var members: [Int32]
    var admitting: Spread
    /// Since when, without a break, one of them has admitted new users; `.max`: none does.
    var admittingSince: Int64
  }

  /// Candidates in the plan's order.
  public let serverCount: Int
  let members: UnsafeMutablePointer<Member>
  let groups: UnsafeMutablePointer<Group>
  let groupCount: Int
  let tiers: UnsafeMutablePointer<Tier>
  let tierCount: Int
  /// Orders of tiers beside the plan's own (`take`); kept as long as `rows` is read.
  var orders: TierOrders?
  /// The rows of `orders`.
  var rows: UnsafeMutablePointer<Int32>?
  /// Orders known, the plan's own included.
  var orderCount = 1
  private let values: CookieValues
  /// Replacements of servers whose sessions must move: the same choice on every worker and balancer (rule B5).
  var replacements: Spread
  @usableFromInline let shared: PoolShared
  let mode: CookiePlan.Mode?
  let persist: Bool
  let spill: Bool
  /// How long an earlier tier must have admitted new users before those of later ones go back to it (rule F1): 0 at once,
  /// `.max` never.
  let failbackDelay: Int64
  let algorithm: BalanceAlgorithm
  /// The algorithm's choice gives way to a server with a free slot; a hash's binds a client to its server.
  let mindsLoad: Bool
  let capacity: Int
  /// Requests with a session, and as many without, that may wait for one server, at all workers.
  let queueMax: Int32
  /// The worker's number among those that share the pool: 0 to 63.
  let worker: Int32
  let connectTimeout: Int64
  var random: SplitMix64
  @usableFromInline var seenGeneration: UInt64 = .max
  /// When the view changes by itself, by the deadline of a drain.
  @usableFromInline var nextDeadline: Int64 = .max
  /// Nanoseconds from the clock of `now` to the time of day since 1970; drains end by the time of day.
  public var realtimeOffset: Int64 = 0
  private let siteNames: [String]
  /// What this worker learned since `takeEvidence`; bounded by one entry a server and kind being enough.
  @usableFromInline var evidence: [Evidence] = []
  /// Retries under way at this worker.
  public var budget: RetryBudget
  /// Workers (by bit), this one included, whose requests were granted slots since `takeFreed`.
  @usableFromInline var freed: UInt64 = 0

  /// Evidence kept at most between two takings; more of the same says nothing new.
  private static let evidenceMax = 256

  /// A worker's view of an application's pool as of `now`. `seed` makes its random choices repeatable.
  ///
  /// `firstMatch`: of the candidates that bear a cookie's value the first one takes all its users, as with HAProxy; for
  /// comparisons. `worker`: the number, 0 to 63, by which other workers wake the one whose view it is.
  public init(
    application: ApplicationPlan, shared: PoolShared, timeScale: Double, workers: Int, worker: Int = 0, seed: UInt64,
    now: Int64 = 0, firstMatch: Bool = false
  ) {
    precondition(worker >= 0 && worker < LoadTable.workersMax)
    let plan = application.pool
    serverCount = plan.servers.count
    self.shared = shared
    mode = application.cookie?.mode
    persist = plan.persist
    spill = plan.spill
    failbackDelay =
      switch plan.failback {
      case .session: .max
      case .immediate: 0
      case .after(let duration): duration.nanosecondsClamped
      }
    algorithm = plan.algorithm
    mindsLoad = plan.algorithm != .source && plan.algorithm != .rendezvous
    capacity = plan.capacity
    queueMax = Int32(clamping: plan.queueMax)
    self.worker = Int32(worker)
    connectTimeout = application.timeouts.connect.nanosecondsClamped
    random = SplitMix64(seed: seed)
    budget = RetryBudget(
      plan: application.retries.budgetPercent, minimum: application.retries.budgetMinimum, workers: workers)
    // Not by `mode`: Swift 6.3.1 with -O frees too much where an initializer reads a property of a noncopyable value it is making.
    let replaces = application.cookie?.mode == .prefix
    let identities = replaces || plan.algorithm == .rendezvous ? plan.servers.map { StableHash.hash($0.name) } : []

    var siteNames: [String] = []
    var siteNumbers: [String: Int] = [:]
    var valueNames: [String] = []
    var valueNumbers: [String: Int] = [:]
    var bearers: [[Int32]] = []
    members = .allocate(capacity: max(1, plan.servers.count))
    let trialInterval = Int64(timeScale * 1_000_000_000)
    for (index, server) in plan.servers.enumerated() {
      let site = siteNumbers[server.site] ?? siteNames.count
      if site == siteNames.count {
        siteNames.append(server.site)
        siteNumbers[server.site] = site
      }
      var group = -1
      if let value = server.cookieValue {
        group = valueNumbers[value] ?? valueNames.count
        if group == valueNames.count {
          valueNames.append(value)
          valueNumbers[value] = group
          bearers.append([])
        }
        bearers[group].append(Int32(index))
      }
      let check = server.liveness ?? server.admission
      (members + index).initialize(
        to: Member(
          tier: Int32(server.tier), group: Int32(group), site: Int32(site), isNode: server.isNode,
          hasCookieValue: group >= 0, trialInterval: trialInterval,
          hintInterval: check?.interval.nanosecondsClamped ?? trialInterval, weight: Int32(clamping: server.weight),
          health: HealthSnapshot(ServerHealth(plan: server), now: 0, jitterSeed: 0)))
    }
    self.siteNames = siteNames
    values = CookieValues(valueNames)

    groupCount = valueNames.count
    groups = .allocate(capacity: max(1, groupCount))
    for (group, bearers) in bearers.enumerated() {
      (groups + group).initialize(
        to: Group(
          members: bearers, site: members[Int(bearers[0])].site,
          balancer: Spread(
            algorithm: firstMatch ? .first : plan.algorithm, identities: identities, candidates: bearers.count)))
    }
    tierCount = plan.tierCount
    tiers = .allocate(capacity: max(1, tierCount))
    var inTier = [[Int32]](repeating: [], count: tierCount)
    for (index, server) in plan.servers.enumerated() { inTier[server.tier].append(Int32(index)) }
    for (tier, inside) in inTier.enumerated() {
      (tiers + tier).initialize(
        to: Tier(
          members: inside,
          admitting: Spread(algorithm: plan.algorithm, identities: identities, candidates: inside.count),
          admittingSince: now))
    }
    replacements = Spread(
      algorithm: .rendezvous, identities: identities, candidates: replaces ? plan.servers.count : 0)
    refresh(now)
  }

  deinit {
    for group in 0..<groupCount { groups[group].balancer.deallocate() }
    for tier in 0..<tierCount { tiers[tier].admitting.deallocate() }
    replacements.deallocate()
    members.deinitialize(count: serverCount)
    members.deallocate()
    groups.deinitialize(count: groupCount)
    groups.deallocate()
    tiers.deinitialize(count: tierCount)
    tiers.deallocate()
  }

  /// The group of candidates that bear a cookie value; -1 when nobody does.
  public func group(named value: UnsafeRawBufferPointer) -> Int32 { values.group(named: value) }

  /// The group a server belongs to; -1 for a server without a cookie value.
  public func group(of server: Int32) -> Int32 { members[Int(server)].group }

  /// One of the servers of a group (0 up to their number): all of them bear the same cookie value.
  public func bearer(of group: Int32) -> Int32 { groups[Int(group)].members[0] }

  /// Whether the server is one of our own nodes.
  public func isNode(_ server: Int32) -> Bool { members[Int(server)].isNode }

  /// What is believed of a server.
  public func health(of server: Int32) -> HealthSnapshot { members[Int(server)].health }

  /// The site of a server: an index in the order in which sites come first in the plan's list.
  public func site(of server: Int32) -> Int32 { members[Int(server)].site }

  /// The tier of a server.
  public func tier(of server: Int32) -> Int32 { members[Int(server)].tier }

  /// Whether the client's address has a part in choices.
  public var usesClientAddress: Bool {
    switch algorithm {
    case .source, .rendezvous: true
    case .roundRobin, .staticRoundRobin, .leastConnections, .first, .random: false
    }
  }

  /// Takes over newly published health and deadlines that have passed; cheap when nothing changed. Call it before a batch
  /// of requests.
  @inlinable @inline(__always)
  public mutating func refreshIfNeeded(now: Int64) {
    if shared.health.generation != seenGeneration || now >= nextDeadline { refresh(now) }
  }

  @usableFromInline
  mutating func refresh(_ now: Int64) {
    seenGeneration = shared.health.generation
    nextDeadline = .max
    for index in 0..<serverCount {
      let wasDead = members[index].health.liveness == .declaredDead
      let wasAlive = members[index].health.liveness == .alive
      members[index].health = shared.health.snapshot(Int32(index))
      if !wasDead && members[index].health.liveness == .declaredDead { members[index].deadSince = now }
      if !wasAlive && members[index].health.liveness == .alive { members[index].aliveSince = now }
      members[index].isDrained = isOver(members[index].health, now)
    }
    for tier in 0..<tierCount {
      let admitting = weighted(tiers[tier].members) { $0.admits }
      if admitting.isEmpty {
        tiers[tier].admittingSince = .max
      } else if tiers[tier].admittingSince == .max {
        tiers[tier].admittingSince = now
      }
      // By a pointer, as in `admitting`: the subscript does not compile under ThreadSanitizer.
      let place = tiers + tier
      place.pointee.admitting.rebuild(admitting)
    }
    for group in 0..<groupCount {
      let place = groups + group
      place.pointee.balancer.rebuild(weighted(place.pointee.members) { $0.takesOwnUsers })
    }
    if mode == .prefix {
      // By the plan's weights: those of a slow start differ between balancers and grow, and would move sessions again.
      replacements.rebuild(
        (0..<Int32(serverCount)).filter {
          members[Int($0)].admits
        }.map { index in
          WeightedServer(index: index, weight: max(1, members[Int(index)].weight))
        })
    }
    offerSlotsToLines()
    // More slots may be open to users who are new to a server.
    for server in 0..<Int32(serverCount) { offerSlotsIfAwaited(of: server) }
  }

  /// Whether the deadline of a drain has passed; one that has not is remembered. A deadline alone drains nobody.
  private mutating func isOver(_ health: HealthSnapshot, _ now: Int64) -> Bool {
    guard let deadline = health.drainDeadline, !(health.enabled == .ready && health.admit) else { return false }
    let (nanoseconds, isFar) = deadline.multipliedReportingOverflow(by: 1_000_000_000)
    if isFar { return false }
    let ends = nanoseconds - realtimeOffset
    if now >= ends { return true }
    nextDeadline = min(nextDeadline, ends)
    return false
  }

  func weighted(_ indices: [Int32], where usable: (Member) -> Bool) -> [WeightedServer] {
    indices.filter { usable(members[Int($0)]) }.map { index in
      WeightedServer(index: index, weight: max(1, Int32(members[Int(index)].health.weight)))
    }
  }

  /// Whether a server of the group may take its own users, as far as is believed.
  public func isUsable(group: Int32) -> Bool {
    // By position: a loop over the array itself would retain it.
    let bearers = groups + Int(group)
    for position in bearers.pointee.members.indices
    where members[Int(bearers.pointee.members[position])].takesOwnUsers { return true }
    return false
  }

  /// Whether a server of the group may take its own users, and has been known to live again since this time.
  mutating func isUsable(group: Int32, aliveSince since: Int64) -> Bool {
    let bearers = groups + Int(group)
    for position in bearers.pointee.members.indices {
      let member = members[Int(bearers.pointee.members[position])]
      if member.takesOwnUsers && member.aliveSince >= since { return true }
    }
    return false
  }

  /// Whether the server takes new users.
  func admits(_ server: Int32) -> Bool { members[Int(server)].admits }

  /// Whether some server takes new users.
  mutating func somebodyAdmits() -> Bool {
    for tier in 0..<tierCount where tiers[tier].admittingSince < .max { return true }
    return false
  }

  /// Whether the server may still take users who are bound to it.
  public func servesOwnUsers(_ server: Int32) -> Bool { members[Int(server)].takesOwnUsers }

  /// Whether a request that found no way to `server`, which has its session, could only go on without the session: nobody else who
  /// bears its cookie's value is there. Never at an office, from where other ways lead to the session.
  mutating func wouldLoseSession(_ binding: Binding, leaving server: Int32, excluding exclusions: Exclusions) -> Bool {
    guard mode != .passive, binding.group >= 0, members[Int(server)].group == binding.group else { return false }
    for position in groups[Int(binding.group)].members.indices {
      let other = groups[Int(binding.group)].members[position]
      if members[Int(other)].takesOwnUsers && !exclusions.rules(out: members[Int(other)], other) { return false }
    }
    return true
  }

  /// Whether the operator has taken the server out: not even a trial may reach it.
  func isInMaintenance(_ server: Int32) -> Bool { members[Int(server)].health.enabled == .maintenance }

  /// Whether the server is a node that says it has nobody to serve with.
  func isDeclaredDead(_ server: Int32) -> Bool { members[Int(server)].health.liveness == .declaredDead }

  /// Whether the outcome of a trial of the server is still awaited.
  public func trialIsPending(_ server: Int32, now: Int64) -> Bool {
    shared.trials.isPending(server, now: now, bound: connectTimeout * 2)
  }

  /// Whether a request that came at `since` goes on waiting for others' trials of the server: one is under way, and none that began since
  /// then has failed. So nobody waits for longer than two of them, for one server or several.
  public func trialIsAwaited(_ server: Int32, since: Int64, now: Int64) -> Bool {
    trialIsPending(server, now: now) && !shared.trials.hasFailed(server, since: since)
  }

  // MARK: Evidence

  mutating func note(_ server: Int32, _ kind: Evidence.Kind) {
    if evidence.count < Self.evidenceMax { evidence.append(Evidence(server: server, kind: kind)) }
  }

  /// Whether something was learned since the last taking.
  @inlinable
  public var hasEvidence: Bool {
    // Mutating, as a borrow of a pool behind a pointer would copy all of it.
    mutating get { !evidence.isEmpty }
  }

  /// What was learned since the last taking.
  public mutating func takeEvidence() -> [Evidence] {
    defer { evidence = [] }
    return evidence
  }
}
