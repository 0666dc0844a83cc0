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
/// reset, behind all that came before (`Worker+RelayCut.swift`): nobody takes a stream cut short for a whole one.
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

  mutating func relayMoved(_ client: Int32) {
    let pointer = clients + Int(client)
    let upstream = pointer.pointee.upstream
    pointer.pointee.untaken = 0
    let isGone = pointer.pointee.flags.contains(.isGone) || upstream >= 0 && upstreams[Int(upstream)].isGone
    let tunnel = applications[Int(pointer.pointee.application)].timeouts.tunnel
    setDeadline(client, .tunnel, isGone ? farewell(client) : tunnel)
  }

  func isRelaying(_ client: Int32) -> Bool {
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
      if upstreams[Int(upstream)].isSending || upstreams[Int(upstream)].isGone || pointer.pointee.flags.contains(.ended)
      {
        return
      }
      pieces += 1
      if pieces > Self.piecesMax { return schedule(client) }
      let asked = pointer.pointee.pieceBytes
      let result = reactor.receive(pointer.pointee.socket, into: relay, count: asked)
      if result == Reactor.pending {
        reactor.cancelReceive(pointer.pointee.socket)
        _ = reactor.awaitInput(pointer.pointee.socket)
        return
      }
      if result < 0 || (result == 0 && pointer.pointee.flags.contains(.isCut) && !isSecure(client)) {
        return partFromServer(client)
      }
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
        if sent < 0 { return serverUnreachable(client, sent) }
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
      if sent < 0 { return serverUnreachable(client, sent) }
      pointer.pointee.request.start += sent
    }
    buffers.giveBack(&pointer.pointee.request)
    pumpToServer(client)
  }

  /// A send to the server has completed.
  mutating func relaySentToServer(_ client: Int32, _ result: Int) {
    guard isRelaying(client) else { return }
    if result < 0 { return serverUnreachable(client, result) }
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
      if !pointer.pointee.flags.isDisjoint(with: [.sending, .isGone]) || upstreams[Int(upstream)].ended { return }
      pieces += 1
      if pieces > Self.piecesMax { return schedule(client) }
      let asked = pointer.pointee.pieceBytes
      let result = reactor.receive(upstreams[Int(upstream)].socket, into: relay, count: asked)
      if result == Reactor.pending {
        reactor.cancelReceive(upstreams[Int(upstream)].socket)
        _ = reactor.awaitInput(upstreams[Int(upstream)].socket)
        return
      }
      // With TLS 1.3 a server tells only now that it does not accept our certificate.
      if result == TLSFacts.protocolFailure { noteServerTrouble(upstream) }
      if result < 0 || (result == 0 && upstreams[Int(upstream)].isCut && !upstreams[Int(upstream)].isSecured) {
        return partFromClient(client)
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
        if sent < 0 { return clientUnreachable(client, sent) }
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
      if sent < 0 { return clientUnreachable(client, sent) }
      pointer.pointee.bytesOut += UInt64(sent)
      pointer.pointee.stash.start += sent
    }
    buffers.giveBack(&pointer.pointee.stash)
    pumpToClient(client)
  }

  /// A send to the client has completed.
  mutating func relaySentToClient(_ client: Int32, _ result: Int) {
    if result < 0 { return clientUnreachable(client, result) }
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
