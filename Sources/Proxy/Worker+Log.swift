internal import CReactor
internal import HTTPMessage
internal import Routing
internal import Synchronization
internal import Topology

/// The date of log lines, written anew once a second.
struct LogClock {
  private var second: Int64 = -1
  private var text: InlineArray<20, UInt8> = .init(repeating: 0)

  /// `21/Nov/2026:04:00:00.123`, local time.
  @inline(__always)
  mutating func append(_ realtime: Int64, into writer: inout ByteWriter) {
    let seconds = realtime / 1_000_000_000
    if seconds != second { refresh(seconds) }
    for index in 0..<20 { writer.append(byte: text[index]) }
    writer.append(byte: 0x2E)
    writer.append(decimal: UInt64(realtime / 1_000_000 % 1_000), digits: 3)
  }

  private mutating func refresh(_ seconds: Int64) {
    second = seconds
    var parts: (Int32, Int32, Int32, Int32, Int32, Int32) = (0, 0, 0, 0, 0, 0)
    withUnsafeMutableBytes(of: &parts) { cr_local_time(seconds, $0.baseAddress!.assumingMemoryBound(to: Int32.self)) }
    let months: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"
    var bytes: (UInt64, UInt64, UInt64) = (0, 0, 0)
    withUnsafeMutableBytes(of: &bytes) { memory in
      var writer = ByteWriter(memory)
      writer.append(decimal: UInt64(parts.2), digits: 2)
      writer.append(byte: 0x2F)
      writer.append(ByteView(months.utf8Start + Int(parts.1 - 1) * 3, count: 3))
      writer.append(byte: 0x2F)
      writer.append(decimal: UInt64(parts.0), digits: 4)
      writer.append(byte: 0x3A)
      writer.append(decimal: UInt64(parts.3), digits: 2)
      writer.append(byte: 0x3A)
      writer.append(decimal: UInt64(parts.4), digits: 2)
      writer.append(byte: 0x3A)
      writer.append(decimal: UInt64(parts.5), digits: 2)
      for index in 0..<20 { text[index] = memory[index] }
    }
  }
}

extension Worker {
  /// Bytes that a request line takes in the log; the rest is cut.
  private static let requestLineMax = 1_024

  /// Writes the request's line (HAProxy's httplog form, then the decision: tier, site, reason, and attempts at later tiers).
  mutating func logRequest(_ client: Int32) {
    let pointer = clients + Int(client)
    guard log.isOn, !pointer.pointee.flags.contains(.logged) else { return }
    pointer.pointee.flags.insert(.logged)
    // A connection that brought no request is no request.
    guard pointer.pointee.status != 0 || pointer.pointee.headComplete != 0, let memory = log.line() else { return }
    // The end of the line has its place, whatever the rest comes to.
    var writer = ByteWriter(UnsafeMutableRawBufferPointer(rebasing: memory.dropLast()))
    let app = applications + Int(pointer.pointee.application)
    let isPeer =
      pointer.pointee.fromHigh == pointer.pointee.peerHigh && pointer.pointee.fromLow == pointer.pointee.peerLow
    if !isPeer {
      // Whom proxies name has no port.
      writer.append(addressHigh: pointer.pointee.fromHigh, low: pointer.pointee.fromLow)
      writer.append(":0")
    } else {
      appendPeer(client, into: &writer)
    }
    writer.append(" [")
    clock.append(
      pointer.pointee.startRealtime == 0 ? now + realtimeOffset : pointer.pointee.startRealtime, into: &writer)
    writer.append("] ")
    writer.append(nodeName)
    writer.append(byte: 0x20)
    writer.append(app.pointee.name)
    writer.append(byte: 0x2F)
    let server = pointer.pointee.exchange.server
    let hasServer = pointer.pointee.exchange.attempts > 0 && server >= 0 && pointer.pointee.chosen != 0
    if hasServer { writer.append(app.pointee.servers[Int(server)].name) } else { writer.append("<none>") }
    writer.append(byte: 0x20)
    appendTimes(client, into: &writer)
    writer.append(byte: 0x20)
    if pointer.pointee.status == 0 {
      writer.append("-1")
    } else {
      writer.append(decimal: UInt64(pointer.pointee.status))
    }
    writer.append(byte: 0x20)
    writer.append(decimal: pointer.pointee.bytesOut)
    writer.append(byte: 0x20)
    let named = pointer.pointee.namedGroup
    if named >= 0,
      let value = app.pointee.servers[Int(pools[Int(pointer.pointee.application)].bearer(of: named))].cookieValue
    {
      writer.append(value)
    } else {
      writer.append("-")
    }
    writer.append(byte: 0x20)
    if pointer.pointee.flags.contains(.cookieSet), hasServer, let value = app.pointee.servers[Int(server)].cookieValue {
      writer.append(value)
    } else {
      writer.append("-")
    }
    writer.append(byte: 0x20)
    writer.append(byte: UInt8(pointer.pointee.termination >> 8))
    writer.append(byte: UInt8(pointer.pointee.termination & 0xFF))
    writer.append("-- ")
    appendCounts(client, hasServer, into: &writer)
    appendRequestLine(client, into: &writer)
    writer.append(" tier=")
    if hasServer {
      let rank = pools[Int(pointer.pointee.application)].rank(of: server, in: pointer.pointee.exchange.order)
      writer.append(decimal: UInt64(max(0, rank)))
    } else {
      writer.append("-")
    }
    writer.append(" site=")
    let redirected = Int(pointer.pointee.redirectedTier)
    if hasServer {
      writer.append(app.pointee.servers[Int(server)].site)
    } else if redirected >= 0, let redirects = app.pointee.redirects {
      writer.append(redirects.sites[redirected])
    } else {
      writer.append("-")
    }
    writer.append(" why=")
    writer.append(hasServer ? pointer.pointee.exchange.reason.text : redirected >= 0 ? "redirect" : Reason.none.text)
    writer.append(" away=")
    writer.append(decimal: UInt64(pointer.pointee.exchange.attempts > 0 ? pointer.pointee.exchange.attemptsAway : 0))
    if !isPeer {
      writer.append(" peer=")
      appendPeer(client, into: &writer)
    }
    memory[writer.position] = 0x0A
    log.commit(writer.position + 1)
    // What comes next on the connection, and cannot be read, is the peer's.
    pointer.pointee.fromHigh = pointer.pointee.peerHigh
    pointer.pointee.fromLow = pointer.pointee.peerLow
  }

  mutating func appendPeer(_ client: Int32, into writer: inout ByteWriter) {
    let pointer = clients + Int(client)
    writer.append(addressHigh: pointer.pointee.peerHigh, low: pointer.pointee.peerLow)
    writer.append(byte: 0x3A)
    writer.append(decimal: UInt64(pointer.pointee.peerPort))
  }

  /// `TR/Tw/Tc/Tr/Ta` in milliseconds: request, waiting, connect, response, all; -1 for what was not reached.
  private mutating func appendTimes(_ client: Int32, into writer: inout ByteWriter) {
    let pointer = clients + Int(client)
    let head = pointer.pointee.headComplete
    appendMilliseconds(pointer.pointee.started, head, into: &writer)
    writer.append(byte: 0x2F)
    appendMilliseconds(head, pointer.pointee.chosen, into: &writer)
    writer.append(byte: 0x2F)
    appendMilliseconds(pointer.pointee.chosen, pointer.pointee.connectedAt, into: &writer)
    writer.append(byte: 0x2F)
    appendMilliseconds(pointer.pointee.connectedAt, pointer.pointee.responseAt, into: &writer)
    writer.append(byte: 0x2F)
    appendMilliseconds(pointer.pointee.started, now, into: &writer)
  }

  mutating func appendMilliseconds(_ from: Int64, _ to: Int64, into writer: inout ByteWriter) {
    if from == 0 || to < from { writer.append("-1") } else { writer.append(decimal: UInt64((to - from) / 1_000_000)) }
  }

  /// `actconn/feconn/beconn/srvconn/retries srvqueue/bequeue`.
  private mutating func appendCounts(_ client: Int32, _ hasServer: Bool, into writer: inout ByteWriter) {
    appendConnectionCounts(client, hasServer, into: &writer)
    writer.append(" 0/0 \"")
  }

  mutating func appendConnectionCounts(_ client: Int32, _ hasServer: Bool, into writer: inout ByteWriter) {
    let pointer = clients + Int(client)
    let connections = UInt64(max(0, shared.connections.count))
    let loads = shared.applications[Int(pointer.pointee.application)].loads
    writer.append(decimal: connections)
    writer.append(byte: 0x2F)
    writer.append(decimal: connections)
    writer.append(byte: 0x2F)
    writer.append(decimal: UInt64(max(0, loads.totalInFlight)))
    writer.append(byte: 0x2F)
    writer.append(decimal: hasServer ? UInt64(max(0, loads.inFlight(pointer.pointee.exchange.server))) : 0)
    writer.append(byte: 0x2F)
    writer.append(decimal: UInt64(max(0, pointer.pointee.exchange.attempts - 1)))
  }

  private mutating func appendRequestLine(_ client: Int32, into writer: inout ByteWriter) {
    let pointer = clients + Int(client)
    let length = Int(pointer.pointee.requestLine)
    guard length > 0, pointer.pointee.request.isHeld else {
      writer.append("<BADREQ>\"")
      return
    }
    writer.append(
      quoted: ByteView(UnsafeRawBufferPointer(start: pointer.pointee.request.base, count: length)),
      bytesMax: Self.requestLineMax)
    writer.append(pointer.pointee.flags.contains(.isHTTP10) ? " HTTP/1.0\"" : " HTTP/1.1\"")
  }
}
