public import Topology

/// What all workers of a process share of one pool: health, load, trials and hints. Owned by the process, which frees it last.
public struct PoolShared: @unchecked Sendable {
  /// Health as published by the prober.
  public let health: HealthBoard
  /// Requests in flight per server.
  public let loads: LoadTable
  /// Requests that wait for a slot of a full server.
  let queues: SlotQueues
  /// Trial attempts.
  public let trials: TrialBoard
  /// What was learned from answers.
  public let hints: HintBoard
  /// By server, as planned: slots (0: unlimited), and weight.
  private let planned: UnsafeMutablePointer<(slots: Int32, weight: Int32)>
  /// A server with a bound on its requests may start slowly.
  private let hasSlowStarts: Bool

  /// Shared state of a pool, everything believed up. `workers`: how many threads will use it. `before`: that of a plan before, whose requests
  /// are counted on: at servers of the same name and address. Several threads use it then, and have used the other.
  public init(plan: PoolPlan, workers: Int, counting before: (shared: PoolShared, plan: PoolPlan)? = nil) {
    health = HealthBoard.allocate(
      plan.servers.map { HealthSnapshot(ServerHealth(plan: $0), now: 0, jitterSeed: 0) })
    var numbers: [String: Int] = [:]
    for (index, server) in (before?.plan.servers ?? []).enumerated() where numbers[server.name] == nil {
      numbers[server.name] = index
    }
    let known = before.map { before in
      (
        table: before.shared.loads,
        servers: plan.servers.map { server in
          numbers[server.name].flatMap { before.plan.servers[$0].address == server.address ? $0 : nil }
        }
      )
    }
    loads = LoadTable.allocate(
      limits: plan.servers.map { Int32(clamping: $0.maxConnections) }, isShared: workers > 1, counting: known)
    queues = SlotQueues.allocate(serverCount: plan.servers.count)
    trials = TrialBoard(count: plan.servers.count)
    hints = HintBoard(siteCount: Set(plan.servers.map(\.site)).count)
    hasSlowStarts = plan.servers.contains { $0.maxConnections > 0 && $0.slowStart > .zero }
    planned = .allocate(capacity: max(1, plan.servers.count))
    for (index, server) in plan.servers.enumerated() {
      (planned + index).initialize(
        to: (slots: Int32(clamping: server.maxConnections), weight: Int32(clamping: server.weight)))
    }
  }

  /// Shows new facts of a server to all workers. While it starts slowly only a share of its slots is open to users who are new to it,
  /// as its weight is a share of the plan's: where all others are full, the weight alone would keep nobody away. But all slots are,
  /// where no other server takes new users that does not start slowly itself: nobody waits for a server's warmth alone.
  /// - Returns: whether they are new.
  @discardableResult
  public func publish(_ server: Int32, _ snapshot: HealthSnapshot) -> Bool {
    precondition(server >= 0 && Int(server) < health.serverCount, "no such server")
    guard hasSlowStarts else { return health.publish(server, snapshot) }
    var hasWarm = false
    for other in 0..<Int32(health.serverCount) {
      let facts = other == server ? snapshot : health.snapshot(other)
      if facts.takesNewUsers && facts.takesOwnUsers && !isStartingSlowly(other, facts) { hasWarm = true }
    }
    for other in 0..<Int32(health.serverCount) where planned[Int(other)].slots > 0 {
      let facts = other == server ? snapshot : health.snapshot(other)
      var open = Int32.max
      if hasWarm && isStartingSlowly(other, facts) {
        let whole = wholeWeight(other)
        open = Int32(max(1, (Int64(planned[Int(other)].slots) * Int64(facts.weight) + whole - 1) / whole))
      }
      loads.open(other, for: open)
    }
    return health.publish(server, snapshot)
  }

  private func wholeWeight(_ server: Int32) -> Int64 { Int64(planned[Int(server)].weight) * ServerHealth.weightScale }

  private func isStartingSlowly(_ server: Int32, _ facts: HealthSnapshot) -> Bool {
    Int64(facts.weight) < wholeWeight(server)
  }

  /// Takes over the trials and hints of another pool, made for a plan before: what cost a request to find out.
  public func take(from other: PoolShared, of before: PoolPlan, plan: PoolPlan) {
    for (server, entry) in plan.servers.enumerated() {
      guard let known = before.servers.firstIndex(where: { $0.name == entry.name }) else { continue }
      trials.take(Int32(server), from: other.trials, server: Int32(known))
    }
    let sites = Self.sites(plan)
    let known = Self.sites(before)
    for (number, site) in sites.enumerated() {
      if let otherSite = known.firstIndex(of: site) { hints.take(site: number, from: other.hints, site: otherSite) }
    }
  }

  /// Sites in the order in which they come first in the list, as they are numbered.
  private static func sites(_ plan: PoolPlan) -> [String] {
    var names: [String] = []
    for server in plan.servers where !names.contains(server.site) { names.append(server.site) }
    return names
  }

  /// Frees everything; no worker may run.
  public func deallocate() {
    health.deallocate()
    loads.deallocate()
    queues.deallocate()
    trials.deallocate()
    hints.deallocate()
    planned.deallocate()
  }
}

/// What a worker learned of a server by using it; the prober's health machines take it in (rule C4).
public struct Evidence: Sendable, Equatable {
  /// What happened.
  public enum Kind: UInt8, Sendable {
    /// A connection was refused or timed out. Running out of own descriptors or ports is none.
    case connectFailed
    /// A server with failures against it was reached.
    case connected
    /// A trial attempt at a server believed down reached it.
    case trialSucceeded
    /// One of our own nodes said that it has no server to offer (rule D3).
    case declaredDead
    /// An answer showed that the site sends its users elsewhere: ask its director at once (rule E3).
    case hinted
  }
  /// The server.
  public var server: Int32
  /// What happened.
  public var kind: Kind

  /// Evidence by its parts.
  public init(server: Int32, kind: Kind) {
    self.server = server
    self.kind = kind
  }
}
