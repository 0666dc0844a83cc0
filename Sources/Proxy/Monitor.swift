internal import CReactor
internal import HTTPMessage
internal import Operations
internal import Reactor
internal import Routing
internal import Synchronization
internal import TLS
internal import Topology

/// A connection to the monitor: one request, one answer.
struct MonitorClient {
  var socket: Reactor.Socket = .none
  var memory: UnsafeMutableRawPointer?
  var received = 0
  /// When it was accepted, and who it comes from.
  var began: Int64 = 0
  var place = Upstream.Place(high: 0, low: 0)
  /// Bytes of a request's head at most.
  static let requestBytesMax = 2_048
}

/// The monitor: what this node says of itself to the tiers in front of it (rule E1). `/APPLICATION` asks for one
/// application, any other path for all. 200 while new users are admitted, 503 else, so that other checkers understand it, too.
extension Control {
  mutating func monitorAccepted(_ result: Int) {
    guard result >= 0 else {
      // No descriptor of our own: look again in a moment.
      reactor.close(monitorSocket)
      monitorSocket = .none
      wheel.arm(probes.count + Self.monitorClientsMax, at: now + 100_000_000)
      return
    }
    let place = Upstream.Place(reactor.acceptedPeer)
    if freeMonitorClients.isEmpty { makeMonitorRoom(for: place) }
    guard let slot = freeMonitorClients.popLast() else {
      _ = cr_close(Int32(result))
      return
    }
    guard
      let socket = reactor.adopt(Int32(result), token: Kind.monitorClient.rawValue << 56 | UInt64(slot))
    else {
      _ = cr_close(Int32(result))
      freeMonitorClients.append(slot)
      return
    }
    if let tls = shared.secrets?.monitor {
      guard let connection = tls.accept(Int32(result)) else {
        reactor.close(socket)
        freeMonitorClients.append(slot)
        return
      }
      reactor.attach(socket, connection.release())
    }
    monitorClients[slot].socket = socket
    monitorClients[slot].memory = .allocate(byteCount: MonitorClient.requestBytesMax, alignment: 8)
    monitorClients[slot].received = 0
    monitorClients[slot].began = now
    monitorClients[slot].place = place
    wheel.arm(probes.count + slot, at: now + 5_000_000_000)
    receiveRequest(slot)
  }

  /// All places are taken, by connections without a whole request: whoever has its own is answered at once. The oldest goes. A source with
  /// a quarter of the places or more loses one of its own, so that a crowd of one pushes nobody else out.
  private mutating func makeMonitorRoom(for place: Upstream.Place) {
    var oldest: Int?
    var own: Int?
    var ownCount = 0
    for slot in monitorClients.indices where monitorClients[slot].socket != .none {
      let client = monitorClients[slot]
      if oldest.map({ client.began < monitorClients[$0].began }) ?? true { oldest = slot }
      guard client.place == place else { continue }
      ownCount += 1
      if own.map({ client.began < monitorClients[$0].began }) ?? true { own = slot }
    }
    guard let slot = ownCount >= Self.monitorClientsMax / 4 ? own : oldest else { return }
    noteMonitorUnfinished(slot, "the handshake was not finished when others needed its place")
    closeMonitorClient(slot)
  }

  /// The time of a client is up.
  mutating func monitorClientExpired(_ slot: Int) {
    noteMonitorUnfinished(slot, "the handshake was not finished in time")
    closeMonitorClient(slot)
  }

  private mutating func noteMonitorUnfinished(_ slot: Int, _ reason: String) {
    guard let transport = reactor.transport(of: monitorClients[slot].socket) else { return }
    let facts = TLSFacts(transport)
    // Who says nothing, as port checks do, is no trouble.
    guard facts.hasReceived, !facts.isEstablished else { return }
    shared.secrets?.monitor?.counts.noteUnfinished()
    _ = shared.troubles.note(.monitor, reason)
  }

  mutating func monitorCompleted(_ slot: Int, _ completion: Reactor.Completion) {
    switch completion.operation {
    case .receive: if takeRequest(slot, completion.result) { receiveRequest(slot) }
    default: closeMonitorClient(slot)
    }
  }

  private mutating func receiveRequest(_ slot: Int) {
    while let memory = monitorClients[slot].memory {
      let room = MonitorClient.requestBytesMax - monitorClients[slot].received
      guard room > 0 else { return closeMonitorClient(slot) }
      let result = reactor.receive(
        monitorClients[slot].socket, into: memory + monitorClients[slot].received, count: room)
      if result == Reactor.pending { return }
      guard takeRequest(slot, result) else { return }
    }
  }

  private mutating func takeRequest(_ slot: Int, _ result: Int) -> Bool {
    guard result > 0, let memory = monitorClients[slot].memory else {
      noteMonitorTrouble(slot)
      closeMonitorClient(slot)
      return false
    }
    monitorClients[slot].received += result
    let view = ByteView(UnsafeRawBufferPointer(start: memory, count: monitorClients[slot].received))
    var head = RequestHead()
    switch parseRequestHead(
      view, limits: HeadLimits(headBytesMax: MonitorClient.requestBytesMax), head: &head, into: &fields)
    {
    case .needMore: return true
    case .invalid:
      answer(slot, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    case .complete:
      let path = String(decoding: view[head.path].rawBuffer, as: UTF8.self)
      answer(slot, answerText(path: path, isHead: head.method == .head))
    }
    return false
  }

  private func answerText(path: String, isHead: Bool) -> String {
    let name = path.dropFirst().prefix { $0 != "?" }
    let plan = shared.plan
    let asked = plan.applications.indices.filter { plan.applications[$0].name == name }
    var statements: [HealthStatement] = []
    for application in asked.isEmpty ? Array(plan.applications.indices) : asked {
      statements.append(statement(of: application))
    }
    let isAlive = statements.contains { $0.alive }
    let isInService = nodeOrder.state != .maintenance && !shared.process.isStopping.load(ordering: .relaxed)
    let all = HealthStatement(
      admit: statements.contains { $0.admit }, alive: isAlive, deadline: statements.compactMap(\.deadline).min(),
      digest: shared.digest, serves: !isAlive && isInService)
    let body =
      (all.admit ? "admitting\n" : all.alive ? "own users only\n" : "down\n") + handshakeText + shared.countsText
    return "HTTP/1.1 \(all.admit ? "200 OK" : "503 Service Unavailable")\r\nGeodirector-Health: \(all.text)\r\n"
      + "Content-Type: text/plain\r\nContent-Length: \(body.utf8.count)\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
      + (isHead ? "" : body)
  }

  private var handshakeText: String {
    guard let all = shared.secrets?.handshakes else { return "" }
    let failed = all.reduce(0) { $0 + $1.failed.values.reduce(0, +) }
    return "tls-handshakes-full \(all.reduce(0) { $0 + $1.full })\n"
      + "tls-handshakes-resumed \(all.reduce(0) { $0 + $1.resumed })\ntls-handshakes-failed \(failed)\n"
  }

  /// What this node can do for an application by itself: a director speaks for the balancers of its own site.
  func statement(of application: Int) -> HealthStatement {
    let plan = shared.plan
    let servers = plan.applications[application].pool.servers
    var said = MonitorStatement.nobody
    let seconds = cr_realtime() / 1_000_000_000
    for server in servers.indices where plan.role != .siteDirector || servers[server].site == plan.site {
      said.include(health[application][server], weight: servers[server].weight, seconds: seconds)
    }
    // What the operator wants of the node is what it says of itself: the tiers in front lead users by it (rule F2).
    return HealthStatement(
      admit: said.admit && !shared.process.isStopping.load(ordering: .relaxed) && nodeOrder.state == .ready,
      alive: said.alive && nodeOrder.state != .maintenance, deadline: nodeOrder.deadline, digest: nil)
  }

  private mutating func answer(_ slot: Int, _ text: String) {
    var text = text
    // An answer of a few hundred bytes fits into any fresh socket.
    _ = text.withUTF8 { reactor.send(monitorClients[slot].socket, $0.baseAddress!, count: $0.count) }
    reactor.shutdownSend(monitorClients[slot].socket)
    closeMonitorClient(slot)
  }

  /// Why TLS failed with somebody who asked.
  private mutating func noteMonitorTrouble(_ slot: Int) {
    guard let transport = reactor.transport(of: monitorClients[slot].socket) else { return }
    let facts = TLSFacts(transport)
    guard facts.hasReceived, facts.hasProtocolFailure || !facts.isEstablished, let failure = facts.failure else {
      return
    }
    _ = shared.troubles.note(.monitor, failure)
  }

  mutating func closeMonitorClient(_ slot: Int) {
    guard monitorClients[slot].socket != .none else { return }
    reactor.close(monitorClients[slot].socket)
    monitorClients[slot].socket = .none
    monitorClients[slot].memory?.deallocate()
    monitorClients[slot].memory = nil
    wheel.cancel(probes.count + slot)
    freeMonitorClients.append(slot)
  }
}
