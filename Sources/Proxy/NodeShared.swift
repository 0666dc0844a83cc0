internal import CReactor
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// Where a process is between start and end.
enum NodePhase: Int, AtomicRepresentable {
  /// Serves.
  case running = 0
  /// Soft stop: the monitor is closed, service goes on, every answer closes its connection.
  case draining = 1
  /// No connection is taken any more; what is in flight is finished.
  case stopping = 2
}

/// What the threads of one node share. Made before they start; what changes is atomic or behind a mutex.
final class NodeShared: Sendable {
  let plan: NodePlan
  let applications: [PoolShared]
  let addresses: AddressBook
  let learned: [LearnedAttributes]
  /// Nil: one order of sites for all clients.
  let geography: Geography?
  /// Nil: no TLS and no signed cookies anywhere.
  let secrets: NodeSecrets?
  let troubles = Troubles()
  let counters = NodeCounters()
  /// Commands of operators, on their way to the control thread.
  let administration = AdminMailbox()
  /// One a worker.
  let usage: [WorkerUsage]
  private let phaseValue = Atomic<NodePhase>(.running)
  private let evidenceBox = Mutex<[(application: Int, evidence: Evidence)]>([])
  let controlWaker = OnceWaker()
  let workerWakers: Mutex<[Waker?]>
  /// Client connections of the whole process.
  let connections: ConnectionCount
  /// Client connections by listener.
  let listenerConnections: ListenerCounts
  /// Client connections by source; nil: unbounded.
  let sources: SourceTable?
  let strains: StrainBoard
  /// Workers that still have listeners registered.
  let listening = Atomic<Int>(0)
  /// Workers that have not finished.
  let working = Atomic<Int>(0)

  /// Evidence kept at most until the prober takes it.
  private static let evidenceMax = 16_384

  init(plan: NodePlan, workers: Int, geography: Geography? = nil, secrets: NodeSecrets? = nil) {
    self.plan = plan
    self.secrets = secrets
    self.geography = geography
    connections = ConnectionCount(limit: plan.limits.connectionsMax)
    listenerConnections = ListenerCounts(plan.listeners.map(\.connectionsMax))
    sources = SourceTable(limit: plan.limits.connectionsPerSourceMax, exempt: plan.limits.sourcesExempt)
    strains = StrainBoard(listeners: plan.listeners.count)
    workerWakers = Mutex(Array(repeating: nil, count: workers))
    applications = plan.applications.map { PoolShared(plan: $0.pool, workers: workers) }
    addresses = AddressBook(plan: plan)
    usage = (0..<workers).map { _ in WorkerUsage() }
    learned = plan.applications.map { _ in LearnedAttributes() }
  }

  deinit {
    for application in applications { application.deallocate() }
  }

  var phase: NodePhase { phaseValue.load(ordering: .acquiring) }

  func advance(to phase: NodePhase) {
    phaseValue.store(phase, ordering: .releasing)
    wakeWorkers()
  }

  func wakeWorkers() {
    workerWakers.withLock { for waker in $0 { waker?.wake() } }
  }

  /// Counts something the node has run out of, for a line in the log.
  func note(_ strain: Strain) {
    if strains.note(strain) { controlWaker.wake() }
  }

  /// Hands what a worker learned to the prober.
  func post(_ evidence: [Evidence], application: Int) {
    evidenceBox.withLock { box in
      guard box.count + evidence.count <= Self.evidenceMax else { return }
      for item in evidence { box.append((application, item)) }
    }
    controlWaker.wake()
  }

  func takeEvidence() -> [(application: Int, evidence: Evidence)] {
    evidenceBox.withLock { box in
      defer { box = [] }
      return box
    }
  }
}

/// The waker of a thread, known while that runs.
final class OnceWaker: Sendable {
  private let waker = Mutex<Waker?>(nil)
  func set(_ waker: Waker?) { self.waker.withLock { $0 = waker } }
  func wake() { waker.withLock { $0?.wake() } }
}

/// Counts of the whole process.
final class NodeCounters: Sendable {
  /// Requests whose replacement server could not be written to the cookie, its attributes being unknown (rule B6).
  let cookieNotWritten = Atomic<Int>(0)
  /// Cookies with a tag that no key of ours made.
  let cookiesForged = Atomic<Int>(0)
  /// Users sent to a nearer site's own address.
  let redirects = Atomic<Int>(0)
  /// Log lines given up because the log could not be written fast enough.
  let logLinesDropped = Atomic<Int>(0)
}

/// Addresses of the servers, by application and server; names are resolved by a thread of its own.
final class AddressBook: Sendable {
  private let entries: Mutex<[[[SocketAddress]]]>
  private let generationValue = Atomic<Int>(1)

  convenience init(plan: NodePlan) {
    self.init(plan.applications.map { $0.pool.servers.map { Self.fixed($0.address) } })
  }

  init(_ entries: [[[SocketAddress]]]) { self.entries = Mutex(entries) }

  /// The socket address of an address that needs no resolver; empty for names.
  static func fixed(_ address: Address) -> [SocketAddress] {
    switch address {
    case .ipv4(let value, let port): [SocketAddress(ipv4: value, port: port)]
    case .ipv6(let high, let low, let port): [SocketAddress(ipv6: high, low, port: port)]
    case .unix(let path): SocketAddress(unix: path).map { [$0] } ?? []
    case .host: []
    }
  }

  var generation: Int { generationValue.load(ordering: .acquiring) }

  func all() -> [[[SocketAddress]]] { entries.withLock { $0 } }

  /// New addresses of a server; an empty answer keeps the old ones, and the same ones keep their order.
  func update(application: Int, server: Int, _ addresses: [SocketAddress]) {
    guard !addresses.isEmpty else { return }
    let isNews = entries.withLock { entries in
      let old = entries[application][server]
      if old.count == addresses.count, addresses.allSatisfy({ old.contains($0) }) { return false }
      entries[application][server] = addresses
      return true
    }
    if isNews { generationValue.wrappingAdd(1, ordering: .releasing) }
  }

  /// An address that failed, at whatever port, goes behind the server's others, if it is the first of several.
  func passOver(_ failed: SocketAddress, application: Int, server: Int) {
    let parts = failed.parts
    let hasMoved = entries.withLock { entries in
      guard entries[application][server].count > 1 else { return false }
      let first = entries[application][server][0].parts
      guard first.high == parts.high && first.low == parts.low else { return false }
      entries[application][server].append(entries[application][server].removeFirst())
      return true
    }
    if hasMoved { generationValue.wrappingAdd(1, ordering: .releasing) }
  }
}

/// Attributes of the application's own session cookie, as its servers set it (rule B6).
final class LearnedAttributes: Sendable {
  private let text = Mutex<[UInt8]?>(nil)
  private let generationValue = Atomic<Int>(0)

  var generation: Int { generationValue.load(ordering: .acquiring) }

  /// Changes taken at most: an application whose servers do not agree is not followed for ever.
  private static let changesMax = 64

  func set(_ bytes: [UInt8]) {
    guard generation < Self.changesMax else { return }
    text.withLock { $0 = bytes }
    generationValue.wrappingAdd(1, ordering: .releasing)
  }

  func get() -> [UInt8]? { text.withLock { $0 } }
}

/// Client connections of the process, never more than the limit.
final class ConnectionCount: Sendable {
  private let value = Atomic<Int>(0)
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  var count: Int { value.load(ordering: .relaxed) }

  var isFull: Bool { count >= limit }

  /// Counts a connection; false: there are as many as may be, nothing was counted.
  func open() -> Bool {
    if value.wrappingAdd(1, ordering: .relaxed).newValue <= limit { return true }
    close()
    return false
  }

  func close() { value.wrappingSubtract(1, ordering: .relaxed) }
}

/// Client connections by listener, and their bounds; 0: none.
final class ListenerCounts: @unchecked Sendable {
  private let counts: UnsafeMutablePointer<Atomic<Int>>
  private let limits: [Int]

  init(_ limits: [Int]) {
    self.limits = limits
    counts = .allocate(capacity: max(1, limits.count))
    for position in limits.indices { (counts + position).initialize(to: Atomic(0)) }
  }

  deinit {
    counts.deinitialize(count: limits.count)
    counts.deallocate()
  }

  func isFull(_ listener: Int) -> Bool {
    limits[listener] > 0 && counts[listener].load(ordering: .relaxed) >= limits[listener]
  }

  /// Counts a connection; false: the listener is at its bound, nothing was counted. Unbounded listeners are not counted.
  func open(_ listener: Int) -> Bool {
    guard limits[listener] > 0 else { return true }
    if counts[listener].wrappingAdd(1, ordering: .relaxed).newValue <= limits[listener] { return true }
    close(listener)
    return false
  }

  func close(_ listener: Int) {
    if limits[listener] > 0 { counts[listener].wrappingSubtract(1, ordering: .relaxed) }
  }
}
