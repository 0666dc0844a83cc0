internal import CReactor
internal import HTTPMessage
internal import Reactor
internal import Routing
internal import TLS
internal import Topology

/// What comes before a relay's connection has a server: the handshake of TLS that ends here; or, where a pool is chosen by name and TLS
/// is passed through, the ClientHello, which is looked at and goes to the server as it came.
///
/// While it is waited for, `timeouts: {request}` runs. What was looked at waits in `input`.
extension Worker {
  /// A connection is there, and who it comes from is known.
  mutating func openRelay(_ client: Int32) {
    if isSecure(client) {
      let result = reactor.establish(clients[Int(client)].socket)
      if result != Reactor.pending { relayEstablished(client, result) }
    } else if serverNames.areNeeded {
      lookForHello(client)
    } else {
      beginRelay(client, application: 0)
    }
  }

  /// The handshake of a client's TLS is over.
  mutating func relayEstablished(_ client: Int32, _ result: Int) {
    let pointer = clients + Int(client)
    guard pointer.pointee.state == .idle else { return }
    guard let transport = reactor.transport(of: pointer.pointee.socket) else { return secureClientLost(client) }
    guard result == 0 else {
      if let refusal = TLSFacts(transport).nameRefusal { refuseName(client, transport, refusal) }
      return secureClientLost(client)
    }
    guard isLetIn(client) else { return closeClient(client) }
    guard serverNames.areNeeded else { return beginRelay(client, application: 0) }
    var name = TLSFacts(transport).serverName ?? ""
    let application = name.withUTF8 {
      serverNames.application(for: $0.isEmpty ? nil : ByteView(UnsafeRawBufferPointer($0)))
    }
    if let application { return beginRelay(client, application: application) }
    name.withUTF8 { refuseRelay(client, "PR", why: "no-pool", name: ByteView(UnsafeRawBufferPointer($0))) }
    closeClient(client)
  }

  /// Tells the log of a name that was refused; the alert is on its way already.
  private mutating func refuseName(
    _ client: Int32, _ transport: UnsafeMutablePointer<cr_transport>, _ refusal: NameRefusal
  ) {
    var name = TLSFacts(transport).serverName ?? ""
    name.withUTF8 {
      refuseRelay(
        client, "PR", why: refusal == .notServed ? "no-pool" : "no-certificate",
        name: ByteView(UnsafeRawBufferPointer($0)))
    }
  }

  // MARK: TLS that is passed through

  /// Looks for a whole ClientHello in what was received, and chooses the pool by its name.
  mutating func lookForHello(_ client: Int32) {
    let pointer = clients + Int(client)
    guard pointer.pointee.input.count > 0 else { return receiveHello(client) }
    pointer.pointee.state = .head
    let view = ByteView(
      UnsafeRawBufferPointer(start: pointer.pointee.input.first, count: pointer.pointee.input.count))
    switch ClientHelloParser.parse(
      view, scratch: UnsafeMutableRawBufferPointer(start: scratch, count: Self.scratchBytes))
    {
    case .needMore: receiveHello(client)
    case .invalid(let error):
      refuseRelay(client, "PR", why: error == .notTLS ? "not-tls" : "bad-hello", name: nil)
      linger(client)
    case .complete(let hello):
      if let application = serverNames.application(for: hello.serverName) {
        return beginRelay(client, application: application)
      }
      refuseRelay(client, "PR", why: "no-pool", name: hello.serverName)
      // A fatal alert, unrecognized_name, in the clear: nothing else was agreed on yet (RFC 8446 section 6.2).
      let alert: [UInt8] = [21, 3, 1, 0, 2, 2, 112]
      _ = alert.withUnsafeBytes { reactor.send(pointer.pointee.socket, $0.baseAddress!, count: $0.count) }
      linger(client)
    }
  }

  /// Receives more of it; who has said nothing yet holds no memory.
  private mutating func receiveHello(_ client: Int32) {
    let pointer = clients + Int(client)
    guard makeRoomForHello(client) else {
      refuseRelay(client, "PR", why: "bad-hello", name: nil)
      return linger(client)
    }
    let result = reactor.receive(
      pointer.pointee.socket, into: pointer.pointee.input.free, count: pointer.pointee.input.room)
    guard result == Reactor.pending else { return helloReceived(client, result) }
    guard pointer.pointee.input.count == 0 else { return }
    reactor.cancelReceive(pointer.pointee.socket)
    buffers.giveBack(&pointer.pointee.input)
    _ = reactor.awaitInput(pointer.pointee.socket)
  }

  /// False: it is longer than the largest buffer, in records of next to nothing.
  private mutating func makeRoomForHello(_ client: Int32) -> Bool {
    let pointer = clients + Int(client)
    if !pointer.pointee.input.isHeld { pointer.pointee.input = buffers.takeSmall() }
    if pointer.pointee.input.start > 0 { pointer.pointee.input.compact() }
    if pointer.pointee.input.room > 0 { return true }
    guard pointer.pointee.input.size != .large else { return false }
    var larger = buffers.take(for: pointer.pointee.input.capacity + 1)
    larger.free.copyMemory(from: pointer.pointee.input.first, byteCount: pointer.pointee.input.count)
    larger.end = pointer.pointee.input.count
    buffers.giveBack(&pointer.pointee.input)
    pointer.pointee.input = larger
    return true
  }

  /// More of it was received, or it will never come.
  mutating func helloReceived(_ client: Int32, _ result: Int) {
    let pointer = clients + Int(client)
    guard result > 0 else {
      // Who comes and goes without a word is a check of our port.
      if pointer.pointee.input.count > 0 { refuseRelay(client, "CR", why: "no-hello", name: nil) }
      return closeClient(client)
    }
    pointer.pointee.input.end += result
    lookForHello(client)
  }

  /// It did not come in time.
  mutating func helloIsLate(_ client: Int32) {
    refuseRelay(client, "cR", why: "no-hello", name: nil)
    closeClient(client)
  }

  /// Tells the log why there is no server for a connection.
  private mutating func refuseRelay(_ client: Int32, _ code: StaticString, why: StaticString, name: ByteView?) {
    beginFlight(client)
    let pointer = clients + Int(client)
    pointer.pointee.startRealtime = now + realtimeOffset
    pointer.pointee.headComplete = now
    pointer.pointee.termination = Self.code(code)
    pointer.pointee.requestBody.total = UInt64(pointer.pointee.input.count)
    logRelay(client, why: why, name: name)
  }
}
