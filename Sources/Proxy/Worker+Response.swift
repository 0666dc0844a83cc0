internal import CReactor
internal import HTTPMessage
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// From a server's first byte to a response given: receiving, parsing, deciding, rewriting, and the body after it.
extension Worker {
  /// Something can be received from the server.
  mutating func upstreamInput(_ upstream: Int32) {
    let pointer = upstreams + Int(upstream)
    pointer.pointee.isAwaiting = false
    switch pointer.pointee.state {
    case .idle:
      // Its end, or bytes nobody asked for.
      closeUpstream(upstream)
    case .busy:
      let client = pointer.pointee.client
      guard client >= 0 else { return }
      if isRelay { return pumpToClient(client) }
      if clients[Int(client)].flags.contains(.responseBegun) {
        pumpResponse(client)
      } else {
        receiveResponseHead(client, upstream)
      }
    case .free, .connecting: break
    }
  }

  private mutating func receiveResponseHead(_ client: Int32, _ upstream: Int32) {
    let pointer = upstreams + Int(upstream)
    if !pointer.pointee.input.isHeld { pointer.pointee.input = buffers.takeSmall() }
    let result = reactor.receive(
      pointer.pointee.socket, into: pointer.pointee.input.free, count: pointer.pointee.input.room)
    if result == Reactor.pending {
      reactor.cancelReceive(pointer.pointee.socket)
      if pointer.pointee.input.count == 0 { buffers.giveBack(&pointer.pointee.input) }
      _ = reactor.awaitInput(pointer.pointee.socket)
      pointer.pointee.isAwaiting = true
      return
    }
    guard result > 0 else {
      pointer.pointee.ended = true
      connectionLost(client)
      return
    }
    pointer.pointee.input.end += result
    parseResponse(client, upstream)
  }

  /// After a failed send: whether the server's answer can be read all the same.
  mutating func upstreamHasAnswer(_ upstream: Int32) -> Bool {
    guard upstream >= 0, upstreams[Int(upstream)].state == .busy else { return false }
    let pointer = upstreams + Int(upstream)
    if pointer.pointee.input.count > 0 { return true }
    if !pointer.pointee.input.isHeld { pointer.pointee.input = buffers.takeSmall() }
    reactor.cancelReceive(pointer.pointee.socket)
    pointer.pointee.isAwaiting = false
    let client = pointer.pointee.client
    if client < 0 || clients[Int(client)].flags.contains(.responseBegun) { return false }
    let result = reactor.receiveAtOnce(
      pointer.pointee.socket, into: pointer.pointee.input.free, count: pointer.pointee.input.room)
    guard result > 0 else { return false }
    pointer.pointee.input.end += result
    parseResponse(client, upstream)
    return true
  }

  mutating func parseResponse(_ client: Int32, _ upstream: Int32) {
    let pointer = clients + Int(client)
    while pointer.pointee.upstream == upstream, pointer.pointee.state == .exchange {
      let input = upstreams[Int(upstream)].input
      guard input.count > 0 else { break }
      let view = ByteView(UnsafeRawBufferPointer(start: input.first, count: input.count))
      var head = ResponseHead()
      let result = parseResponseHead(
        view, resumeOffset: upstreams[Int(upstream)].scanned, toHead: pointer.pointee.flags.contains(.isHead),
        limits: limits, head: &head, into: &fields)
      switch result {
      case .complete:
        upstreams[Int(upstream)].scanned = 0
        // An interim response before it waits for the client: nothing is received meanwhile, and `clientSent` goes on from here.
        if pointer.pointee.stash.isHeld { return }
        if head.isInterim && head.status != 101 {
          guard relayInterim(client, upstream, view, head) else { return }
          continue
        }
        if head.status == 101 && !(pointer.pointee.flags.contains(.upgrade) && head.upgrade) {
          return responseInvalid(client)
        }
        responseComplete(client, upstream, view, &head)
        return
      case .needMore(let scannedUpTo):
        upstreams[Int(upstream)].scanned = scannedUpTo
        if upstreams[Int(upstream)].input.room == 0 { return responseInvalid(client) }
        return receiveResponseHead(client, upstream)
      case .invalid:
        return responseInvalid(client)
      }
    }
    guard pointer.pointee.upstream == upstream, pointer.pointee.state == .exchange else { return }
    receiveResponseHead(client, upstream)
  }

  private mutating func responseInvalid(_ client: Int32) {
    let pointer = clients + Int(client)
    if pointer.pointee.upstream >= 0 { closeUpstream(pointer.pointee.upstream) }
    pointer.pointee.upstream = -1
    pointer.pointee.termination = 0x5048  // PH
    perform(pointer.pointee.exchange.responseInvalid(pool: &pools[Int(pointer.pointee.application)]), client)
  }

  /// Interim responses a server may send before its final one.
  private static let interimsMax: UInt8 = 16

  /// Passes a 1xx response on to clients that know them, asked for or not (RFC 9110 section 15.2). False: it is over.
  private mutating func relayInterim(
    _ client: Int32, _ upstream: Int32, _ view: ByteView, _ head: ResponseHead
  ) -> Bool {
    let pointer = clients + Int(client)
    pointer.pointee.interims += 1
    if pointer.pointee.interims > Self.interimsMax {
      responseInvalid(client)
      return false
    }
    if !pointer.pointee.flags.contains(.isHTTP10) {
      fields.dropHopByHop(in: view, except: [])
      var writer = ByteWriter(UnsafeMutableRawBufferPointer(start: scratch, count: Self.scratchBytes))
      writeStatusLine(head, view, into: &writer)
      editor.reset()
      for index in 0..<fields.count where fields[index].isDropped || fields[index].id == .proxyStatus {
        editor.delete(fields[index].line)
      }
      editor.write(view, from: head.fieldsStart, to: head.length - 2, into: &writer)
      writer.append("\r\n")
      upstreams[Int(upstream)].input.start += head.length
      sendFromScratch(client, writer.position)
    } else {
      upstreams[Int(upstream)].input.start += head.length
    }
    upstreams[Int(upstream)].input.compact()
    return pointer.pointee.state == .exchange && pointer.pointee.upstream == upstream
  }

  // MARK: The final head

  private mutating func responseComplete(
    _ client: Int32, _ upstream: Int32, _ view: ByteView, _ head: inout ResponseHead
  ) {
    let pointer = clients + Int(client)
    let application = Int(pointer.pointee.application)
    let refusal = refusal(view, head, pointer.pointee.exchange.server, application)
    let action = pointer.pointee.exchange.responseHead(refusal, pool: &pools[application], now: now)
    guard case .relay = action else {
      // The hop could not serve it: its answer is thrown away, and another candidate follows.
      closeUpstream(upstream)
      pointer.pointee.upstream = -1
      perform(action, client)
      return
    }
    pointer.pointee.responseAt = now
    pointer.pointee.status = Int32(head.status)
    pointer.pointee.flags.insert(.responseBegun)
    resetPatience(client)
    upstreams[Int(upstream)].keepAlive = head.keepAlive
    pointer.pointee.responseBody = BodyProgress(head.framing)
    if head.framing == .untilClose || phase != .running { pointer.pointee.flags.remove(.keepAlive) }
    if head.framing == .chunked && pointer.pointee.flags.contains(.isHTTP10) {
      pointer.pointee.flags.insert(.dechunk)
      pointer.pointee.flags.remove(.keepAlive)
      pointer.pointee.dechunker = Dechunker()
    }
    if head.status == 101 {
      pointer.pointee.state = .tunnel
      pointer.pointee.responseBody = BodyProgress(.untilClose)
      pointer.pointee.flags.remove(.keepAlive)
      if !mayStay(client, upstream) { return abort(client, termination: "K-") }
    }
    var writer = ByteWriter(UnsafeMutableRawBufferPointer(start: scratch, count: Self.scratchBytes))
    writeResponse(client, view, head, into: &writer)
    if writer.hasOverflowed { return abort(client, termination: "PH") }
    upstreams[Int(upstream)].input.start += head.length
    if pointer.pointee.state == .tunnel {
      setDeadline(client, .tunnel, applications[application].timeouts.tunnel)
    } else {
      awaitNext(client)
    }
    let body = upstreams[Int(upstream)].input
    if body.count > 0 {
      guard takeResponseBody(client, upstream, body.first, body.count) else { return }
    }
    let wasTunnel = pointer.pointee.state == .tunnel
    if sendFromScratch(client, writer.position) { pumpResponse(client) }
    if wasTunnel && pointer.pointee.state == .tunnel { pumpRequest(client) }
  }

  /// What the hop says of itself, if it is one of our own nodes and the last to have written (rule D3).
  private mutating func refusal(_ view: ByteView, _ head: ResponseHead, _ server: Int32, _ application: Int)
    -> Exchange.Refusal
  {
    guard head.status == 503 || head.status == 502, let field = head.lastProxyStatus, pools[application].isNode(server)
    else { return .none }
    let value = view[fields[field].value]
    guard let member = ProxyStatusMember(lastOf: value), let error = member.error,
      value[member.node].rawBuffer.elementsEqual(applications[application].servers[Int(server)].name.rawBuffer)
    else { return .none }
    if value[error].equalsIgnoringCase(ByteView("connection_terminated")) { return .connectionTerminated }
    if value[error].equalsIgnoringCase(ByteView("destination_unavailable")) { return .destinationUnavailable }
    if value[error].equalsIgnoringCase(ByteView("connection_limit_reached")) { return .connectionLimitReached }
    return .none
  }

  // MARK: The body

  /// Takes what was received as body: sets what is to be sent. False: the response broke.
  private mutating func takeResponseBody(
    _ client: Int32, _ upstream: Int32, _ bytes: UnsafeMutableRawPointer, _ received: Int
  ) -> Bool {
    let pointer = clients + Int(client)
    switch pointer.pointee.responseBody.take(bytes, count: received) {
    case .taken(let used):
      if used < received { upstreams[Int(upstream)].keepAlive = false }
      var count = used
      if pointer.pointee.flags.contains(.dechunk) {
        count = pointer.pointee.dechunker.compact(bytes, count: used)
      }
      pointer.pointee.outputBody = UnsafeRawPointer(bytes)
      pointer.pointee.outputBodyCount = count
      return true
    case .invalid:
      abort(client, termination: "PD")
      return false
    }
  }

  /// Pieces of a body that are moved on before it is the others' turn.
  static let roundsMax = 16

  /// Moves the response on: to the client what is there, then from the server what is missing.
  mutating func pumpResponse(_ client: Int32) {
    let pointer = clients + Int(client)
    var rounds = 0
    while pointer.pointee.state == .exchange || pointer.pointee.state == .tunnel {
      guard pointer.pointee.flags.contains(.responseBegun) else { return }
      if pointer.pointee.flags.contains(.sending) { return }
      if pointer.pointee.stash.count > 0 || pointer.pointee.outputBodyCount > 0 {
        guard sendOutput(client) else { return }
        continue
      }
      if pointer.pointee.responseBody.isComplete { return finishResponse(client) }
      let upstream = pointer.pointee.upstream
      guard upstream >= 0 else { return }
      rounds += 1
      // The others get their turn, too.
      if rounds > Self.roundsMax { return schedule(client) }
      guard receiveResponseBody(client, upstream) else { return }
    }
  }

  private mutating func receiveResponseBody(_ client: Int32, _ upstream: Int32) -> Bool {
    let pointer = clients + Int(client)
    let server = upstreams + Int(upstream)
    if server.pointee.isAwaiting || server.pointee.ended { return false }
    // What came with the head has left.
    buffers.giveBack(&server.pointee.input)
    let asked = pointer.pointee.pieceBytes
    let result = reactor.receive(server.pointee.socket, into: relay, count: asked)
    if result == Reactor.pending {
      reactor.cancelReceive(server.pointee.socket)
      _ = reactor.awaitInput(server.pointee.socket)
      server.pointee.isAwaiting = true
      // What the client took meanwhile has won it time for the body that it owes.
      if pointer.pointee.flags.contains(.receiving) && pointer.pointee.state == .exchange { awaitBody(client) }
      return false
    }
    if result <= 0 { return responseEnded(client, upstream, result) }
    // All that was asked for came, and the last piece was taken: the next one may be larger.
    if result == asked { pointer.pointee.pieceBytes = min(asked * 2, Self.relayBytes) }
    if pointer.pointee.state == .tunnel {
      setDeadline(client, .tunnel, applications[Int(pointer.pointee.application)].timeouts.tunnel)
    } else {
      awaitNext(client)
    }
    return takeResponseBody(client, upstream, relay, result)
  }

  /// The server closed: the end of a body that lasts until then, else the client must see that something is missing.
  private mutating func responseEnded(_ client: Int32, _ upstream: Int32, _ result: Int) -> Bool {
    let pointer = clients + Int(client)
    upstreams[Int(upstream)].ended = true
    upstreams[Int(upstream)].keepAlive = false
    if pointer.pointee.state == .tunnel {
      serverEndedTunnel(client, result)
      return false
    }
    if pointer.pointee.responseBody.kind == .untilClose && result == 0 {
      pointer.pointee.responseBody.isComplete = true
      return true
    }
    abort(client, termination: "SD")
    return false
  }
}
