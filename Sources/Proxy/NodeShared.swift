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
  /// Another plan is in use: listeners that it has, too, are left to it, what is in flight is finished. `stopping` follows.
  case retiring = 3
}

/// What is of the process, whichever plan it serves.
final class ProcessShared: Sendable {
  let counters = NodeCounters()
  /// Commands of operators, on their way to the control thread.
  let administration = AdminMailbox()
  let controlWaker = OnceWaker()
  /// Client connections of the whole process.
  let connections = ConnectionCount()
  /// Changes on their way to and from the thread that prepares them.
  let changes = ChangeDesk()
  /// Changes of whom connections may be open with.
  let trust = TrustClock()
  /// The file that tells the process's id; nil: there is none.
  let pidFile = Mutex<PidFile?>(nil)
  /// Lines to processes that have handed over: each closes when its process has ended.
  let linesBefore = Mutex<[Int32]>([])
  /// The node stops: those who look at it are told so, whatever plan their connection is served by.
  let isStopping = Atomic<Bool>(false)
}

/// Where a worker's view of each application stands, by the application's name.
typealias WorkerMemory = [String: PoolMemory]

/// What the threads that serve one plan share. Made before they start; what changes is atomic or behind a mutex.
final class NodeShared: Sendable {
  let plan: NodePlan
  let process: ProcessShared
  private let digestBox: Mutex<String>
  let applications: [PoolShared]
  let addresses: AddressBook
  /// By application, and whether the user speaks https (`LearnedAttributes.place`).
  let learned: [LearnedAttributes]
  /// Nil: one order of sites for all clients.
  let geography: Geography?
  /// Nil: no TLS and no signed cookies anywhere.
  let secrets: NodeSecrets?
  let troubles = Troubles()
  let counters: NodeCounters
  let administration: AdminMailbox
  /// One a worker.
  let usage: [WorkerUsage]
  private let phaseValue = Atomic<NodePhase>(.running)
  private let evidenceBox = Mutex<[(application: Int, evidence: Evidence)]>([])
  let controlWaker: OnceWaker
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
  /// Descriptors of each worker's reactor, as the control thread's table has them; empty where the worker shares that table.
  let reactorDescriptors: Mutex<[[Int32]]>
  /// By listener: another plan has it, too. Set before `retiring`.
  let keptListeners: Mutex<[Bool]>
  /// Another plan has taken this one's place.
  private let retiredValue = Atomic<Bool>(false)
  /// Nobody is to listen for the time being (SIGTTOU).
  private let pausedValue = Atomic<Bool>(false)
  /// How often workers were asked to tell where they stand.
  private let memoryAskedValue = Atomic<Int>(0)
  /// Where each worker stood when it was asked, or left its listeners; and how many have told since the last asking.
  let memories: Mutex<[WorkerMemory?]>
  let memoriesTold = Atomic<Int>(0)
  /// Where each worker of the plan before stood.
  let inherited = Mutex<[WorkerMemory]>([])
  /// Those that serve former plans still: what the process holds is the sum.
  let former = Mutex<[NodeShared]>([])

  /// Evidence kept at most until the prober takes it.
  private static let evidenceMax = 16_384

  /// - Parameter before: what serves the plan before: connections are counted on.
  init(
    plan: NodePlan, process: ProcessShared, workers: Int, before: NodeShared? = nil, geography: Geography? = nil,
    secrets: NodeSecrets? = nil
  ) {
    self.plan = plan
    self.process = process
    self.secrets = secrets
    self.geography = geography
    digestBox = Mutex(plan.digest)
    counters = process.counters
    administration = process.administration
    controlWaker = process.controlWaker
    connections = process.connections
    listenerConnections = ListenerCounts(
      plan.listeners.map(\.connectionsMax),
      continuing: before.map { before in
        plan.listeners.map { listener in
          before.plan.listeners.firstIndex { $0.address == listener.address }.map { (before.listenerConnections, $0) }
        }
      })
    sources = SourceTable(
      limit: plan.limits.connectionsPerSourceMax, exempt: plan.limits.sourcesExempt, continuing: before?.sources)
    reactorDescriptors = Mutex(Array(repeating: [], count: workers))
    keptListeners = Mutex(Array(repeating: false, count: plan.listeners.count))
    memories = Mutex(Array(repeating: nil, count: workers))
    strains = StrainBoard(listeners: plan.listeners.count)
    workerWakers = Mutex(Array(repeating: nil, count: workers))
    applications = plan.applications.map { application in
      let known = before.flatMap { before in
        before.plan.applications.firstIndex { $0.name == application.name }.map {
          (shared: before.applications[$0], plan: before.plan.applications[$0].pool)
        }
      }
      // A reload may always come, and then there are workers of two plans.
      return PoolShared(plan: application.pool, workers: max(2, workers), counting: known)
    }
    addresses = AddressBook(plan: plan, continuing: before)
    usage = (0..<workers).map { _ in WorkerUsage() }
    learned = plan.applications.flatMap { application in
      let known = before?.plan.applications.firstIndex {
        $0.name == application.name && $0.cookie?.name == application.cookie?.name
      }
      return [false, true].map { isSecure in
        known.flatMap { before?.learned[LearnedAttributes.place($0, isSecure: isSecure)] } ?? LearnedAttributes()
      }
    }
  }

  deinit {
    for application in applications { application.deallocate() }
  }

  var phase: NodePhase { phaseValue.load(ordering: .acquiring) }

  /// The digest of the topology files: that of the plan, or of later files with the same plan.
  var digest: String { digestBox.withLock { $0 } }

  func take(digest: String) { digestBox.withLock { $0 = digest } }

  /// Another plan has taken this one's place.
  var isRetired: Bool { retiredValue.load(ordering: .acquiring) }

  /// Another plan takes this one's place. `kept`: by listener, whether the other plan has it.
  func retire(kept: [Bool]) {
    keptListeners.withLock { $0 = kept }
    memoriesTold.store(0, ordering: .releasing)
    retiredValue.store(true, ordering: .releasing)
    advance(to: .retiring)
  }

  /// Nobody is to listen for the time being.
  var isPaused: Bool { pausedValue.load(ordering: .acquiring) }

  func pause(_ isPaused: Bool) {
    pausedValue.store(isPaused, ordering: .releasing)
    wakeWorkers()
  }

  /// How often workers were asked to tell where they stand.
  var memoryAsked: Int { memoryAskedValue.load(ordering: .acquiring) }

  func askForMemory() {
    memoriesTold.store(0, ordering: .releasing)
    memoryAskedValue.wrappingAdd(1, ordering: .acquiringAndReleasing)
    wakeWorkers()
  }

  /// Where all workers that told stand.
  var toldMemories: [WorkerMemory] { memories.withLock { $0.compactMap { $0 } } }

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
  /// What it writes to; nil: the thread does not run.
  var descriptor: Int32? { waker.withLock { $0?.descriptor } }
}

/// Counts of the whole process.
final class NodeCounters: Sendable {
  /// Requests whose replacement server could not be written to the cookie, its attributes being unknown (rule B6).
  let cookieNotWritten = Atomic<Int>(0)
  /// Cookies with a tag that no key of ours made, or with a part of one.
  let cookiesForged = Atomic<Int>(0)
  /// Cookies without a tag where one is required.
  let cookiesUnsigned = Atomic<Int>(0)
  /// Users sent to a nearer site's own address.
  let redirects = Atomic<Int>(0)
  /// Log lines given up because the log could not be written fast enough.
  let logLinesDropped = Atomic<Int>(0)
}

/// Addresses of the servers, by application and server; names are resolved by a thread of its own.
final class AddressBook: Sendable {
  private let entries: Mutex<[[[SocketAddress]]]>
  private let generationValue = Atomic<Int>(1)

  /// What needs no resolver, and what is known of names already.
  convenience init(plan: NodePlan, continuing before: NodeShared? = nil) {
    let known = before?.addresses.all() ?? []
    self.init(
      plan.applications.map { application in
        application.pool.servers.map { server in
          guard let before, case .host = server.address else { return Self.fixed(server.address) }
          for (position, planned) in before.plan.applications.enumerated() {
            guard let index = planned.pool.servers.firstIndex(where: { $0.address == server.address }) else { continue }
            return known[position][index]
          }
          return []
        }
      })
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

  /// A copy that shares no memory with the book. Shared arrays, not changed as long as somebody else holds them, would do as well; but
  /// that is told by counts of references, whose operations ThreadSanitizer does not see.
  func all() -> [[[SocketAddress]]] { entries.withLock { $0.map { $0.map { $0.map { $0 } } } } }

  /// The address that is tried first. Nil: none is known.
  func first(application: Int, server: Int) -> SocketAddress? { entries.withLock { $0[application][server].first } }

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

/// Attributes of the application's own session cookie, as its servers set it for users of http, or for those of https (rule B6): with
/// `Secure` the one kind would lose its session, without it the other one would show it to everybody.
final class LearnedAttributes: Sendable {
  /// Where those of an application stand.
  @inline(__always)
  static func place(_ application: Int, isSecure: Bool) -> Int { application * 2 + (isSecure ? 1 : 0) }

  private let text = Mutex<[UInt8]?>(nil)
  private let generationValue = Atomic<Int>(0)

  var generation: Int { generationValue.load(ordering: .acquiring) }

  /// Changes taken at most: an application whose servers do not agree is not followed for ever.
  private static let changesMax = 64
  /// Whether a change would be taken.
  var isOpen: Bool { generation < Self.changesMax }

  func set(_ bytes: [UInt8]) {
    guard isOpen else { return }
    text.withLock { $0 = bytes }
    generationValue.wrappingAdd(1, ordering: .releasing)
  }

  func get() -> [UInt8]? { text.withLock { $0 } }
}

/// Client connections of the process, never more than the limit.
final class ConnectionCount: Sendable {
  private let value = Atomic<Int>(0)
  private let limitValue = Atomic<Int>(.max)

  init(limit: Int = .max) { self.limit = limit }

  /// How many there may be: the plan's, which may change.
  var limit: Int {
    get { limitValue.load(ordering: .relaxed) }
    set { limitValue.store(newValue, ordering: .relaxed) }
  }

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

/// Client connections by listener, and their bounds; 0: none. A listener that another plan has, too, is counted on there.
final class ListenerCounts: @unchecked Sendable {
  private final class Owner {
    let count: UnsafeMutablePointer<Atomic<Int>>

    init() {
      count = .allocate(capacity: 1)
      count.initialize(to: Atomic(0))
    }

    deinit {
      count.deinitialize(count: 1)
      count.deallocate()
    }
  }

  private let owners: [Owner]
  /// Theirs, where a look costs no retain.
  private let counts: UnsafeMutablePointer<UnsafeMutablePointer<Atomic<Int>>>
  private let limits: [Int]

  /// - Parameter continuing: of each listener, where it was counted before.
  init(_ limits: [Int], continuing before: [(ListenerCounts, Int)?]? = nil) {
    self.limits = limits
    owners = limits.indices.map { listener in
      if let (counts, position) = before?[listener] { counts.owners[position] } else { Owner() }
    }
    counts = .allocate(capacity: max(1, limits.count))
    for position in limits.indices { (counts + position).initialize(to: owners[position].count) }
  }

  deinit { counts.deallocate() }

  func isFull(_ listener: Int) -> Bool {
    limits[listener] > 0 && counts[listener].pointee.load(ordering: .relaxed) >= limits[listener]
  }

  /// Counts a connection; false: the listener is at its bound, nothing was counted. Those without a bound are counted, too: another plan
  /// may set one.
  func open(_ listener: Int) -> Bool {
    let count = counts[listener].pointee.wrappingAdd(1, ordering: .relaxed).newValue
    if limits[listener] <= 0 || count <= limits[listener] { return true }
    close(listener)
    return false
  }

  func close(_ listener: Int) {
    counts[listener].pointee.wrappingSubtract(1, ordering: .relaxed)
  }
}
