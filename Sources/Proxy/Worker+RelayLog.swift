internal import HTTPMessage
internal import Routing
internal import Topology

extension Worker {
  /// Writes the connection's line: HAProxy's tcplog form, then what came from the client, the port it used, and the decision.
  /// A connection on which nobody said anything is not told, unless it could not be served: it was a check of our port.
  ///
  /// - Parameter why: why there is no server. - Parameter name: what the client's TLS asked for, where no pool is for it.
  mutating func logRelay(_ client: Int32, why: StaticString = "-", name: ByteView? = nil) {
    let pointer = clients + Int(client)
    let isSilent = pointer.pointee.bytesOut == 0 && pointer.pointee.requestBody.total == 0
    let isServed = pointer.pointee.connectedAt != 0 || pointer.pointee.termination >> 8 == 0x43
    guard log.isOn, !(isSilent && isServed), let memory = log.line() else { return }
    var writer = ByteWriter(memory)
    appendPeer(client, into: &writer)
    writer.append(" [")
    let began = pointer.pointee.startRealtime
    clock.append(began == 0 ? now + realtimeOffset : began, into: &writer)
    writer.append("] ")
    writer.append(nodeName)
    writer.append(byte: 0x20)
    let application = Int(pointer.pointee.application)
    // Before a pool is chosen there is none to name.
    writer.append(pointer.pointee.state == .relay ? applications[application].name : nodeName)
    writer.append(byte: 0x2F)
    let server = pointer.pointee.exchange.server
    let hasServer = pointer.pointee.exchange.attempts > 0 && server >= 0 && pointer.pointee.chosen != 0
    if hasServer { writer.append(applications[application].servers[Int(server)].name) } else { writer.append("<none>") }
    writer.append(byte: 0x20)
    appendMilliseconds(pointer.pointee.headComplete, pointer.pointee.chosen, into: &writer)
    writer.append(byte: 0x2F)
    appendMilliseconds(pointer.pointee.chosen, pointer.pointee.connectedAt, into: &writer)
    writer.append(byte: 0x2F)
    appendMilliseconds(pointer.pointee.started, now, into: &writer)
    writer.append(byte: 0x20)
    writer.append(decimal: pointer.pointee.bytesOut)
    writer.append(byte: 0x20)
    writer.append(byte: UInt8(pointer.pointee.termination >> 8))
    writer.append(byte: UInt8(pointer.pointee.termination & 0xFF))
    writer.append(byte: 0x20)
    appendConnectionCounts(client, hasServer, into: &writer)
    writer.append(" 0/0 in=")
    writer.append(decimal: pointer.pointee.requestBody.total)
    writer.append(" port=")
    writer.append(decimal: UInt64(relayPorts[Int(pointer.pointee.listener)]))
    writer.append(" tier=")
    if hasServer {
      writer.append(decimal: UInt64(max(0, pools[application].rank(of: server, in: pointer.pointee.exchange.order))))
      writer.append(" why=")
      writer.append(pointer.pointee.exchange.reason.text)
    } else {
      writer.append("- why=")
      writer.append(why)
    }
    if let name {
      writer.append(" name=")
      // What came in a handshake may hold anything.
      for position in 0..<min(name.count, 255) {
        let byte = name[position]
        writer.append(byte: byte > 0x20 && byte < 0x7F ? byte : 0x3F)
      }
    }
    writer.append("\n")
    log.commit(writer.position)
  }
}
