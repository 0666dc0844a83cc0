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

  /// Shared state of a pool, everything believed up. `workers`: how many threads will use it.
  public init(plan: PoolPlan, workers: Int) {
    health = HealthBoard.allocate(
      plan.servers.map { HealthSnapshot(ServerHealth(plan: $0), now: 0, jitterSeed: 0) })
    loads = LoadTable.allocate(limits: plan.servers.map { Int32(clamping: $0.maxConnections) }, isShared: workers > 1)
    queues = SlotQueues.allocate(serverCount: plan.servers.count)
    trials = TrialBoard(count: plan.servers.count)
    hints = HintBoard(siteCount: Set(plan.servers.map(\.site)).count)
  }

  /// Frees everything; no worker may run.
  public func deallocate() {
    health.deallocate()
    loads.deallocate()
    queues.deallocate()
    trials.deallocate()
    hints.deallocate()
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
