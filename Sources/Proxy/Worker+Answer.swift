internal import HTTPMessage
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// How exchanges end: answers of our own, the end of a response, broken connections, tunnels, and the line in the log.
extension Worker {
  // MARK: Answers of our own

  /// The exchange ended without a server's response.
  mutating func answerFailure(_ client: Int32, _ failure: Exchange.Failure) {
    if isRelay { return relayFailed(client, failure) }
    let pointer = clients + Int(client)
    if pointer.pointee.upstream >= 0 {
      closeUpstream(pointer.pointee.upstream)
      pointer.pointee.upstream = -1
    }
    if pointer.pointee.termination == 0x2D2D {
      pointer.pointee.termination =
        switch failure {
        case .destinationUnavailable: 0x5343  // SC
        case .connectionLimitReached, .shed: 0x7351  // sQ
        case .connectionTerminated: 0x5348  // SH
        case .responseTimeout: 0x7348  // sH
        case .invalidResponse: 0x5048  // PH
        case .internalShortage: 0x5243  // RC
        }
    }
    answer(client, status: failure.status, error: failure.proxyError, isShortage: failure.isShortage)
  }

  /// The request itself is refused; its connection ends with the answer.
  mutating func answerError(_ client: Int32, status: Int, termination: StaticString) {
    let pointer = clients + Int(client)
    // In the middle of a response nothing else can be said.
    if pointer.pointee.flags.contains(.responseBegun) { return abort(client, termination: termination) }
    pointer.pointee.exchange.finish(pool: &pools[Int(pointer.pointee.application)])
    if pointer.pointee.upstream >= 0 {
      closeUpstream(pointer.pointee.upstream)
      pointer.pointee.upstream = -1
    }
    pointer.pointee.flags.remove(.keepAlive)
    pointer.pointee.termination = Self.code(termination)
    // What the client still sends belongs to a request that is answered already.
    pointer.pointee.flags.insert(.lingerAfter)
    answer(client, status: status, error: nil, isShortage: false)
  }

  private mutating func answer(_ client: Int32, status: Int, error: StaticString?, isShortage: Bool) {
    let pointer = clients + Int(client)
    if phase != .running { pointer.pointee.flags.remove(.keepAlive) }
    endAfterUnreadBody(client)
    var writer = ByteWriter(UnsafeMutableRawBufferPointer(start: scratch, count: Self.scratchBytes))
    let reason = StatusText.reason(status)
    writer.append("HTTP/1.1 ")
    writer.append(decimal: UInt64(status))
    writer.append(byte: 0x20)
    writer.append(reason)
    writer.append("\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-cache\r\nContent-Length: ")
    let bodyLength =
      StatusText.before.utf8CodeUnitCount + 3 + 1 + reason.utf8CodeUnitCount + StatusText.middle.utf8CodeUnitCount
      + StatusText.text(status).utf8CodeUnitCount + StatusText.after.utf8CodeUnitCount
    writer.append(decimal: UInt64(bodyLength))
    writer.append("\r\n")
    if isShortage { writer.append("Retry-After: 1\r\n") }
    // The public learns no node names (rule D3).
    if let error, !isOutermost[Int(pointer.pointee.listener)] {
      writer.append("Proxy-Status: ")
      writer.append(nodeName)
      writer.append("; error=")
      writer.append(error)
      writer.append("\r\n")
    }
    appendDate(into: &writer)
    appendStrictTransport(client, into: &writer)
    appendPersistence(client, into: &writer)
    writer.append("\r\n")
    if !pointer.pointee.flags.contains(.isHead) {
      writer.append(StatusText.before)
      writer.append(decimal: UInt64(status))
      writer.append(byte: 0x20)
      writer.append(reason)
      writer.append(StatusText.middle)
      writer.append(StatusText.text(status))
      writer.append(StatusText.after)
    }
    pointer.pointee.status = Int32(status)
    sendAnswer(client, writer.position)
  }

  /// A TRACE or OPTIONS request that may go no further (RFC 9110 section 7.6.2): TRACE sees itself as received, without
  /// what is secret (section 9.3.8).
  mutating func answerMaxForwards(_ client: Int32, _ view: ByteView, _ head: RequestHead) {
    let pointer = clients + Int(client)
    var writer = ByteWriter(UnsafeMutableRawBufferPointer(start: scratch, count: Self.scratchBytes))
    writer.append("HTTP/1.1 200 OK\r\n")
    if head.method == .trace {
      var length = head.length - head.start
      for index in 0..<fields.count where isSecret(fields[index], view) { length -= fields[index].line.count }
      writer.append("Content-Type: message/http\r\nContent-Length: ")
      writer.append(decimal: UInt64(length))
    } else {
      writer.append("Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS, TRACE\r\nContent-Length: 0")
    }
    writer.append("\r\n")
    endAfterUnreadBody(client)
    appendDate(into: &writer)
    appendStrictTransport(client, into: &writer)
    appendPersistence(client, into: &writer)
    writer.append("\r\n")
    if head.method == .trace {
      writer.append(view.slice(head.start, head.fieldsStart))
      for index in 0..<fields.count where !isSecret(fields[index], view) { writer.append(view[fields[index].line]) }
      writer.append("\r\n")
    }
    pointer.pointee.status = 200
    sendAnswer(client, writer.position)
  }

  private mutating func isSecret(_ field: Field, _ view: ByteView) -> Bool {
    field.id == .cookie || field.id == .proxyAuthorization
      || view[field.name].equalsIgnoringCase(ByteView("authorization"))
  }

  mutating func sendAnswer(_ client: Int32, _ count: Int) {
    let pointer = clients + Int(client)
    stopWaiting(client)
    reactor.cancelReceive(pointer.pointee.socket)
    pointer.pointee.flags.remove(.receiving)
    pointer.pointee.state = .answering
    pointer.pointee.outputBodyCount = 0
    if pointer.pointee.headComplete == 0 { pointer.pointee.headComplete = now }
    resetPatience(client)
    setDeadline(client, .client, pointer.pointee.patience)
    if sendFromScratch(client, count) { answerSent(client) }
  }

  mutating func answerSent(_ client: Int32) {
    logRequest(client)
    next(client)
  }

  // MARK: The end of an exchange

  /// The response is with the client.
  mutating func finishResponse(_ client: Int32) {
    let pointer = clients + Int(client)
    let upstream = pointer.pointee.upstream
    pointer.pointee.exchange.finish(pool: &pools[Int(pointer.pointee.application)])
    if upstream >= 0 {
      pointer.pointee.upstream = -1
      let server = upstreams + Int(upstream)
      let isWhole = pointer.pointee.requestBody.isComplete && pointer.pointee.request.count == 0
      if server.pointee.keepAlive && isWhole && !server.pointee.isSending && !server.pointee.isOwn
        && !server.pointee.isDistrusted
      {
        keepIdle(upstream)
      } else {
        closeUpstream(upstream)
      }
    }
    logRequest(client)
    next(client)
  }

  /// The connection's next request, or its end.
  private mutating func next(_ client: Int32) {
    let pointer = clients + Int(client)
    precondition(pointer.pointee.upstream < 0, "a request's bytes may still be on their way")
    buffers.giveBack(&pointer.pointee.request)
    buffers.giveBack(&pointer.pointee.stash)
    pointer.pointee.outputBodyCount = 0
    reactor.cancelReceive(pointer.pointee.socket)
    pointer.pointee.flags.remove(.receiving)
    guard pointer.pointee.flags.contains(.keepAlive), !pointer.pointee.flags.contains(.ended) else {
      return endConnection(client)
    }
    // What stands in the list of those to go on with must be known to stand there.
    pointer.pointee.flags = pointer.pointee.flags.intersection(Client.Flags.ofConnection.union(.scheduled))
      .union([.reused, .keepAlive])
    pointer.pointee.scanned = 0
    pointer.pointee.started = now
    pointer.pointee.headComplete = 0
    if pointer.pointee.input.count > 0 {
      // The next request is here already; it is taken up after the other connections of this round, and nothing is known of it.
      endFlight(client)
      beginFlight(client)
      pointer.pointee.state = .head
      setDeadline(client, .request, applications[Int(pointer.pointee.application)].timeouts.request)
      schedule(client)
      return
    }
    buffers.giveBack(&pointer.pointee.input)
    endFlight(client)
    pointer.pointee.state = .idle
    setDeadline(client, .keepAlive, applications[Int(pointer.pointee.application)].timeouts.keepAlive)
    guard reactor.awaitInput(pointer.pointee.socket) else { return }
    // While others wait for a slot, this one goes behind them.
    if waitingTotal > 0 { schedule(client) } else { clientInput(client) }
  }

  /// The exchange cannot go on: the client sees that by a reset, never by an end that looks whole.
  mutating func abort(_ client: Int32, termination: StaticString) {
    let pointer = clients + Int(client)
    pointer.pointee.termination = Self.code(termination)
    logRequest(client)
    closeClient(client, reset: true)
  }

  /// The client does not take what is sent.
  mutating func clientLost(_ client: Int32) {
    let pointer = clients + Int(client)
    if pointer.pointee.termination == 0x2D2D {
      pointer.pointee.termination = Self.termination("C", pointer.pointee.exchange.state)
    }
    logRequest(client)
    closeClient(client)
  }

  // MARK: Tunnels

  mutating func clientEndedTunnel(_ client: Int32, _ result: Int) {
    let pointer = clients + Int(client)
    pointer.pointee.flags.insert(.ended)
    guard result == 0, pointer.pointee.upstream >= 0, !upstreams[Int(pointer.pointee.upstream)].ended else {
      return endTunnel(client)
    }
    reactor.shutdownSend(upstreams[Int(pointer.pointee.upstream)].socket)
  }

  mutating func serverEndedTunnel(_ client: Int32, _ result: Int) {
    let pointer = clients + Int(client)
    guard result == 0, !pointer.pointee.flags.contains(.ended) else { return endTunnel(client) }
    reactor.shutdownSend(pointer.pointee.socket)
  }

  /// The server takes nothing more. Where its own end has been passed on, what it sent before is still the client's.
  mutating func tunnelCutShort(_ client: Int32) {
    let pointer = clients + Int(client)
    guard pointer.pointee.upstream >= 0, upstreams[Int(pointer.pointee.upstream)].ended else {
      return endTunnel(client)
    }
    logRequest(client)
    pointer.pointee.exchange.finish(pool: &pools[Int(pointer.pointee.application)])
    closeUpstream(pointer.pointee.upstream)
    pointer.pointee.upstream = -1
    reactor.cancelReceive(pointer.pointee.socket)
    pointer.pointee.flags.remove(.receiving)
    linger(client)
  }

  private mutating func endTunnel(_ client: Int32) {
    logRequest(client)
    closeClient(client)
  }

  // MARK: Codes of the log

  static func code(_ text: StaticString) -> UInt16 {
    UInt16(text.utf8Start[0]) << 8 | UInt16(text.utf8Start[1])
  }

  /// Who ended it, and in which phase: as the reference's logs tell it.
  static func termination(_ who: StaticString, _ state: Exchange.State) -> UInt16 {
    let phase: UInt8 =
      switch state {
      case .idle: 0x52  // R
      case .awaitingTrial, .queued, .awaitingBudget: 0x51  // Q
      case .connecting: 0x43  // C
      case .awaitingResponse: 0x48  // H
      case .relaying: 0x44  // D
      case .done: 0x4C  // L
      }
    return UInt16(who.utf8Start[0]) << 8 | UInt16(phase)
  }
}

extension Exchange.Failure {
  /// Answered with Retry-After: it passes by itself.
  var isShortage: Bool {
    switch self {
    case .connectionLimitReached, .shed, .internalShortage, .destinationUnavailable: true
    case .connectionTerminated, .responseTimeout, .invalidResponse: false
    }
  }
}

/// Reason phrases and what a person reads.
enum StatusText {
  static let before: StaticString =
    "<!doctype html><meta name=color-scheme content=\"light dark\"><style>body{font:1.1em/1.5 system-ui,sans-serif;margin:15vh auto;max-width:34em;padding:0 1em}</style><title>Error</title><h1>"
  static let middle: StaticString = "</h1><p>"
  static let after: StaticString = "</p>\n"

  static func reason(_ status: Int) -> StaticString {
    switch status {
    case 200: "OK"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 307: "Temporary Redirect"
    case 308: "Permanent Redirect"
    case 400: "Bad Request"
    case 408: "Request Timeout"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 421: "Misdirected Request"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    case 508: "Loop Detected"
    default: "Error"
    }
  }

  static func text(_ status: Int) -> StaticString {
    switch status {
    case 408: "The request took too long to arrive."
    case 413: "The request's body is larger than is accepted here."
    case 414: "The address is longer than is accepted here."
    case 421: "No application answers to this host name here."
    case 431: "The request's header is larger than is accepted here."
    case 501: "The request asks for something that is not implemented."
    case 502: "The server's answer could not be used."
    case 503: "No server can take this request at the moment. Please try again."
    case 504: "The server did not answer in time."
    case 505: "Only HTTP/1.0 and HTTP/1.1 are spoken here."
    case 508: "The request has passed here before."
    default: "The request could not be understood."
    }
  }
}
