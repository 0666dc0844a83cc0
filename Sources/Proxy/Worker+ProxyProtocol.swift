internal import HTTPMessage
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
}
