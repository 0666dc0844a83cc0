internal import Routing
internal import Topology

/// A candidate of a pool while a scenario runs: what the engine looks at for every request, in one cache line.
struct CandidateState {
  var element: Int32
  var path: Path
  var site: Int32
  var poolSite: Int32
  var isNode: Bool
  var isServer: Bool
  var hasCookieValue: Bool
  var isSpokenFor: Bool
  var weight: Int32
  var tier: Int32
  /// The candidate's own pool for the application; -1: it has none.
  var childPool: Int32
  /// When the kept connections were last used, the latest last; allocated at the first.
  var idle: UnsafeMutablePointer<IdleConnection>?
  var idleCount: Int32 = 0
  /// Since when nothing passes to it, or back, or its machine has no power; -1: it can be heard.
  var silentSince: Int64 = -1
}

/// A kept connection.
struct IdleConnection {
  var since: Int64
  /// The target's start it belongs to.
  var epoch: UInt32
}

/// A pool while a scenario runs, beside Routing's own state.
struct PoolState {
  var node: Int32
  var firstCandidate: Int32
  var candidateCount: Int32
  var firstCheck: Int32
  var checkCount: Int32
  /// Group by site (offices, directors), or by server of the own site (balancers); nil: no cookie.
  var groups: UnsafeMutablePointer<Int32>?
  var groupsFirst: Int32
  var groupsCount: Int32
  var mode: CookiePlan.Mode?
  var isOffice: Bool
  var isBalancer: Bool
  var hasDates: Bool
  /// The attributes of the application's session cookie are known (rule B6).
  var knowsAttributes: Bool
  var hasPath: Bool
  var maxIdle: Int64
  var maxLife: Int64
  var connectTimeout: Int64
  var serverTimeout: Int64
  var queueTimeout: Int64
  var unacknowledged: Int64
  var silence: Int64
  var pooled: Int64
  var reuseWindow: Int64
  var pooledMax: Int32
  var attemptsMax: Int32
  var bodyBytesMax: Int32
  /// Requests that wait for a slot, a trial or the budget.
  var waiting: Int32 = 0
  var pollIsScheduled = false
  /// Its node goes by it; false: it belongs to a file that the node does not go by now.
  var isActive = true

  /// The group that a site or server stands for; -1: none that is known.
  @inline(__always)
  func group(_ value: Int32) -> Int32 {
    let position = value - groupsFirst
    guard let groups, position >= 0, position < groupsCount else { return -1 }
    return groups[Int(position)]
  }
}

/// One check of one candidate.
struct Probe {
  var state: CheckState
  var pool: Int32
  var server: Int32
  var timeout: Int64
  var downInterval: Int64
  var began: Int64 = 0
  /// When the next one begins, while none runs.
  var due: Int64 = 0
  var token: UInt32 = 0
  var random = RandomStream(seed: 0, hash: 0)
  var which: HealthCheck
  var isMonitor: Bool
  var isConnect: Bool
  /// The relay that is asked; -1: the target itself.
  var relay: Int32
  var isRunning = false
  /// Something was learned while it ran: its result is older than that, so another follows soon.
  var isDueAgain = false
}
