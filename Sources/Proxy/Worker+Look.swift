internal import CReactor
internal import HTTPMessage
internal import Reactor
internal import Synchronization
internal import Topology

/// Connections of whoever only looks whether the node is there (HAProxy's `monitor-net`): neither passed on nor logged.
extension Worker {
  /// Whether a peer's connections are such.
  mutating func onlyLooks(_ listener: Int, _ high: UInt64, _ low: UInt64) -> Bool {
    for network in monitorNetworks[listener] where network.contains(high, low) { return true }
    return false
  }

  /// Something was received: whatever it is, the node is there. While it stops it says so, and who looks sends users elsewhere.
  mutating func answerLook(_ client: Int32) {
    let pointer = clients + Int(client)
    pointer.pointee.input.start = pointer.pointee.input.end
    pointer.pointee.flags.remove(.keepAlive)
    pointer.pointee.flags.insert([.logged, .lingerAfter])
    var writer = ByteWriter(UnsafeMutableRawBufferPointer(start: scratch, count: Self.scratchBytes))
    writer.append(isRunning ? "HTTP/1.0 200 OK\r\n" : "HTTP/1.0 503 Service Unavailable\r\n")
    writer.append("Cache-Control: no-cache\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    sendAnswer(client, writer.position)
  }

  /// The node takes connections, whatever plan this one is served by.
  private var isRunning: Bool {
    mutating get { phase == .running || shared.isRetired && !shared.process.isStopping.load(ordering: .relaxed) }
  }

  /// The address that the client connected to; not known of a connection that a proxy passed on.
  mutating func appendOriginalTo(_ client: Int32, into writer: inout ByteWriter) {
    let pointer = clients + Int(client)
    guard !pointer.pointee.flags.contains(.isProxied) else { return }
    var raw = cr_address()
    guard cr_local_address(reactor.descriptor(of: pointer.pointee.socket), &raw) >= 0 else { return }
    let parts = SocketAddress(raw: raw).parts
    guard parts.high != 0 || parts.low != 0 else { return }
    writer.append("X-Original-To: ")
    writer.append(addressHigh: parts.high, low: parts.low)
    writer.append("\r\n")
  }
}
