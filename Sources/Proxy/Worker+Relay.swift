internal import Reactor
internal import Routing
internal import TLS
internal import Topology

/// Connections that are passed on byte for byte: a relay's.
///
/// The exchange chooses the server and tries others until one is reached, as for a request; from then on bytes go both ways as
/// they come. They are received into the worker's own memory and sent from there; only what the other side does not take at once
/// is kept, and nothing more is received in that direction while it waits. So a connection at rest holds no memory beside its
/// slots, and a busy one at most a buffer in each direction. The end of one direction is passed on by itself, a reset as a
/// reset: nobody takes a stream cut short for a whole one.
///
/// Of a flight's fields `request` holds what waits for the server, `stash` what waits for the client; `requestBody.total` and
/// `bytesOut` count.
extension Worker {
  /// Pieces passed on in one direction before others get their turn.
  private static let piecesMax = 16

  /// A connection is there, and who it comes from is known: a server is chosen for it.
  mutating func beginRelay(_ client: Int32, application: Int32) {
    beginFlight(client)
    let pointer = clients + Int(client)
    pointer.pointee.state = .relay
    pointer.pointee.application = application
    pointer.pointee.startRealtime = now + realtimeOffset
    pointer.pointee.headComplete = now
    pointer.pointee.deadlineKind = .none
    let key = SelectionKey(
      clientHash: StableHash.hash(high: pointer.pointee.peerHigh, low: pointer.pointee.peerLow), sessionHash: 0)
    let action = pointer.pointee.exchange.begin(
      Exchange.Request(isIdempotent: true, binding: .none, key: key),
      attemptsMax: applications[Int(application)].retries.attemptsMax, waiter: client, pool: &pools[Int(application)],
      now: now)
    perform(action, client)
  }

  /// The same behind a PROXY protocol header: more may have come with it.
  mutating func relayBehindHeader(_ client: Int32) {
    if clients[Int(client)].input.count == 0 { buffers.giveBack(&clients[Int(client)].input) }
    openRelay(client)
  }

  /// Where a server of a relay is reached: at the port that the client used, unless it has its own.
  mutating func relayTarget(_ address: SocketAddress, _ client: Int32) -> SocketAddress {
    guard case let port = relayPorts[Int(clients[Int(client)].listener)], port > 0 else { return address }
    return address.withPort(ifNone: port)
  }

  /// The server took the connection.
  mutating func relayConnected(_ client: Int32) {
    let pointer = clients + Int(client)
    // Whatever comes back, or nothing: it has been reached, and no other one is asked.
    _ = pointer.pointee.exchange.responseHead(.none, pool: &pools[Int(pointer.pointee.application)], now: now)
    relayMoved(client)
    if pointer.pointee.input.count > 0 {
      // What came behind a PROXY protocol header, or was looked at.
      pointer.pointee.requestBody.total += UInt64(pointer.pointee.input.count)
      pointer.pointee.request = pointer.pointee.input
      pointer.pointee.input = .none
      sendKeptToServer(client)
    }
    if isRelaying(client) { pumpRelay(client) }
  }

  private mutating func relayMoved(_ client: Int32) {
    let upstream = clients[Int(client)].upstream
    let tunnel = applications[Int(clients[Int(client)].application)].timeouts.tunnel
    let isGone = upstream >= 0 && upstreams[Int(upstream)].isGone
    setDeadline(client, .tunnel, isGone ? min(tunnel, Int64(Double(Self.farewell) * shared.plan.timeScale)) : tunnel)
  }

  /// How long a client may take nothing of what a server sent that is gone, in nanoseconds: 30 s.
  private static let farewell: Int64 = 30_000_000_000

  private func isRelaying(_ client: Int32) -> Bool {
    let upstream = clients[Int(client)].upstream
    return clients[Int(client)].state == .relay && upstream >= 0 && upstreams[Int(upstream)].state == .busy
  }

  /// Moves both directions on.
  mutating func pumpRelay(_ client: Int32) {
    pumpToServer(client)
    if isRelaying(client) { pumpToClient(client) }
  }

  // MARK: To the server

  mutating func pumpToServer(_ client: Int32) {
    let pointer = clients + Int(client)
    var pieces = 0
    while isRelaying(client) {
      let upstream = pointer.pointee.upstream
      if upstreams[Int(upstream)].isSending || pointer.pointee.flags.contains(.ended) { return }
      pieces += 1
      if pieces > Self.piecesMax { return schedule(client) }
      let asked = pointer.pointee.pieceBytes
      let result = reactor.receive(pointer.pointee.socket, into: relay, count: asked)
      if result == Reactor.pending {
        reactor.cancelReceive(pointer.pointee.socket)
        _ = reactor.awaitInput(pointer.pointee.socket)
        return
      }
      if result == TLSFacts.truncation { return relayCutShort(client, byClient: true) }
      if result < 0 { return relayBroken(client, "CD") }
      if result == 0 { return clientEndedRelay(client) }
      relayMoved(client)
      pointer.pointee.requestBody.total += UInt64(result)
      var offset = 0
      while offset < result {
        let sent = reactor.send(upstreams[Int(upstream)].socket, relay + offset, count: result - offset)
        if sent == Reactor.pending {
          pointer.pointee.request = keep(relay + offset, result - offset)
          pointer.pointee.pieceBytes = Buffer.Size.middle.capacity
          // Submitted again from the place where it is kept; the kernel is not asked again.
          return sendKeptToServer(client)
        }
        if sent < 0 { return relayBroken(client, "SD") }
        offset += sent
      }
      if result == asked { pointer.pointee.pieceBytes = min(asked * 2, Self.relayBytes) }
    }
  }

  private mutating func keep(_ bytes: UnsafeRawPointer, _ count: Int) -> Buffer {
    var kept = buffers.take(for: count)
    kept.free.copyMemory(from: bytes, byteCount: count)
    kept.end = count
    return kept
  }

  private mutating func sendKeptToServer(_ client: Int32) {
    let pointer = clients + Int(client)
    let upstream = pointer.pointee.upstream
    while pointer.pointee.request.count > 0 {
      let sent = reactor.send(
        upstreams[Int(upstream)].socket, pointer.pointee.request.first, count: pointer.pointee.request.count)
      if sent == Reactor.pending {
        upstreams[Int(upstream)].isSending = true
        return
      }
      if sent < 0 { return relayBroken(client, "SD") }
      pointer.pointee.request.start += sent
    }
    buffers.giveBack(&pointer.pointee.request)
    pumpToServer(client)
  }

  /// A send to the server has completed.
  mutating func relaySentToServer(_ client: Int32, _ result: Int) {
    if result < 0 { return relayBroken(client, "SD") }
    let upstream = upstreams + Int(clients[Int(client)].upstream)
    relayMoved(client)
    if upstream.pointee.endIsUnderWay {
      upstream.pointee.endIsUnderWay = false
      return finishRelayIfOver(client)
    }
    clients[Int(client)].request.start += result
    sendKeptToServer(client)
  }

  private mutating func clientEndedRelay(_ client: Int32) {
    let pointer = clients + Int(client)
    pointer.pointee.flags.insert(.ended)
    let upstream = upstreams + Int(pointer.pointee.upstream)
    upstream.pointee.endIsUnderWay = !reactor.shutdownSend(upstream.pointee.socket)
    relayMoved(client)
    finishRelayIfOver(client)
  }

  // MARK: To the client

  mutating func pumpToClient(_ client: Int32) {
    let pointer = clients + Int(client)
    var pieces = 0
    while isRelaying(client) {
      let upstream = pointer.pointee.upstream
      if pointer.pointee.flags.contains(.sending) || upstreams[Int(upstream)].ended { return }
      pieces += 1
      if pieces > Self.piecesMax { return schedule(client) }
      let asked = pointer.pointee.pieceBytes
      let result = reactor.receive(upstreams[Int(upstream)].socket, into: relay, count: asked)
      if result == Reactor.pending {
        reactor.cancelReceive(upstreams[Int(upstream)].socket)
        _ = reactor.awaitInput(upstreams[Int(upstream)].socket)
        return
      }
      if result == TLSFacts.truncation { return relayCutShort(client, byClient: false) }
      if result < 0 {
        // With TLS 1.3 a server tells only now that it does not accept our certificate.
        if result == TLSFacts.protocolFailure { noteServerTrouble(upstream) }
        return relayBroken(client, "SD")
      }
      if result == 0 { return serverEndedRelay(client) }
      relayMoved(client)
      var offset = 0
      while offset < result {
        let sent = reactor.send(pointer.pointee.socket, relay + offset, count: result - offset)
        if sent == Reactor.pending {
          pointer.pointee.stash = keep(relay + offset, result - offset)
          pointer.pointee.pieceBytes = Buffer.Size.middle.capacity
          return sendKeptToClient(client)
        }
        if sent < 0 { return relayBroken(client, "CD") }
        pointer.pointee.bytesOut += UInt64(sent)
        offset += sent
      }
      if result == asked { pointer.pointee.pieceBytes = min(asked * 2, Self.relayBytes) }
    }
  }

  private mutating func sendKeptToClient(_ client: Int32) {
    let pointer = clients + Int(client)
    while pointer.pointee.stash.count > 0 {
      let sent = reactor.send(pointer.pointee.socket, pointer.pointee.stash.first, count: pointer.pointee.stash.count)
      if sent == Reactor.pending {
        pointer.pointee.flags.insert(.sending)
        return
      }
      if sent < 0 { return relayBroken(client, "CD") }
      pointer.pointee.bytesOut += UInt64(sent)
      pointer.pointee.stash.start += sent
    }
    buffers.giveBack(&pointer.pointee.stash)
    pumpToClient(client)
  }

  /// A send to the client has completed.
  mutating func relaySentToClient(_ client: Int32, _ result: Int) {
    if result < 0 { return relayBroken(client, "CD") }
    if clients[Int(client)].flags.contains(.endIsUnderWay) {
      clients[Int(client)].flags.remove(.endIsUnderWay)
      relayMoved(client)
      return finishRelayIfOver(client)
    }
    clients[Int(client)].bytesOut += UInt64(result)
    clients[Int(client)].stash.start += result
    relayMoved(client)
    sendKeptToClient(client)
  }

  private mutating func serverEndedRelay(_ client: Int32) {
    let pointer = clients + Int(client)
    upstreams[Int(pointer.pointee.upstream)].ended = true
    pointer.pointee.flags.insert(.halfClosed)
    if !reactor.shutdownSend(pointer.pointee.socket) { pointer.pointee.flags.insert(.endIsUnderWay) }
    relayMoved(client)
    finishRelayIfOver(client)
  }

  // MARK: The end

  /// Closes a connection of which both directions have ended, when everything was passed on, the ends too.
  private mutating func finishRelayIfOver(_ client: Int32) {
    let pointer = clients + Int(client)
    guard pointer.pointee.flags.contains(.ended), !pointer.pointee.flags.contains(.endIsUnderWay),
      case let upstream = upstreams + Int(pointer.pointee.upstream), upstream.pointee.ended,
      !upstream.pointee.endIsUnderWay
    else { return }
    logRelay(client)
    closeClient(client)
  }

  /// Both directions of the client's connection are gone while nothing was under way there.
  mutating func relayHungUp(_ client: Int32) {
    // Where its end was passed on, and ours to it, nothing is wrong: what it sent before is still there to be read.
    if clients[Int(client)].flags.contains(.halfClosed) { return }
    relayBroken(client, "C")
  }

  /// Both directions of the server's connection are gone. What it sent before is read first: only who has ended already, and was
  /// to be sent more, is looked at here.
  mutating func relayServerHungUp(_ client: Int32) {
    guard client >= 0, isRelaying(client), !clients[Int(client)].flags.contains(.ended) else { return }
    let upstream = Int(clients[Int(client)].upstream)
    if upstreams[upstream].ended { return relayBroken(client, "SD") }
    // A client that takes nothing would learn of it only when `timeouts.tunnel` is over.
    guard clients[Int(client)].flags.contains(.sending) else { return }
    upstreams[upstream].isGone = true
    relayMoved(client)
  }

  /// The end of `timeouts.tunnel`: nothing has moved for so long.
  mutating func relayIdle(_ client: Int32) {
    relayBroken(client, clients[Int(client)].flags.contains(.sending) ? "cD" : "sD")
  }

  /// One side is gone: the other one sees it by a reset. A code of one letter is completed by how far the connection came.
  /// The client would not be let in any more.
  mutating func relayShutOut(_ client: Int32) { relayBroken(client, "K-") }

  private mutating func relayBroken(_ client: Int32, _ code: StaticString) {
    let pointer = clients + Int(client)
    pointer.pointee.termination =
      code.utf8CodeUnitCount == 1 ? Self.termination(code, pointer.pointee.exchange.state) : Self.code(code)
    logRelay(client)
    if pointer.pointee.upstream >= 0 {
      closeUpstream(pointer.pointee.upstream, reset: true)
      pointer.pointee.upstream = -1
    }
    closeClient(client, reset: true)
  }

  /// One side closed its connection without the end that TLS has for a stream. The other one gets what came before, and sees that it is
  /// cut short: by the same if it speaks TLS, by a reset if not.
  private mutating func relayCutShort(_ client: Int32, byClient: Bool) {
    let pointer = clients + Int(client)
    let upstream = pointer.pointee.upstream
    guard !byClient else {
      guard upstreams[Int(upstream)].isSecured else { return relayBroken(client, "CD") }
      pointer.pointee.termination = Self.code("CD")
      logRelay(client)
      reactor.detach(upstreams[Int(upstream)].socket)
      closeUpstream(upstream)
      pointer.pointee.upstream = -1
      return closeClient(client, reset: true)
    }
    guard isSecure(client) else { return relayBroken(client, "SD") }
    pointer.pointee.termination = Self.code("SD")
    logRelay(client)
    closeUpstream(upstream, reset: true)
    pointer.pointee.upstream = -1
    if pointer.pointee.exchange.isActive {
      pointer.pointee.exchange.finish(pool: &pools[Int(pointer.pointee.application)])
    }
    reactor.detach(pointer.pointee.socket)
    // Closing with bytes unread would reset the connection, and take from the client what is still on its way.
    linger(client)
  }

  /// No server took the connection.
  mutating func relayFailed(_ client: Int32, _ failure: Exchange.Failure) {
    let pointer = clients + Int(client)
    if pointer.pointee.upstream >= 0 {
      closeUpstream(pointer.pointee.upstream)
      pointer.pointee.upstream = -1
    }
    switch failure {
    case .connectionLimitReached, .shed: pointer.pointee.termination = Self.code("sQ")
    case .internalShortage: pointer.pointee.termination = Self.code("RC")
    case .destinationUnavailable, .connectionTerminated, .responseTimeout, .invalidResponse:
      pointer.pointee.termination = Self.code("SC")
    }
    logRelay(client)
    closeClient(client)
  }
}
