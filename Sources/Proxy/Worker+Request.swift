internal import HTTPMessage
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// From a client's first byte to a request on its way: receiving, parsing, rewriting, and the body after it.
extension Worker {
  /// Something can be received from the client.
  mutating func clientInput(_ client: Int32) {
    let pointer = clients + Int(client)
    switch pointer.pointee.state {
    case .idle, .head:
      if isRelay && !pointer.pointee.flags.contains(.awaitsProxyHeader) {
        openRelay(client)
      } else {
        receiveHead(client)
      }
    case .exchange, .tunnel: pumpRequest(client)
    case .relay: pumpToServer(client)
    case .lingering: drain(client)
    case .free, .answering, .parting: break
    }
  }

  mutating func receiveHead(_ client: Int32) {
    let pointer = clients + Int(client)
    if !pointer.pointee.input.isHeld { pointer.pointee.input = buffers.takeSmall() }
    pointer.pointee.input.compact()
    let result = reactor.receive(
      pointer.pointee.socket, into: pointer.pointee.input.free, count: pointer.pointee.input.room)
    if result == Reactor.pending {
      if pointer.pointee.input.count == 0 {
        // Nothing there: wait without holding memory.
        reactor.cancelReceive(pointer.pointee.socket)
        buffers.giveBack(&pointer.pointee.input)
        _ = reactor.awaitInput(pointer.pointee.socket)
      }
      return
    }
    headReceived(client, result)
  }

  /// A receive that was under way has completed.
  mutating func clientReceived(_ client: Int32, _ result: Int) {
    switch clients[Int(client)].state {
    case .head, .idle: headReceived(client, result)
    case .exchange, .tunnel: bodyReceived(client, result)
    case .free, .answering, .lingering, .relay, .parting: break
    }
  }

  private mutating func headReceived(_ client: Int32, _ result: Int) {
    let pointer = clients + Int(client)
    if isRelay, !pointer.pointee.flags.contains(.awaitsProxyHeader) { return helloReceived(client, result) }
    guard result > 0 else {
      // The client left; in the middle of a head nobody waits for an answer.
      if isSecure(client) { secureClientLost(client) } else { closeClient(client) }
      return
    }
    beginFlight(client)
    pointer.pointee.input.end += result
    parse(client)
  }

  /// Looks for a complete head in what was received.
  mutating func parse(_ client: Int32) {
    let pointer = clients + Int(client)
    if pointer.pointee.flags.contains(.isMonitor) { return answerLook(client) }
    if pointer.pointee.flags.contains(.awaitsProxyHeader) && !takeProxyHeader(client) { return }
    if pointer.pointee.state == .idle || pointer.pointee.started == 0 || pointer.pointee.scanned == 0 {
      pointer.pointee.started = now
      pointer.pointee.startRealtime = now + realtimeOffset
    }
    pointer.pointee.state = .head
    let view = ByteView(
      UnsafeRawBufferPointer(start: pointer.pointee.input.first, count: pointer.pointee.input.count))
    var head = RequestHead()
    let result = parseRequestHead(
      view, resumeOffset: pointer.pointee.scanned, limits: limits, head: &head, into: &fields)
    switch result {
    case .complete:
      pointer.pointee.scanned = 0
      startExchange(client, view, &head)
    case .needMore(let scannedUpTo):
      pointer.pointee.scanned = scannedUpTo
      if pointer.pointee.deadlineKind != .request {
        setDeadline(client, .request, applications[Int(pointer.pointee.application)].timeouts.request)
      }
      receiveHead(client)
    case .invalid(let error):
      pointer.pointee.input.start = pointer.pointee.input.end
      answerError(client, status: error.status, termination: "PR")
    }
  }

  // MARK: The head, rewritten

  private mutating func startExchange(_ client: Int32, _ view: ByteView, _ head: inout RequestHead) {
    let pointer = clients + Int(client)
    guard isLetIn(client) else { return closeClient(client) }
    pointer.pointee.headComplete = now
    pointer.pointee.flags = pointer.pointee.flags.intersection(
      Client.Flags.ofConnection.union([.ended, .scheduled, .reused]))
    if head.keepAlive && phase == .running { pointer.pointee.flags.insert(.keepAlive) }
    if head.minorVersion == 0 { pointer.pointee.flags.insert(.isHTTP10) }
    if head.method == .head { pointer.pointee.flags.insert(.isHead) }
    if head.upgrade { pointer.pointee.flags.insert(.upgrade) }
    pointer.pointee.fromHigh = pointer.pointee.peerHigh
    pointer.pointee.fromLow = pointer.pointee.peerLow
    pointer.pointee.requestBody = BodyProgress(head.framing)

    let application = chooseApplication(view, head)
    pointer.pointee.application = Int32(max(0, application))
    // The request keeps the line for the log, so it is made also when the answer is ours.
    let hasBody = !pointer.pointee.requestBody.isComplete || head.upgrade
    pointer.pointee.request = hasBody ? buffers.takeLarge() : buffers.takeSmall()
    resetPatience(client)
    let app = applications + Int(pointer.pointee.application)
    var route = CookieRoute()
    let binding = readCookies(client, view, head, app, &route)
    var writer = ByteWriter(
      UnsafeMutableRawBufferPointer(start: pointer.pointee.request.base, count: BufferPool.small - BufferPool.reserve))
    writeRequest(client, view, head, app, route, into: &writer)
    pointer.pointee.requestHead = writer.position
    pointer.pointee.request.end = writer.position
    pointer.pointee.namedGroup = route.group
    pointer.pointee.input.start += head.length

    if application < 0 { return answerError(client, status: 421, termination: "PR") }
    if writer.hasOverflowed { return answerError(client, status: 431, termination: "PR") }
    if let via = head.firstVia, isLoop(view, from: via) { return answerError(client, status: 508, termination: "PR") }
    if head.maxForwards == 0 && (head.method == .trace || head.method == .options) {
      return answerMaxForwards(client, view, head)
    }
    if case .length(let length) = head.framing, length > bodyBytesMax {
      return answerError(client, status: 413, termination: "PR")
    }
    if let status = takeBodyFromInput(client) { return answerError(client, status: status, termination: "PR") }
    if listenerTraits[Int(pointer.pointee.listener)].redirectPort != nil, !speaksTLS(client) {
      return answerSecureRedirect(client, view, head)
    }
    pointer.pointee.state = .exchange
    let from = clientAddress(client, view, app)
    pointer.pointee.fromHigh = from.high
    pointer.pointee.fromLow = from.low
    let key = SelectionKey(
      clientHash: StableHash.hash(high: from.high, low: from.low), sessionHash: binding.sessionHash)
    let order = order(client, from: from)
    if redirectsPublic, let tier = redirectTier(client, view, head, binding, order: order, app) {
      return answerRedirect(client, view, head, to: tier, app)
    }
    // The head is not read any more. The next connection's bytes come into the same memory, which the processor still has at hand.
    if pointer.pointee.input.count == 0 { buffers.giveBack(&pointer.pointee.input) }
    let request = Exchange.Request(
      isIdempotent: head.method.isIdempotent, binding: binding, key: key, order: redirectsPublic ? 0 : order)
    let action = pointer.pointee.exchange.begin(
      request, attemptsMax: app.pointee.retries.attemptsMax, waiter: client,
      pool: &pools[Int(pointer.pointee.application)], now: now)
    perform(action, client)
  }

  private mutating func chooseApplication(_ view: ByteView, _ head: RequestHead) -> Int {
    if applicationCount == 1 && applications[0].hosts.isEmpty && applications[0].suffixes.isEmpty { return 0 }
    var host = view[head.host]
    // The port plays no part; an IPv6 literal has colons of its own.
    if host.count > 0 && host[0] != 0x5B {
      for position in 0..<host.count where host[position] == 0x3A {
        host = host.slice(0, position)
        break
      }
    }
    for application in 0..<applicationCount where applications[application].matches(host: host) { return application }
    return -1
  }

  private mutating func isLoop(_ view: ByteView, from first: Int) -> Bool {
    var index: Int? = first
    while let field = index {
      if Via.contains(view[fields[field].value], pseudonym: viaName) { return true }
      index = fields.firstIndex(of: .via, from: field + 1)
    }
    return false
  }

  /// Moves what came behind the head into the request, as far as it is its body. The status of the refusal, if the body is malformed
  /// or too long.
  private mutating func takeBodyFromInput(_ client: Int32) -> Int? {
    let pointer = clients + Int(client)
    guard !pointer.pointee.requestBody.isComplete else { return nil }
    let count = min(pointer.pointee.input.count, pointer.pointee.request.room)
    guard count > 0 else { return nil }
    switch pointer.pointee.requestBody.take(pointer.pointee.input.first, count: count) {
    case .taken(let used):
      pointer.pointee.request.free.copyMemory(from: pointer.pointee.input.first, byteCount: used)
      pointer.pointee.request.end += used
      pointer.pointee.input.start += used
      return pointer.pointee.requestBody.dataBytes > bodyBytesMax ? 413 : nil
    case .invalid: return 400
    }
  }

  // MARK: The body

  /// Moves the request on: to the server what is there, then from the client what is missing.
  mutating func pumpRequest(_ client: Int32) {
    let pointer = clients + Int(client)
    var rounds = 0
    while pointer.pointee.state == .exchange || pointer.pointee.state == .tunnel {
      let upstream = pointer.pointee.upstream
      guard upstream >= 0, upstreams[Int(upstream)].state == .busy else { return }
      if pointer.pointee.request.count > 0 {
        if upstreams[Int(upstream)].isSending { return }
        let result = reactor.send(
          upstreams[Int(upstream)].socket, pointer.pointee.request.first, count: pointer.pointee.request.count)
        if result == Reactor.pending {
          upstreams[Int(upstream)].isSending = true
          // Of what TLS has enciphered some may have left.
          if upstreams[Int(upstream)].isSecured { pointer.pointee.exchange.requestBytesSent() }
          sendIsHeldUp(client, upstream)
          return
        }
        guard requestSent(client, result) else { return }
        continue
      }
      if pointer.pointee.state == .exchange && pointer.pointee.requestBody.isComplete { return }
      rounds += 1
      // The others get their turn, too.
      if rounds > Self.roundsMax {
        pointer.pointee.flags.insert(.requestGoesOn)
        return schedule(client)
      }
      guard receiveBody(client) else { return }
    }
  }

  /// Bytes of the request left, or the connection broke. False: the attempt is over.
  private mutating func requestSent(_ client: Int32, _ result: Int) -> Bool {
    let pointer = clients + Int(client)
    if result < 0 && pointer.pointee.flags.contains(.responseBegun) {
      requestCutShort(client)
      return false
    }
    if result < 0 {
      // What the server said before it closed may still be there to read: its answer, perhaps to a request cut short.
      if upstreamHasAnswer(pointer.pointee.upstream) { return false }
      connectionLost(client)
      return false
    }
    pointer.pointee.exchange.requestBytesSent()
    pointer.pointee.request.start += result
    return true
  }

  /// A send of request bytes has completed.
  mutating func upstreamSent(_ upstream: Int32, _ result: Int) {
    let pointer = upstreams + Int(upstream)
    pointer.pointee.isSending = false
    guard pointer.pointee.client >= 0 else { return }
    let client = pointer.pointee.client
    if isRelay { return relaySentToServer(client, result) }
    sendGoesOn(client, upstream)
    if requestSent(client, result) { pumpRequest(client) }
  }

  /// Receives body bytes behind what the request holds. False: wait, or the exchange is over.
  private mutating func receiveBody(_ client: Int32) -> Bool {
    let pointer = clients + Int(client)
    if pointer.pointee.flags.contains(.receiving) {
      // All there was has gone to the server, perhaps to another one than before.
      if pointer.pointee.state == .exchange { awaitBody(client) }
      return false
    }
    if pointer.pointee.flags.contains(.ended) { return false }
    if pointer.pointee.input.count > 0 {
      return moveInput(client)
    }
    makeRoom(client)
    var room = pointer.pointee.request.room
    if pointer.pointee.state == .exchange {
      if pointer.pointee.requestBody.kind == .length {
        room = Int(min(UInt64(room), pointer.pointee.requestBody.remaining))
      } else {
        // What follows a chunked body must fit into the input buffer.
        room = min(room, BufferPool.small - BufferPool.reserve)
      }
    }
    let result = reactor.receive(pointer.pointee.socket, into: pointer.pointee.request.free, count: room)
    if result == Reactor.pending {
      pointer.pointee.flags.insert(.receiving)
      if pointer.pointee.state == .exchange {
        awaitBody(client)
      }
      return false
    }
    return takeBody(client, result)
  }

  /// Bytes behind the head that did not fit at first.
  private mutating func moveInput(_ client: Int32) -> Bool {
    let pointer = clients + Int(client)
    makeRoom(client)
    let before = pointer.pointee.input.count
    if pointer.pointee.state == .tunnel {
      let count = min(before, pointer.pointee.request.room)
      pointer.pointee.request.free.copyMemory(from: pointer.pointee.input.first, byteCount: count)
      pointer.pointee.request.end += count
      pointer.pointee.input.start += count
      return true
    }
    if let status = takeBodyFromInput(client) {
      refuseBody(client, status: status)
      return false
    }
    return pointer.pointee.input.count < before
  }

  private mutating func makeRoom(_ client: Int32) {
    let pointer = clients + Int(client)
    let held = pointer.pointee.request.end - pointer.pointee.requestHead
    let limit = applications[Int(pointer.pointee.application)].retries.bodyBytesMax
    guard pointer.pointee.request.room == 0 || held >= limit || pointer.pointee.flags.contains(.responseBegun) else {
      return
    }
    // All of it was sent: the place of the body is used again, and the request can no longer be repeated.
    if held > 0 { pointer.pointee.exchange.replayLost() }
    pointer.pointee.request.start = pointer.pointee.requestHead
    pointer.pointee.request.end = pointer.pointee.requestHead
  }

  private mutating func bodyReceived(_ client: Int32, _ result: Int) {
    clients[Int(client)].flags.remove(.receiving)
    if takeBody(client, result) { pumpRequest(client) }
  }

  private mutating func takeBody(_ client: Int32, _ result: Int) -> Bool {
    let pointer = clients + Int(client)
    if result <= 0 {
      if pointer.pointee.state == .tunnel {
        clientEndedTunnel(client, result)
      } else {
        abort(client, termination: "CD")
      }
      return false
    }
    if pointer.pointee.state == .tunnel {
      pointer.pointee.request.end += result
      setDeadline(client, .tunnel, applications[Int(pointer.pointee.application)].timeouts.tunnel)
      return true
    }
    clientMoved(client, result)
    let bytes = pointer.pointee.request.free
    switch pointer.pointee.requestBody.take(bytes, count: result) {
    case .taken(let used):
      pointer.pointee.request.end += used
      if used < result {
        // The next request has begun behind the body.
        if !pointer.pointee.input.isHeld { pointer.pointee.input = buffers.takeSmall() }
        pointer.pointee.input.compact()
        pointer.pointee.input.free.copyMemory(from: bytes + used, byteCount: result - used)
        pointer.pointee.input.end += result - used
      }
      if pointer.pointee.requestBody.dataBytes > bodyBytesMax {
        refuseBody(client, status: 413)
        return false
      }
      serverIsNext(client)
      return true
    case .invalid:
      refuseBody(client, status: 400)
      return false
    }
  }

  /// The body is not acceptable: nothing more goes to the server, and the client is told if it has heard nothing yet.
  mutating func refuseBody(_ client: Int32, status: Int) {
    answerError(client, status: status, termination: status == 408 ? "cD" : "PR")
  }

  // MARK: A server slower than its client

  /// The client has done its part for now: the server's time runs, unless the exchange waits for something else.
  private mutating func serverIsNext(_ client: Int32) {
    // It is the client's turn as long as it has to take some of the answer.
    if clients[Int(client)].flags.contains(.sending) { return }
    switch clients[Int(client)].exchange.state {
    case .awaitingResponse, .relaying:
      setDeadline(client, .server, applications[Int(clients[Int(client)].application)].timeouts.server)
    case .idle, .awaitingTrial, .queued, .awaitingBudget, .connecting, .done: break
    }
  }

  /// The server takes no more for the moment. The kernel's time limit for unacknowledged bytes is lifted meanwhile: it
  /// counts a window that stays shut as it counts a dead path, and a server may read slowly.
  private mutating func sendIsHeldUp(_ client: Int32, _ upstream: Int32) {
    reactor.setUserTimeout(upstreams[Int(upstream)].socket, milliseconds: 0)
    if clients[Int(client)].state == .exchange { serverIsNext(client) }
  }

  private mutating func sendGoesOn(_ client: Int32, _ upstream: Int32) {
    let timeouts = applications[Int(clients[Int(client)].application)].timeouts
    reactor.setUserTimeout(upstreams[Int(upstream)].socket, milliseconds: timeouts.unacknowledgedMilliseconds)
    if clients[Int(client)].state == .exchange { serverIsNext(client) }
  }

  /// The server reads no further, but answers: the rest of the request is dropped, the response goes on.
  private mutating func requestCutShort(_ client: Int32) {
    let pointer = clients + Int(client)
    if pointer.pointee.state == .tunnel { return tunnelCutShort(client) }
    pointer.pointee.request.start = pointer.pointee.request.end
    pointer.pointee.flags.insert([.ended, .lingerAfter])
    pointer.pointee.flags.remove(.keepAlive)
    if pointer.pointee.upstream >= 0 { upstreams[Int(pointer.pointee.upstream)].keepAlive = false }
    reactor.cancelReceive(pointer.pointee.socket)
    pointer.pointee.flags.remove(.receiving)
  }
}
