internal import Glibc
internal import HTTPMessage
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// What the exchange decides, carried out: connections to servers, and the lists of those who wait.
extension Worker {
  /// Does what the exchange says, and what follows from it.
  mutating func perform(_ action: Exchange.Action, _ client: Int32) {
    let pointer = clients + Int(client)
    switch action {
    case .connect(let server, let policy):
      if pointer.pointee.chosen == 0 { pointer.pointee.chosen = now }
      connect(client, server, policy)
    case .queue:
      wait(client, in: queueList(Int(pointer.pointee.application)))
    case .awaitTrial(let server):
      wait(client, in: slot(of: server, in: pointer.pointee.application))
    case .awaitBudget:
      wait(client, in: serverTotal + Int(pointer.pointee.application))
    case .answer(let failure):
      answerFailure(client, failure)
    case .relay, .nothing:
      break
    }
  }

  // MARK: Connections to servers

  private mutating func connect(_ client: Int32, _ server: Int32, _ policy: Exchange.PooledConnections) {
    let pointer = clients + Int(client)
    let application = pointer.pointee.application
    if policy != .none, let upstream = takeIdle(slot(of: server, in: application), policy) {
      upstreams[Int(upstream)].client = client
      upstreams[Int(upstream)].state = .busy
      pointer.pointee.upstream = upstream
      pointer.pointee.exchange.connected(isNew: false, pool: &pools[Int(application)])
      begin(client, upstream)
      return
    }
    open(client, server, tries: 1, since: now, after: nil)
  }

  /// Opens a connection to the server, at the address behind the one that just failed. `tries`: so many addresses of it, this
  /// one included, were tried since `since`. `hasMadeRoom`: an idle connection was closed for this one.
  private mutating func open(
    _ client: Int32, _ server: Int32, tries: Int, since: Int64, after failed: Upstream.Place?, hasMadeRoom: Bool = false
  ) {
    let pointer = clients + Int(client)
    let application = pointer.pointee.application
    let list = slot(of: server, in: application)
    guard let address = address(list, after: failed) else {
      // The name does not resolve: as good as refused.
      perform(pointer.pointee.exchange.connectFailed(ownFault: false, pool: &pools[Int(application)], now: now), client)
      return
    }
    guard freeUpstream >= 0 || usedUpstreams < slots || evictIdle() else {
      shared.note(.connectDescriptors)
      return connectShort(client)
    }
    let isNew = freeUpstream < 0
    let upstream = isNew ? Int32(usedUpstreams) : freeUpstream
    let target = isRelay ? relayTarget(address, client) : address
    let timeouts = applications[Int(application)].timeouts
    do {
      let socket = try reactor.connect(
        to: target, userTimeoutMilliseconds: timeouts.unacknowledgedMilliseconds,
        token: Self.token(.upstream, upstream))
      if isNew { usedUpstreams += 1 } else { freeUpstream = upstreams[Int(upstream)].nextFree }
      (upstreams + Int(upstream)).initialize(to: Upstream())
      upstreams[Int(upstream)].socket = socket
      upstreams[Int(upstream)].state = .connecting
      upstreams[Int(upstream)].application = application
      upstreams[Int(upstream)].server = server
      upstreams[Int(upstream)].client = client
      upstreams[Int(upstream)].tries = UInt8(clamping: tries)
      upstreams[Int(upstream)].triedSince = since
      upstreams[Int(upstream)].place = Upstream.Place(address)
      upstreamCount += 1
      pointer.pointee.upstream = upstream
      setDeadline(client, .connect, timeouts.connect)
    } catch {
      switch error.code {
      case EMFILE, ENFILE, ENOMEM, ENOBUFS:  // ours, not the server's
        if !hasMadeRoom && evictIdle() {
          return open(client, server, tries: tries, since: since, after: failed, hasMadeRoom: true)
        }
        shared.note(.connectDescriptors)
        connectShort(client)
      case EADDRNOTAVAIL:  // every local port is in use towards this address
        if !hasMadeRoom && freePort(list, at: address) {
          return open(client, server, tries: tries, since: since, after: failed, hasMadeRoom: true)
        }
        if tries < addresses[list].count {
          return open(client, server, tries: tries + 1, since: since, after: Upstream.Place(address))
        }
        shared.note(.connectPorts)
        let action = pointer.pointee.exchange.portsRanOut(pool: &pools[Int(application)], now: now)
        perform(action, client)
      default: addressFailed(client, server, address, tries: tries, since: since)
      }
    }
  }

  /// The address of a server behind another one of it, its first behind none; nil: its name does not resolve.
  private mutating func address(_ list: Int, after failed: Upstream.Place?) -> SocketAddress? {
    guard let failed, let position = addresses[list].firstIndex(where: { Upstream.Place($0) == failed }) else {
      return addresses[list].first
    }
    return addresses[list][(position + 1) % addresses[list].count]
  }

  /// Addresses of a name are tried one after another within the attempt: a refusal costs nothing, silence the connect
  /// timeout, and after two of these the attempt has failed. The next attempts begin with the address behind.
  private mutating func addressFailed(
    _ client: Int32, _ server: Int32, _ failed: SocketAddress, tries: Int, since: Int64
  ) {
    let pointer = clients + Int(client)
    let application = Int(pointer.pointee.application)
    let list = slot(of: server, in: pointer.pointee.application)
    let count = addresses[list].count
    if count > 1 {
      shared.addresses.passOver(failed, application: application, server: Int(server))
      refreshAddresses()
      if tries < count && now - since < applications[application].timeouts.connect * 2 {
        return open(client, server, tries: tries + 1, since: since, after: Upstream.Place(failed))
      }
    }
    perform(pointer.pointee.exchange.connectFailed(ownFault: false, pool: &pools[application], now: now), client)
  }

  /// The connection under way is given up: refused, or nobody answered in time.
  mutating func connectFailed(_ client: Int32) {
    let pointer = clients + Int(client)
    let upstream = pointer.pointee.upstream
    guard upstream >= 0 else {
      let action = pointer.pointee.exchange.connectFailed(
        ownFault: false, pool: &pools[Int(pointer.pointee.application)], now: now)
      return perform(action, client)
    }
    noteServerTrouble(upstream)
    let failed = upstreams[Int(upstream)]
    closeUpstream(upstream)
    pointer.pointee.upstream = -1
    let list = slot(of: failed.server, in: pointer.pointee.application)
    let address = addresses[list].first { Upstream.Place($0) == failed.place }
    addressFailed(
      client, failed.server, address ?? addresses[list][0], tries: Int(failed.tries), since: failed.triedSince)
  }

  private mutating func connectShort(_ client: Int32) {
    let pointer = clients + Int(client)
    perform(
      pointer.pointee.exchange.connectFailed(ownFault: true, pool: &pools[Int(pointer.pointee.application)], now: now),
      client)
  }

  mutating func upstreamConnected(_ upstream: Int32, _ result: Int) {
    let client = upstreams[Int(upstream)].client
    guard client >= 0, upstreams[Int(upstream)].state == .connecting else { return }
    let pointer = clients + Int(client)
    let application = Int(pointer.pointee.application)
    if result < 0 { return connectFailed(client) }
    let server = Int(upstreams[Int(upstream)].server)
    if let version = applications[application].servers[server].proxyProtocol, !upstreams[Int(upstream)].isSecured {
      guard sendProxyHeader(client, upstream, version) else { return connectFailed(client) }
      // It tells of this client, so it serves nobody else.
      upstreams[Int(upstream)].isOwn = true
    }
    if applications[application].servers[server].isSecure,
      !upstreams[Int(upstream)].isSecured
    {
      let handshake = secure(upstream: upstream)
      // When it is done, or has failed, this is called again.
      if handshake == Reactor.pending { return }
      if handshake < 0 { return connectFailed(client) }
    }
    if upstreams[Int(upstream)].isSecured, !isBelieved(upstream) { return connectFailed(client) }
    upstreams[Int(upstream)].state = .busy
    pointer.pointee.exchange.connected(
      isNew: true, mayBeRejected: upstreams[Int(upstream)].isSecured, pool: &pools[application])
    begin(client, upstream)
  }

  /// The connection is there: the request goes out from its first byte, and the response is awaited.
  private mutating func begin(_ client: Int32, _ upstream: Int32) {
    let pointer = clients + Int(client)
    if pointer.pointee.connectedAt == 0 { pointer.pointee.connectedAt = now }
    if isRelay { return relayConnected(client) }
    pointer.pointee.request.start = 0
    setDeadline(client, .server, applications[Int(pointer.pointee.application)].timeouts.server)
    pumpRequest(client)
    // The exchange may be over by now, or on another connection.
    guard pointer.pointee.upstream == upstream, upstreams[Int(upstream)].state == .busy else { return }
    awaitResponse(upstream)
  }

  /// Asks to be told of response bytes, holding no memory meanwhile.
  mutating func awaitResponse(_ upstream: Int32) {
    guard !upstreams[Int(upstream)].isAwaiting else { return }
    if reactor.awaitInput(upstreams[Int(upstream)].socket) {
      upstreamInput(upstream)
    } else {
      upstreams[Int(upstream)].isAwaiting = true
    }
  }

  /// The connection broke before the response's head was complete.
  mutating func connectionLost(_ client: Int32) {
    let pointer = clients + Int(client)
    let upstream = pointer.pointee.upstream
    guard upstream >= 0 else { return }
    if pointer.pointee.state == .tunnel || pointer.pointee.flags.contains(.responseBegun) {
      // The response goes on as long as it comes; what the server did not take of the request is dropped.
      abort(client, termination: "SD")
      return
    }
    let begun = upstreams[Int(upstream)].input.count > 0
    let wasKept = upstreams[Int(upstream)].wasKept
    let isRejected = isRejected(upstream)
    if isRejected { noteServerTrouble(upstream) }
    closeUpstream(upstream)
    pointer.pointee.upstream = -1
    let action =
      isRejected
      ? pointer.pointee.exchange.connectionRejected(pool: &pools[Int(pointer.pointee.application)], now: now)
      : pointer.pointee.exchange.connectionLost(
        responseBegun: begun, wasKept: wasKept, pool: &pools[Int(pointer.pointee.application)], now: now)
    perform(action, client)
  }

  mutating func upstreamHungUp(_ upstream: Int32) {
    switch upstreams[Int(upstream)].state {
    case .idle: closeUpstream(upstream)
    case .busy:
      let client = upstreams[Int(upstream)].client
      if isRelay { return relayServerHungUp(client) }
      if client >= 0 && clients[Int(client)].exchange.state == .awaitingResponse { connectionLost(client) }
    case .free, .connecting: break
    }
  }

  mutating func closeUpstream(_ upstream: Int32, reset: Bool = false) {
    let pointer = upstreams + Int(upstream)
    guard pointer.pointee.state != .free else { return }
    if pointer.pointee.state == .idle { unlinkIdle(upstream) }
    reactor.close(pointer.pointee.socket, reset: reset)
    buffers.giveBack(&pointer.pointee.input)
    pointer.pointee.state = .free
    pointer.pointee.client = -1
    pointer.pointee.nextFree = freeUpstream
    freeUpstream = upstream
    wheel.cancel(Int(upstream) << 1 | 1)
    upstreamCount -= 1
  }
}
