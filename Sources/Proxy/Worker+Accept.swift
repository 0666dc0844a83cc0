internal import CReactor
internal import Glibc
internal import HTTPMessage
internal import Reactor
internal import Routing
internal import Synchronization
internal import TLS
internal import Topology

/// Connections of clients: taken, refused, closed; and what a stop does to them.
extension Worker {
  mutating func startListening() {
    resumeAccepting()
  }

  private mutating func resumeAccepting() {
    acceptPausedUntil = 0
    guard phase != .stopping || shared.isRetired else { return }
    if listenerSockets.isEmpty { listenerSockets = Array(repeating: .none, count: listeners.count) }
    serveParked()
    if phase == .stopping || isPaused {
      // Only those that wait for a place are served still.
      if parked.contains(where: { $0 != nil }) { acceptPausedUntil = now + Self.fullPause }
      return
    }
    // One taken now would find no place: it waits in the kernel's queue, where it loses nothing.
    if isFull { return pauseAccepting(Self.fullPause) }
    for (position, descriptor) in listeners.enumerated() where descriptor >= 0 && listenerSockets[position] == .none {
      if shared.listenerConnections.isFull(position) || isParked(position) {
        acceptPausedUntil = now + Self.fullPause
      } else if let socket = reactor.accept(from: descriptor, token: Self.token(.listener, Int32(position))) {
        listenerSockets[position] = socket
      } else {
        acceptPausedUntil = now + Self.shortagePause
      }
    }
  }

  /// Leaves connections in the kernel's queue, where another worker or a later moment finds them.
  private mutating func pauseAccepting(_ delay: Int64) {
    for position in listenerSockets.indices { stopAccepting(position) }
    acceptPausedUntil = now + delay
  }

  private mutating func stopAccepting(_ listener: Int) {
    guard listener < listenerSockets.count else { return }
    reactor.close(listenerSockets[listener])
    listenerSockets[listener] = .none
  }

  /// Neither the worker's slabs nor the node's bound have room for one more connection.
  private var isFull: Bool {
    mutating get {
      clientCount >= clientsMax || shared.connections.isFull
    }
  }

  /// A worker's slabs are as large as the descriptor limit allows: full below the node's bound, that limit is too low.
  private mutating func noteFull() {
    shared.note(shared.connections.isFull ? .connections : .acceptShortage)
  }

  /// One listener alone leaves its connections in the kernel's queue.
  private mutating func pauseListener(_ listener: Int) {
    shared.note(.listener(listener))
    stopAccepting(listener)
    acceptPausedUntil = now + Self.fullPause
  }

  /// At a limit of our own, in nanoseconds.
  private static let fullPause: Int64 = 20_000_000
  /// Without descriptors or memory, in nanoseconds.
  private static let shortagePause: Int64 = 100_000_000

  /// An accept failed. Where the connection is to blame, the next one may do; where we are, or nothing is known, waiting
  /// keeps the loop from spinning.
  private mutating func acceptFailed(_ code: Int32) {
    switch code {
    case EINTR: break
    case ECONNABORTED, EPERM, EPROTO, ENOPROTOOPT, ENETDOWN, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH:
      shared.note(.acceptError)
    case EMFILE, ENFILE, ENOBUFS, ENOMEM:
      shared.note(.acceptShortage)
      pauseAccepting(Self.shortagePause)
    default:
      shared.note(.acceptError)
      pauseAccepting(Self.shortagePause)
    }
  }

  mutating func accepted(_ result: Int, listener: Int) {
    guard result >= 0 else { return acceptFailed(Int32(-result)) }
    let descriptor = Int32(result)
    guard clientCount < clientsMax, shared.connections.open() else {
      // Another worker has taken the last place since this one looked.
      park(descriptor, listener)
      noteFull()
      return pauseAccepting(Self.fullPause)
    }
    guard shared.listenerConnections.open(listener) else {
      shared.connections.close()
      park(descriptor, listener)
      return pauseListener(listener)
    }
    let peer = reactor.acceptedPeer.parts
    if let sources = shared.sources, !sources.open(peer.high, peer.low) {
      shared.note(.source)
      shared.listenerConnections.close(listener)
      shared.connections.close()
      _ = cr_close(descriptor)
      return
    }
    let isNew = freeClient < 0
    let client = isNew ? Int32(usedClients) : freeClient
    guard let socket = reactor.adopt(descriptor, token: Self.token(.client, client)) else {
      _ = cr_close(descriptor)
      shared.listenerConnections.close(listener)
      shared.connections.close()
      shared.sources?.close(peer.high, peer.low)
      shared.note(.acceptShortage)
      return
    }
    let pointer = clients + Int(client)
    var flags: Client.Flags = []
    if isNew {
      usedClients += 1
    } else {
      freeClient = pointer.pointee.nextFree
      // The slot may stand in the list of those to go on with since its last connection: there it stands only once.
      flags = pointer.pointee.flags.intersection(.scheduled)
    }
    pointer.initialize(to: Client(blank: flights.blank))
    pointer.pointee.flags = flags
    pointer.pointee.socket = socket
    pointer.pointee.state = .idle
    pointer.pointee.listener = UInt16(truncatingIfNeeded: listener)
    pointer.pointee.started = now
    pointer.pointee.peerHigh = peer.high
    pointer.pointee.peerLow = peer.low
    pointer.pointee.peerPort = peer.port
    pointer.pointee.fromHigh = peer.high
    pointer.pointee.fromLow = peer.low
    let isMonitor = onlyLooks(listener, peer.high, peer.low)
    if isMonitor { pointer.pointee.flags.insert(.isMonitor) }
    if !isMonitor && expectsProxyHeader(listener, peer.high, peer.low) {
      pointer.pointee.flags.insert(.awaitsProxyHeader)
    }
    clientCount += 1
    setDeadline(client, .request, applications[0].timeouts.request)
    // A PROXY header comes before TLS.
    if listenerTraits[listener].isSecure, !pointer.pointee.flags.contains(.awaitsProxyHeader),
      !secure(client, early: ByteView(""))
    {
      return
    }
    // At the limit the next ones wait in the kernel's queue, where they cost nothing and lose nothing.
    if isFull {
      noteFull()
      pauseAccepting(Self.fullPause)
    } else if shared.listenerConnections.isFull(listener) {
      pauseListener(listener)
    }
    if isRelay && isMonitor { return closeClient(client) }
    if isRelay && !pointer.pointee.flags.contains(.awaitsProxyHeader) { return openRelay(client) }
    clientInput(client)
  }

  // MARK: Connections without a place

  /// Keeps a connection that was taken for the last place and found it gone: closed, its client would see an error.
  private mutating func park(_ descriptor: Int32, _ listener: Int) {
    if parked.isEmpty { parked = Array(repeating: nil, count: listeners.count) }
    // Its listener takes no others until this one is served, so there is never a second; and a stop waits for nobody.
    guard phase != .stopping || shared.isRetired, parked[listener] == nil else {
      _ = cr_close(descriptor)
      return
    }
    // Its head is late by then, whoever is to blame: the client learns that it is not served, and the descriptor is free.
    let deadline = now + applications[0].timeouts.request
    parked[listener] = Parked(descriptor: descriptor, peer: reactor.acceptedPeer, deadline: deadline)
  }

  private func isParked(_ listener: Int) -> Bool { !parked.isEmpty && parked[listener] != nil }

  /// They come before all that wait in the kernel's queues.
  private mutating func serveParked() {
    for listener in parked.indices {
      guard let connection = parked[listener] else { continue }
      if connection.deadline <= now {
        parked[listener] = nil
        _ = cr_close(connection.descriptor)
        continue
      }
      if isFull || shared.listenerConnections.isFull(listener) { continue }
      parked[listener] = nil
      reactor.acceptedPeer = connection.peer
      accepted(Int(connection.descriptor), listener: listener)
      // Another worker was quicker once more: the time goes on.
      parked[listener]?.deadline = connection.deadline
    }
  }

  /// At a stop: served if there is a place, else closed as the others that find none.
  private mutating func endParked() {
    for listener in parked.indices {
      guard let connection = parked[listener] else { continue }
      parked[listener] = nil
      reactor.acceptedPeer = connection.peer
      accepted(Int(connection.descriptor), listener: listener)
    }
  }

  /// Frees the connection and all it holds.
  mutating func closeClient(_ client: Int32, reset: Bool = false) {
    let pointer = clients + Int(client)
    guard pointer.pointee.state != .free else { return }
    stopWaiting(client)
    if pointer.pointee.exchange.isActive {
      pointer.pointee.exchange.finish(pool: &pools[Int(pointer.pointee.application)])
    }
    if pointer.pointee.upstream >= 0 { closeUpstream(pointer.pointee.upstream) }
    reactor.close(pointer.pointee.socket, reset: reset)
    buffers.giveBack(&pointer.pointee.input)
    buffers.giveBack(&pointer.pointee.request)
    buffers.giveBack(&pointer.pointee.stash)
    pointer.pointee.toldTLS.forget()
    endFlight(client)
    pointer.pointee.state = .free
    pointer.pointee.deadlineKind = .none
    pointer.pointee.flags = pointer.pointee.flags.intersection(.scheduled)
    pointer.pointee.nextFree = freeClient
    freeClient = client
    wheel.cancel(Int(client) << 1)
    clientCount -= 1
    shared.listenerConnections.close(Int(pointer.pointee.listener))
    shared.sources?.close(pointer.pointee.peerHigh, pointer.pointee.peerLow)
    shared.connections.close()
    if secrets != nil, crowd.hasLeft(clientCount) { CrowdMemory.giveBack() }
  }

  /// Gives the connection a record for the request that begins.
  @inline(__always)
  mutating func beginFlight(_ client: Int32) {
    guard clients[Int(client)].flight == flights.blank else { return }
    clients[Int(client)].flight = flights.take()
  }

  /// The connection has no request any more, nor buffers of one.
  @inline(__always)
  mutating func endFlight(_ client: Int32) {
    flights.giveBack(clients[Int(client)].flight)
    clients[Int(client)].flight = flights.blank
  }

  // MARK: Stopping

  mutating func phaseChanged() {
    switch phase {
    case .running, .draining: break
    case .retiring:
      leaveKept()
      tellMemory()
    case .stopping: leaveAll()
    }
  }

  /// Another plan goes on with some of the listeners: what is in their queues is for that.
  private mutating func leaveKept() {
    let kept = shared.keptListeners.withLock { $0 }
    for (position, isKept) in kept.enumerated() where isKept && listeners[position] >= 0 {
      stopAccepting(position)
      if ownsDescriptors { _ = cr_close(listeners[position]) }
      listeners[position] = -1
    }
  }

  private mutating func leaveAll() {
    if shared.isRetired { leaveKept() } else { endParked() }
    drainQueues()
    for socket in listenerSockets { reactor.close(socket) }
    listenerSockets = []
    if ownsDescriptors { for descriptor in listeners where descriptor >= 0 { _ = cr_close(descriptor) } }
    listeners = listeners.map { _ in -1 }
    if shared.isRetired { resumeAccepting() }
    if !isPaused { shared.listening.wrappingSubtract(1, ordering: .acquiringAndReleasing) }
    shared.controlWaker.wake()
  }

  /// What is in the queues of the listeners is accepted still: the kernel drops later arrivals, so nobody is reset.
  private mutating func drainQueues() {
    for position in listeners.indices where listeners[position] >= 0 {
      var peer = cr_address()
      while true {
        let descriptor = cr_accept(listeners[position], &peer)
        guard descriptor >= 0 else { break }
        adoptLate(descriptor, peer, listener: position)
      }
    }
  }

  /// Nobody is to listen for the time being, or all are to listen again.
  mutating func pauseChanged() {
    guard phase != .stopping else { return }
    isPaused = shared.isPaused
    if isPaused {
      drainQueues()
      for position in listenerSockets.indices { stopAccepting(position) }
      shared.listening.wrappingSubtract(1, ordering: .acquiringAndReleasing)
      shared.controlWaker.wake()
    } else {
      shared.listening.wrappingAdd(1, ordering: .acquiringAndReleasing)
      resumeAccepting()
    }
  }

  // MARK: Another plan

  /// Tells where the pools stand, for who goes on in this worker's place.
  mutating func tellMemory() {
    memoryTold = shared.memoryAsked
    let plan = shared.plan
    var memory = WorkerMemory()
    for application in 0..<applicationCount {
      memory[plan.applications[application].name] = pools[application].memory(plan: plan.applications[application].pool)
    }
    let told = memory
    let index = self.index
    shared.memories.withLock { $0[index] = told }
    shared.memoriesTold.wrappingAdd(1, ordering: .acquiringAndReleasing)
    shared.controlWaker.wake()
  }

  /// Goes on where a worker of the plan before stood.
  mutating func goOnFromInherited() {
    memoryTold = shared.memoryAsked
    let plan = shared.plan
    let memories = shared.inherited.withLock { $0 }
    guard !memories.isEmpty else { return }
    let memory = memories[index % memories.count]
    for application in 0..<applicationCount {
      pools[application].refreshIfNeeded(now: now)
      guard let known = memory[plan.applications[application].name] else { continue }
      pools[application].goOn(from: known, plan: plan.applications[application].pool)
    }
  }

  private mutating func adoptLate(_ descriptor: Int32, _ peer: cr_address, listener: Int) {
    reactor.acceptedPeer = SocketAddress(raw: peer)
    accepted(Int(descriptor), listener: listener)
  }

  /// During a stop: closes what is idle. A connection used a moment ago is left open for as long as our own nodes may
  /// send a request over it that they could not repeat. Returns true when the worker has nothing left to do.
  mutating func finishPhase() -> Bool {
    let idleFor = reuseWindow + reuseWindow / 2
    awaitsIdle = false
    if phase == .stopping {
      let isRetired = shared.isRetired
      for slot in 0..<usedClients where clients[slot].state == .idle {
        // The node goes on: who has just come, and asked for nothing yet, may take its usual time.
        if isRetired && !clients[slot].flags.contains(.reused) { continue }
        if now - clients[slot].started > idleFor { endIdle(Int32(slot)) } else { awaitsIdle = true }
      }
      return clientCount == 0 && !parked.contains { $0 != nil }
    }
    if phase == .retiring { return false }
    for slot in 0..<usedClients where clients[slot].state == .idle && clients[slot].flags.contains(.reused) {
      if now - clients[slot].started > idleFor { endIdle(Int32(slot)) }
    }
    if acceptPausedUntil > 0 && now >= acceptPausedUntil { resumeAccepting() }
    return false
  }

  mutating func resumeAcceptingIfDue() {
    if acceptPausedUntil > 0 && now >= acceptPausedUntil { resumeAccepting() }
  }

  /// Both directions are gone while nothing was being received or sent.
  mutating func clientHungUp(_ client: Int32) {
    let pointer = clients + Int(client)
    switch pointer.pointee.state {
    case .free: break
    case .relay: relayHungUp(client)
    // Where the server is the one that is left, the client is what was cut off.
    case .parting: if pointer.pointee.upstream < 0 { endParting(client) }
    case .exchange where !pointer.pointee.flags.contains(.logged):
      pointer.pointee.termination = Self.termination("C", pointer.pointee.exchange.state)
      logRequest(client)
      closeClient(client)
    case .tunnel:
      logRequest(client)
      closeClient(client)
    case .idle where isSecure(client): secureClientLost(client)
    case .idle, .head, .exchange, .answering, .lingering: closeClient(client)
    }
  }

  /// A slow upload is no silence: the server's time runs from the last byte of the request that it acknowledged. What is left
  /// of it; nil: the time is up.
  private mutating func serverTimeLeft(_ client: Int32, _ timeout: Int64) -> Int64? {
    let pointer = clients + Int(client)
    guard pointer.pointee.upstream >= 0, pointer.pointee.exchange.state == .awaitingResponse,
      pointer.pointee.requestBody.total > 0
    else { return nil }
    let socket = upstreams[Int(pointer.pointee.upstream)].socket
    let left = reactor.unacknowledgedBytes(socket)
    defer { pointer.pointee.unacknowledged = left }
    if left > 0 { return left == pointer.pointee.unacknowledged ? nil : timeout }
    // All of it is with the server's kernel. Whether the application reads it there is not to be seen from here.
    guard let since = reactor.millisecondsSinceDataSent(socket) else { return nil }
    let remaining = timeout - Int64(since) * 1_000_000
    return remaining > 0 ? remaining : nil
  }

  mutating func clientExpired(_ client: Int32) {
    let pointer = clients + Int(client)
    let application = Int(pointer.pointee.application)
    switch pointer.pointee.deadlineKind {
    case .none: break
    case .keepAlive: endIdle(client)
    case .request where pointer.pointee.flags.contains(.awaitsProxyHeader) && pointer.pointee.input.count > 0:
      refuseProxyHeader(client)
    case .request where isRelay && !isSecure(client) && !pointer.pointee.flags.contains(.awaitsProxyHeader):
      helloIsLate(client)
    case .request:
      // A connection on which no request was begun is closed without a word, as RFC 9112 section 9.5 allows.
      if pointer.pointee.input.count == 0 {
        if isSecure(client) { noteUnfinishedHandshake(client) }
        closeClient(client)
      } else {
        answerError(client, status: 408, termination: "cR")
      }
    case .body: refuseBody(client, status: 408)
    case .queue:
      let action = pointer.pointee.exchange.waitedTooLong(pool: &pools[application], now: now)
      stopWaiting(client)
      perform(action, client)
    case .connect: connectFailed(client)
    case .server where pointer.pointee.exchange.state == .connecting: connectFailed(client)
    case .server:
      if let left = serverTimeLeft(client, applications[application].timeouts.server) {
        return setDeadline(client, .server, left)
      }
      if pointer.pointee.flags.contains(.responseBegun) {
        abort(client, termination: "sD")
      } else {
        if pointer.pointee.upstream >= 0 { closeUpstream(pointer.pointee.upstream) }
        pointer.pointee.upstream = -1
        perform(pointer.pointee.exchange.responseTimedOut(pool: &pools[application]), client)
      }
    case .client: if !isTaking(client) { abort(client, termination: "cD") }
    case .tunnel where pointer.pointee.state == .relay: relayIdle(client)
    case .tunnel: abort(client, termination: "--")
    case .parting: lookAtParting(client)
    case .linger: lookAtLingering(client)
    }
  }
}
