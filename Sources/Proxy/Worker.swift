internal import CReactor
internal import HTTPMessage
internal import Reactor
internal import Routing
internal import Synchronization
internal import TLS
internal import Topology

/// One thread's share of a node: its connections, buffers, timers and view of the pools. Nothing of it is touched by
/// another thread; what is shared is in `NodeShared`.
///
/// Its methods are mutating also where they change nothing: a method that borrows would be handed a copy of the whole.
///
/// The extensions hold the life of a request in its order: `+Accept`, `+Request`, `+Exchange`, `+Response`, `+Answer`.
struct Worker: ~Copyable {
  /// What a token's upper byte says the completion is about.
  enum Kind: UInt64 { case listener = 1, client = 2, upstream = 3 }

  let shared: NodeShared
  /// What this worker tells of itself, in `shared`.
  let usage: Unmanaged<WorkerUsage>
  let index: Int
  let applications: UnsafeMutablePointer<CompiledApplication>
  let applicationCount: Int
  // The pointers that are `var` are never set again; but what is changed in place through a `let` does not compile under
  // ThreadSanitizer (Swift 6.3.1).
  var pools: UnsafeMutablePointer<Pool>
  var reactor: Reactor
  var wheel: TimerWheel
  var buffers = BufferPool()
  var clients: UnsafeMutablePointer<Client>
  var flights: FlightSlab
  var upstreams: UnsafeMutablePointer<Upstream>
  /// Slots of each slab.
  let slots: Int
  var freeClient: Int32 = -1
  var freeUpstream: Int32 = -1
  /// Slots that were ever used: memory beyond them is not touched.
  var usedClients = 0
  var usedUpstreams = 0
  var clientCount = 0
  var crowd = CrowdMemory()
  var upstreamCount = 0
  /// First idle connection of each server, numbered over all applications; -1: none.
  let idleHeads: UnsafeMutablePointer<Int32>
  var idleCounts: UnsafeMutablePointer<Int32>
  /// Clients waiting: one list a server for its trials, then one an application for the budget, then one an application for slots.
  var waiting: UnsafeMutablePointer<WaitingList>
  let serverTotal: Int
  var waitingTotal = 0
  /// Of them, those that wait for a slot.
  var queuedTotal = 0
  /// When those in queues were last asked whether they still wait for the right servers.
  var queuesLookedAt: Int64 = 0
  /// How often they are: in nanoseconds. What is granted to them needs no look.
  static let queueLookInterval: Int64 = 25_000_000
  /// Addresses of each server, the one to try first in front; several only of host names.
  let addresses: UnsafeMutablePointer<[SocketAddress]>
  var addressGeneration = 0

  var fields: FieldTable
  var editor: HeadEditor
  let scratch: UnsafeMutableRawPointer
  static let scratchBytes = 96 * 1024
  /// Where bytes on their way to a client are received: only what it does not take at once needs memory of its own.
  let relay: UnsafeMutableRawPointer
  /// No more than a buffer can keep.
  static let relayBytes = Buffer.Size.large.capacity
  var log: LogBuffer
  var now: Int64
  var realtimeOffset: Int64
  var clock = LogClock()
  let limits: HeadLimits
  let bodyBytesMax: UInt64
  /// Patience that a byte of a request's body and one of an answer gives back, in nanoseconds (`Worker+Pace`).
  let uploadPatience: Int64
  let downloadPatience: Int64
  let viaName: ByteView
  /// What ends the head of a request received as HTTP/1.1, or as HTTP/1.0: the Via field and the empty line.
  let lastLine11: ByteView
  let lastLine10: ByteView
  let nodeName: ByteView
  let roleIsOffice: Bool
  let isOutermost: UnsafeMutablePointer<Bool>
  /// Of each listener: the networks whose connections begin with a PROXY protocol header.
  let proxyNetworks: UnsafeMutablePointer<[Network]>
  /// Some servers are told of a client's TLS.
  let tellsOfTLS: Bool
  var listenerTraits: UnsafeMutablePointer<ListenerTraits>
  /// The node's, which outlives its workers. Nil: no TLS and no signed cookies anywhere.
  let secrets: Unmanaged<NodeSecrets>?
  var cookieSigner: CookieSigner
  var trust: TrustWatch
  /// Of each listener: the networks of whoever only looks whether the node is there.
  let monitorNetworks: UnsafeMutablePointer<[Network]>
  let reuseWindow: Int64
  /// The node passes connections on; of each listener, its port (0: it has none).
  let isRelay: Bool
  let relayPorts: [UInt16]
  /// The pools of a relay by what clients ask for.
  let serverNames: ServerNames

  /// -1: left, to who serves another plan.
  var listeners: [Int32]
  /// The thread has its own descriptor table, and so its own copies of the listeners to close.
  var ownsDescriptors = false
  /// By listener; `.none` while nothing is accepted there.
  var listenerSockets: [Reactor.Socket] = []
  var acceptPausedUntil: Int64 = 0
  /// By listener: a connection that was taken when there was no place left, to be served with the next one, or given up in time.
  var parked: [Parked?] = []
  var phase: NodePhase = .running
  /// Nobody listens for the time being.
  var isPaused = false
  /// As of which asking others were told where the pools stand.
  var memoryTold = 0
  /// While stopping: a connection is idle, and will be closed.
  var awaitsIdle = false
  /// Clients to go on with at the end of the round, each once: those of this round, and behind them those of the next.
  let ready: UnsafeMutablePointer<Int32>
  var readyCount = 0
  let clientsMax: Int
  var learnedCopies: [LearnedCopy]
  /// Where clients' orders come from: the node's, which outlives its workers; asked once a round, so without a retain. Nil: nowhere.
  let geography: Unmanaged<Geography>?
  /// Orders of sites by clients' addresses, and as of which generation. Nil and 0: one order for all.
  var clientOrders: ClientOrders?
  var orderGeneration = 0
  /// Orders of sites are for redirects alone.
  let redirectsPublic: Bool

  struct Parked {
    var descriptor: Int32
    var peer: SocketAddress
    /// When it is given up.
    var deadline: Int64
  }

  struct WaitingList {
    var head: Int32 = -1
    var tail: Int32 = -1
    var count: Int32 = 0
  }

  init(
    shared: NodeShared, index: Int, workers: Int, applications compiled: UnsafeMutablePointer<CompiledApplication>,
    listeners: [Int32], log: AccessLog?, slots: Int
  ) throws(SystemError) {
    var reactor = try Reactor(capacity: slots * 2 + listeners.count + 4)
    reactor.leave(from: shared.plan.sources.flatMap(AddressBook.fixed))
    self.shared = shared
    usage = .passUnretained(shared.usage[index])
    self.index = index
    let plan = shared.plan
    applications = compiled
    applicationCount = plan.applications.count
    pools = .allocate(capacity: applicationCount)
    for (position, application) in plan.applications.enumerated() {
      (pools + position).initialize(
        to: Pool(
          application: application, shared: shared.applications[position], timeScale: plan.timeScale, workers: workers,
          worker: index, seed: UInt64(truncatingIfNeeded: cr_realtime()) &+ UInt64(index) &* 0x9E37_79B9_7F4A_7C15,
          now: cr_monotonic()))
      pools[position].realtimeOffset = cr_realtime() - cr_monotonic()
    }
    now = cr_monotonic()
    realtimeOffset = cr_realtime() - now
    wheel = TimerWheel(capacity: slots * 2, now: now)
    self.reactor = reactor
    self.slots = slots
    clients = .allocate(capacity: slots)
    flights = FlightSlab(capacity: slots)
    upstreams = .allocate(capacity: slots)
    serverTotal = plan.applications.reduce(0) { $0 + $1.pool.servers.count }
    idleHeads = .allocate(capacity: max(1, serverTotal))
    idleHeads.initialize(repeating: -1, count: max(1, serverTotal))
    idleCounts = .allocate(capacity: max(1, serverTotal))
    idleCounts.initialize(repeating: 0, count: max(1, serverTotal))
    let lists = serverTotal + applicationCount * 2
    waiting = .allocate(capacity: max(1, lists))
    waiting.initialize(repeating: WaitingList(), count: max(1, lists))
    addresses = .allocate(capacity: max(1, serverTotal))
    addresses.initialize(repeating: [], count: max(1, serverTotal))
    fields = FieldTable(capacity: max(1, plan.limits.fieldsMax))
    editor = HeadEditor(capacity: max(1, plan.limits.fieldsMax) * 2 + 16)
    scratch = .allocate(byteCount: Self.scratchBytes, alignment: 64)
    relay = .allocate(byteCount: Self.relayBytes, alignment: 64)
    self.log = LogBuffer(log: log)
    limits = HeadLimits(
      headBytesMax: min(plan.limits.headBytesMax, BufferPool.small - 1_024), targetBytesMax: plan.limits.targetBytesMax,
      fieldsMax: plan.limits.fieldsMax)
    bodyBytesMax = plan.limits.bodyBytesMax > 0 ? UInt64(plan.limits.bodyBytesMax) : .max
    uploadPatience = Self.patiencePerByte(bytesPerSecondMin: plan.limits.uploadBytesPerSecondMin)
    downloadPatience = Self.patiencePerByte(bytesPerSecondMin: plan.limits.downloadBytesPerSecondMin)
    viaName = immortal(plan.name)
    lastLine11 = immortal("Via: 1.1 \(plan.name)\r\n\r\n")
    lastLine10 = immortal("Via: 1.0 \(plan.name)\r\n\r\n")
    nodeName = immortal(plan.name)
    roleIsOffice = plan.role == .officeProxy
    geography = shared.geography.map(Unmanaged.passUnretained)
    redirectsPublic = plan.geo?.use == .redirects
    isOutermost = .allocate(capacity: max(1, plan.listeners.count))
    proxyNetworks = .allocate(capacity: max(1, plan.listeners.count))
    listenerTraits = .allocate(capacity: max(1, plan.listeners.count))
    tellsOfTLS = plan.applications.contains { $0.pool.servers.contains { $0.proxyProtocol == .version2 } }
    secrets = shared.secrets.map(Unmanaged.passUnretained)
    cookieSigner = CookieSigner(applications: plan.applications.count)
    trust = TrustWatch(shared.secrets)
    monitorNetworks = .allocate(capacity: max(1, plan.listeners.count))
    for (position, listener) in plan.listeners.enumerated() {
      (proxyNetworks + position).initialize(to: listener.proxyProtocol)
      (listenerTraits + position).initialize(to: ListenerTraits(listener))
      (monitorNetworks + position).initialize(to: listener.monitorNetworks)
      isOutermost[position] = listener.isPublic || plan.role == .officeProxy
    }
    reuseWindow = Int64(plan.timeScale * 1_000_000_000)
    isRelay = plan.role == .relay
    relayPorts = plan.listeners.map { $0.address.port ?? 0 }
    serverNames = ServerNames(plan.role == .relay ? plan.applications : [])
    self.listeners = listeners
    ready = .allocate(capacity: slots * 2)
    clientsMax = slots - 8
    learnedCopies = shared.learned.map { LearnedCopy(source: .passUnretained($0)) }
  }

  deinit {
    pools.deinitialize(count: applicationCount)
    pools.deallocate()
    clients.deallocate()
    upstreams.deallocate()
    idleHeads.deallocate()
    idleCounts.deallocate()
    waiting.deallocate()
    addresses.deinitialize(count: max(1, serverTotal))
    addresses.deallocate()
    scratch.deallocate()
    relay.deallocate()
    isOutermost.deallocate()
    proxyNetworks.deinitialize(count: shared.plan.listeners.count)
    proxyNetworks.deallocate()
    listenerTraits.deallocate()
    monitorNetworks.deinitialize(count: shared.plan.listeners.count)
    monitorNetworks.deallocate()
    ready.deallocate()
  }

  @inline(__always)
  static func token(_ kind: Kind, _ index: Int32) -> UInt64 { kind.rawValue << 56 | UInt64(UInt32(bitPattern: index)) }

  @inline(__always)
  func slot(of server: Int32, in application: Int32) -> Int {
    applications[Int(application)].firstServer + Int(server)
  }

  // MARK: The loop

  /// Serves until the node stops, or another plan takes the place of this one.
  mutating func run() {
    goOnFromInherited()
    startListening()
    refreshAddresses()
    refreshGeography()
    refreshCookieKeys()
    // A stop may have begun before this worker could be woken.
    wokenUp()
    while true {
      if phase != .running && finishPhase() { break }
      var timeout = readyCount > 0 ? 0 : wheel.waitMilliseconds(now: now)
      if log.count > 0 || waitingTotal > 0 { timeout = min(timeout, 25) }
      if phase == .draining || awaitsIdle || acceptPausedUntil > 0 { timeout = min(timeout, 20) }
      reactor.wait(milliseconds: timeout)
      now = cr_monotonic()
      for application in 0..<applicationCount { pools[application].refreshIfNeeded(now: now) }
      if shared.addresses.generation != addressGeneration { refreshAddresses() }
      if orderGeneration > 0 { refreshGeography() }
      if cookieSigner.generation > 0 { refreshCookieKeys() }
      refreshTrust()
      while let completion = reactor.next() {
        handle(completion)
        handOverFreed()
      }
      while let key = wheel.nextExpired(now: now) {
        expired(key)
        handOverFreed()
      }
      goOn()
      if acceptPausedUntil > 0 { resumeAcceptingIfDue() }
      publishUsage()
      log.flushIfDue(now: now)
      let dropped = log.takeDropped()
      if dropped > 0 { shared.counters.logLinesDropped.wrappingAdd(dropped, ordering: .relaxed) }
    }
    log.flush(now: now)
  }

  @inline(__always)
  private mutating func handle(_ completion: Reactor.Completion) {
    let index = Int32(bitPattern: UInt32(truncatingIfNeeded: completion.token))
    switch completion.operation {
    case .input:
      if completion.token >> 56 == Kind.upstream.rawValue {
        upstreamInput(index)
      } else {
        clientInput(index)
      }
    case .receive: clientReceived(index, completion.result)
    case .send:
      if completion.token >> 56 == Kind.upstream.rawValue {
        upstreamSent(index, completion.result)
      } else {
        clientSent(index, completion.result)
      }
    case .connect:
      if completion.token >> 56 == Kind.upstream.rawValue {
        upstreamConnected(index, completion.result)
      } else {
        relayEstablished(index, completion.result)
      }
    case .accept: accepted(completion.result, listener: Int(index))
    case .hangup:
      if completion.token >> 56 == Kind.upstream.rawValue {
        upstreamHungUp(index)
      } else {
        clientHungUp(index)
      }
    case .wake: wokenUp()
    case .readable: break
    }
  }

  private mutating func wokenUp() {
    realtimeOffset = cr_realtime() - now
    for application in 0..<applicationCount { pools[application].realtimeOffset = realtimeOffset }
    let next = shared.phase
    if next != phase {
      phase = next
      phaseChanged()
    }
    if shared.isPaused != isPaused { pauseChanged() }
    if shared.memoryAsked != memoryTold { tellMemory() }
    if waitingTotal > 0 { takeUpGranted() }
  }

  /// What is due once a round, when all completions are handled: pipelined requests, evidence, waiting requests.
  private mutating func goOn() {
    // Only those there now: a client that has more to do is taken up in the next round, after the others.
    let count = readyCount
    if count > 0 {
      for position in 0..<count {
        resume(ready[position])
        handOverFreed()
      }
      readyCount -= count
      for position in 0..<readyCount { ready[position] = ready[position + count] }
    }
    for application in 0..<applicationCount {
      if pools[application].hasEvidence {
        shared.post(pools[application].takeEvidence(), application: application)
      }
      if pools[application].hasFreed { wakeWaiting(application) }
    }
    if waitingTotal > 0 {
      let isDue = now - queuesLookedAt >= Self.queueLookInterval
      if isDue { queuesLookedAt = now }
      retryWaiting(looksAtQueues: isDue)
      // Who was given up just now may have left a slot to another worker's request.
      for application in 0..<applicationCount where pools[application].hasFreed { wakeWaiting(application) }
    }
  }

  /// A slot given back goes to who waits for it before the next connection is looked at: a request that comes in the same
  /// round, the next one of the same client above all, would overtake the queue for as long as there is one.
  @inline(__always)
  private mutating func handOverFreed() {
    if waitingTotal == 0 { return }
    var isFreed = false
    for application in 0..<applicationCount where pools[application].hasFreed {
      wakeWaiting(application)
      isFreed = true
    }
    if isFreed { takeUpGranted() }
  }

  /// Tells the other workers of slots that were granted to their requests.
  private mutating func wakeWaiting(_ application: Int) {
    let marks = pools[application].takeFreed()
    guard marks != 0 else { return }
    shared.workerWakers.withLock { wakers in
      for worker in wakers.indices where marks & (1 << UInt64(worker)) != 0 && worker != index {
        wakers[worker]?.wake()
      }
    }
  }

  mutating func schedule(_ client: Int32) {
    guard !clients[Int(client)].flags.contains(.scheduled) else { return }
    precondition(readyCount < slots * 2, "a client stands in the list once")
    clients[Int(client)].flags.insert(.scheduled)
    ready[readyCount] = client
    readyCount += 1
  }

  private mutating func resume(_ client: Int32) {
    let pointer = clients + Int(client)
    guard pointer.pointee.flags.contains(.scheduled) else { return }
    pointer.pointee.flags.remove(.scheduled)
    switch pointer.pointee.state {
    case .head: parse(client)
    case .idle: clientInput(client)
    case .exchange, .tunnel:
      let requestGoesOn = pointer.pointee.flags.contains(.requestGoesOn)
      pointer.pointee.flags.remove(.requestGoesOn)
      pumpResponse(client)
      if requestGoesOn { pumpRequest(client) }
    case .relay: pumpRelay(client)
    case .lingering: drain(client)
    case .free, .answering, .parting: break
    }
  }

  mutating func refreshAddresses() {
    addressGeneration = shared.addresses.generation
    let all = shared.addresses.all()
    for (application, servers) in all.enumerated() {
      for (server, found) in servers.enumerated() {
        addresses[applications[application].firstServer + server] = found
      }
    }
  }

  // MARK: Timers

  /// Sets what the client's deadline stands for; the wheel is touched only when the new one is nearer than what is armed.
  @inline(__always)
  mutating func setDeadline(_ client: Int32, _ kind: Deadline, _ delay: Int64) {
    let pointer = clients + Int(client)
    pointer.pointee.deadlineKind = kind
    pointer.pointee.deadline = now + delay
    wheel.armNoLater(Int(client) << 1, at: pointer.pointee.deadline)
  }

  private mutating func expired(_ key: Int) {
    if key & 1 == 1 {
      upstreamExpired(Int32(key >> 1))
      return
    }
    let client = Int32(key >> 1)
    let pointer = clients + (key >> 1)
    guard pointer.pointee.state != .free, pointer.pointee.deadlineKind != .none else { return }
    if pointer.pointee.deadline > now {
      wheel.arm(key, at: pointer.pointee.deadline)
      return
    }
    clientExpired(client)
  }
}
