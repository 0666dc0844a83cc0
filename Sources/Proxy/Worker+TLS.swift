internal import HTTPMessage
internal import Reactor
internal import Routing
internal import TLS
internal import Topology

/// TLS of connections: put in place when they begin; from then on the same operations carry it, and only failures differ.
extension Worker {
  // MARK: Clients

  /// Whether the client's connection came to a listener with TLS.
  @inline(__always)
  mutating func isSecure(_ client: Int32) -> Bool { listenerTraits[Int(clients[Int(client)].listener)].isSecure }

  /// Whether the client speaks TLS: with us, or with who passes its connection on and tells so by a PROXY protocol header.
  @inline(__always)
  mutating func speaksTLS(_ client: Int32) -> Bool {
    isSecure(client) || clients[Int(client)].flags.contains(.cameByTLS)
  }

  /// Puts TLS between the client's socket and what is received from it. `early`: what came of it behind a PROXY header. False: the
  /// connection is closed, for want of memory.
  mutating func secure(_ client: Int32, early: ByteView) -> Bool {
    let pointer = clients + Int(client)
    let descriptor = reactor.descriptor(of: pointer.pointee.socket)
    guard let connection = secrets?.takeUnretainedValue().listeners[Int(pointer.pointee.listener)]?.accept(descriptor),
      connection.feed(early.rawBuffer)
    else {
      shared.note(.acceptShortage)
      closeClient(client)
      return false
    }
    reactor.attach(pointer.pointee.socket, connection.release())
    return true
  }

  /// No request came over a connection with TLS: its end, or why TLS failed.
  mutating func secureClientLost(_ client: Int32) {
    let pointer = clients + Int(client)
    guard let transport = reactor.transport(of: pointer.pointee.socket) else { return closeClient(client) }
    let facts = TLSFacts(transport)
    // Who says nothing, as port checks do, or leaves between requests, is no trouble.
    guard facts.hasReceived, facts.hasProtocolFailure || !facts.isEstablished, let failure = facts.failure else {
      return closeClient(client)
    }
    noteClientTrouble(client, failure, name: facts.nameRefusal == nil ? nil : facts.serverName)
    guard facts.hasProtocolFailure else { return closeClient(client) }
    // The alert is on its way: closing with bytes unread would reset the connection and take it from the client.
    reactor.detach(pointer.pointee.socket)
    linger(client)
  }

  /// A client that never came to its first request is closed: the handshake may be what it did not finish.
  mutating func noteUnfinishedHandshake(_ client: Int32) {
    guard let transport = reactor.transport(of: clients[Int(client)].socket) else { return }
    let facts = TLSFacts(transport)
    guard facts.hasReceived, !facts.isEstablished else { return }
    secrets?.takeUnretainedValue().listeners[Int(clients[Int(client)].listener)]?.counts.noteUnfinished()
    noteClientTrouble(client, "the handshake was not finished in time")
  }

  /// - Parameter name: what it asked for, where that is the reason.
  private mutating func noteClientTrouble(_ client: Int32, _ reason: String, name: String? = nil) {
    let pointer = clients + Int(client)
    let place = Troubles.Place.listener(Int(pointer.pointee.listener))
    if shared.troubles.note(place, reason, pointer.pointee.peerHigh, pointer.pointee.peerLow, name: name) {
      shared.controlWaker.wake()
    }
  }

  // MARK: Servers

  /// Begins the handshake with a server just connected to: 0, `pending`, or what went wrong.
  mutating func secure(upstream: Int32) -> Int {
    let pointer = upstreams + Int(upstream)
    pointer.pointee.isSecured = true
    let descriptor = reactor.descriptor(of: pointer.pointee.socket)
    let server = secrets?.takeUnretainedValue().servers[Int(pointer.pointee.application)][Int(pointer.pointee.server)]
    guard let connection = server?.connect(descriptor) else { return Self.noMemory }
    // What a relay's client and its TLS agreed on is what its server is to speak.
    if isRelay, !connection.offer(protocolOfClient(pointer.pointee.client)) { return Self.noMemory }
    reactor.attach(pointer.pointee.socket, connection.release())
    return reactor.establish(pointer.pointee.socket)
  }

  private static let noMemory = -12

  private mutating func protocolOfClient(_ client: Int32) -> String? {
    guard client >= 0, let transport = reactor.transport(of: clients[Int(client)].socket) else { return nil }
    return TLSFacts(transport).applicationProtocol
  }

  /// The connection under way to a server is given up: if TLS is why, the log tells.
  mutating func noteServerTrouble(_ upstream: Int32) {
    let pointer = upstreams + Int(upstream)
    guard pointer.pointee.isSecured, let transport = reactor.transport(of: pointer.pointee.socket) else { return }
    let facts = TLSFacts(transport)
    let isOver = facts.isEstablished && pointer.pointee.isDistrusted
    if facts.failure == nil, !isOver {
      let servers = secrets?.takeUnretainedValue().servers
      servers?[Int(pointer.pointee.application)][Int(pointer.pointee.server)]?.counts.noteUnfinished()
    }
    let ended = isOver ? "its certificate is accepted no more" : "the handshake was not finished in time"
    let reason = facts.failure ?? ended
    let place = Troubles.Place.server(Int(pointer.pointee.application), Int(pointer.pointee.server))
    if shared.troubles.note(place, reason) { shared.controlWaker.wake() }
  }

  /// The server let TLS fail before it answered the first request: with TLS 1.3 it learns who we are when we may send already.
  /// No request was looked at then.
  mutating func isRejected(_ upstream: Int32) -> Bool {
    let pointer = upstreams + Int(upstream)
    guard pointer.pointee.isSecured, !pointer.pointee.wasKept, pointer.pointee.input.count == 0,
      let transport = reactor.transport(of: pointer.pointee.socket)
    else { return false }
    // A record that was changed on its way says nothing of the request: only the server's own word does.
    return TLSFacts(transport).isRejected
  }
}
