internal import CReactor
internal import HTTPMessage
internal import Reactor
internal import Topology

/// Connections that a proxy in front passes on and says of where they come from (the PROXY protocol).
extension Worker {
  /// Whether a peer's connections begin with a header: nobody else's are looked at for one, and theirs must have it.
  mutating func expectsProxyHeader(_ listener: Int, _ high: UInt64, _ low: UInt64) -> Bool {
    for network in proxyNetworks[listener] where network.contains(high, low) { return true }
    return false
  }

  /// Takes the header from the front of what was received; from then on the client's address is the one in it. False: there is
  /// nothing to parse behind it yet, or the connection is closed.
  mutating func takeProxyHeader(_ client: Int32) -> Bool {
    let pointer = clients + Int(client)
    let view = ByteView(
      UnsafeRawBufferPointer(start: pointer.pointee.input.first, count: pointer.pointee.input.count))
    switch parseProxyHeader(view) {
    case .complete(let header):
      pointer.pointee.flags.remove(.awaitsProxyHeader)
      if header.source != nil { pointer.pointee.flags.insert(.isProxied) }
      if let tls = header.tls {
        pointer.pointee.flags.insert(.cameByTLS)
        keepTold(client, ProxyTLSFields(tls, in: view))
      }
      pointer.pointee.input.start += header.length
      if let source = header.source {
        // The proxy itself has no bound; from here the connection counts for the source, which gives its place back at the end.
        if let sources = shared.sources, !sources.open(source.high, source.low) {
          shared.note(.source)
          closeClient(client)
          return false
        }
        pointer.pointee.peerHigh = source.high
        pointer.pointee.peerLow = source.low
        pointer.pointee.peerPort = header.sourcePort
        pointer.pointee.fromHigh = source.high
        pointer.pointee.fromLow = source.low
      }
      if listenerTraits[Int(pointer.pointee.listener)].isSecure {
        let early = ByteView(
          UnsafeRawBufferPointer(start: pointer.pointee.input.first, count: pointer.pointee.input.count))
        guard secure(client, early: early) else { return false }
        pointer.pointee.input.start = pointer.pointee.input.end
      }
      if isRelay {
        relayBehindHeader(client)
        return false
      }
      if pointer.pointee.input.count > 0 { return true }
      receiveHead(client)
      return false
    case .needMore:
      receiveHead(client)
      return false
    case .invalid:
      refuseProxyHeader(client)
      return false
    }
  }

  /// Closes the connection without an answer: who sends no header may not speak HTTP at all. The log has `PP`.
  mutating func refuseProxyHeader(_ client: Int32) {
    let pointer = clients + Int(client)
    pointer.pointee.termination = Self.code("PP")
    pointer.pointee.headComplete = now
    if isRelay { logRelay(client) } else { logRequest(client) }
    closeClient(client)
  }

  // MARK: Towards servers

  /// Tells a server just connected to who the client is. False: the connection is of no use.
  mutating func sendProxyHeader(_ client: Int32, _ upstream: Int32, _ version: ProxyProtocolVersion) -> Bool {
    if version == .version2 { learnToldTLS(client) }
    var writer = ByteWriter(UnsafeMutableRawBufferPointer(start: scratch, count: Self.scratchBytes))
    let route = route(client)
    switch version {
    case .version1: writer.append(proxyLine: route)
    case .version2: writer.append(proxyHeader: route, fields: clients[Int(client)].toldTLS.fields)
    }
    // A few hundred bytes fit into any fresh socket.
    return reactor.send(upstreams[Int(upstream)].socket, scratch, count: writer.position) == writer.position
  }

  /// Nil: one of the ends has no address.
  private mutating func route(_ client: Int32) -> ProxyRoute? {
    let pointer = clients + Int(client)
    var raw = cr_address()
    guard cr_local_address(reactor.descriptor(of: pointer.pointee.socket), &raw) >= 0 else { return nil }
    let local = SocketAddress(raw: raw).parts
    guard local.high != 0 || local.low != 0, pointer.pointee.peerHigh != 0 || pointer.pointee.peerLow != 0 else {
      return nil
    }
    return ProxyRoute(
      source: AddressBits(high: pointer.pointee.peerHigh, low: pointer.pointee.peerLow),
      sourcePort: pointer.pointee.peerPort, destination: AddressBits(high: local.high, low: local.low),
      destinationPort: local.port)
  }
}
