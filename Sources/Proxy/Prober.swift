internal import CReactor
internal import HTTPMessage
internal import Logging
internal import Reactor
internal import Routing
internal import TLS
internal import Topology

/// One check of one server.
struct Probe {
  enum Phase: UInt8 { case waiting, connecting, securing, sending, receiving }
  var application: Int
  var server: Int
  let check: HealthCheck
  var plan: CheckPlan
  /// The check is made over TLS. Nil: plain.
  var tls: ServerTLS?
  /// The check's own rise and fall, for the time of the next one.
  var state: CheckState
  var phase: Phase = .waiting
  /// Something was learned while it ran: its result is older than that, so another follows soon.
  var isDueAgain = false
  var socket: Reactor.Socket = .none
  var address: SocketAddress?
  var began: Int64 = 0
  var request: [UInt8] = []
  var sent = 0
  var memory: UnsafeMutableRawPointer?
  var received = 0
  /// Bytes of an answer's head at most.
  static let answerBytesMax = 4_096
}

/// Health checks: one connection each, closed with a reset so that thousands a second leave no waiting sockets behind.
extension Control {
  mutating func probeExpired(_ index: Int) {
    if probes[index].phase == .waiting {
      // Another process checks.
      if isHandedOver { return }
      // One is about to, and goes on from what it was told.
      if hasToldState { return wheel.arm(index, at: now + Self.soon) }
      begin(index)
    } else {
      let what = probes[index].phase == .securing ? "no end of the TLS handshake" : "no answer"
      finish(index, success: false, "\(what) within \(probes[index].plan.timeout)")
    }
  }

  private mutating func begin(_ index: Int) {
    probes[index].began = now
    let plan = probes[index].plan
    probes[index].address = target(index)
    guard let address = probes[index].address else {
      return finish(index, success: false, "\(plan.address) does not resolve")
    }
    do {
      probes[index].socket = try reactor.connect(
        to: address, userTimeoutMilliseconds: 0, token: Kind.probe.rawValue << 56 | UInt64(index))
      probes[index].phase = .connecting
      wheel.arm(index, at: now + plan.timeout.nanosecondsClamped)
    } catch {
      // Out of descriptors or ports says nothing of the server.
      let ours: [Int32] = [23, 24, 12, 105, 99]
      if ours.contains(error.code) {
        wheel.arm(index, at: now + 100_000_000)
      } else {
        finish(index, success: false, error.description)
      }
    }
  }

  /// Where the check goes: names follow what the resolver found for the server.
  private func target(_ index: Int) -> SocketAddress? {
    let probe = probes[index]
    if let fixed = AddressBook.fixed(probe.plan.address).first { return fixed }
    guard case .host(_, let port) = probe.plan.address,
      let found = shared.addresses.first(application: probe.application, server: probe.server)
    else { return nil }
    let parts = found.parts
    if parts.high == 0 && parts.low >> 32 == 0xFFFF {
      return SocketAddress(ipv4: UInt32(truncatingIfNeeded: parts.low), port: port)
    }
    return SocketAddress(ipv6: parts.high, parts.low, port: port)
  }

  mutating func probeCompleted(_ index: Int, _ completion: Reactor.Completion) {
    switch (probes[index].phase, completion.operation) {
    case (.connecting, .connect):
      guard completion.result == 0 else {
        return finish(index, success: false, SystemError(code: Int32(completion.result)).description)
      }
      if case .tcp = probes[index].plan.kind { return finish(index, success: true, "connected") }
      guard sendProxyHeader(index) else { return finish(index, success: false, "the connection broke") }
      if probes[index].tls != nil { secure(index) } else { ask(index) }
    case (.securing, .connect): secured(index, completion.result)
    case (.sending, .send):
      guard completion.result > 0 else { return finish(index, success: false, broken(index)) }
      probes[index].sent += completion.result
      send(index)
    case (.receiving, .receive): received(index, completion.result)
    case (.sending, .hangup), (.receiving, .hangup): finish(index, success: false, broken(index))
    default: break
    }
  }

  /// Says that the connection is the node's own, where a header is expected. False: it could not.
  private mutating func sendProxyHeader(_ index: Int) -> Bool {
    guard let version = probes[index].plan.proxyProtocol else { return true }
    return withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { memory in
      var writer = ByteWriter(memory)
      switch version {
      case .version1: writer.append(proxyLine: nil)
      case .version2: writer.append(proxyHeader: nil)
      }
      return reactor.send(probes[index].socket, memory.baseAddress!, count: writer.position) == writer.position
    }
  }

  /// Begins the handshake.
  private mutating func secure(_ index: Int) {
    let descriptor = reactor.descriptor(of: probes[index].socket)
    guard let connection = probes[index].tls?.connect(descriptor) else {
      return finish(index, success: false, "no memory for TLS")
    }
    reactor.attach(probes[index].socket, connection.release())
    probes[index].phase = .securing
    let result = reactor.establish(probes[index].socket)
    if result != Reactor.pending { secured(index, result) }
  }

  private mutating func secured(_ index: Int, _ result: Int) {
    if result == 0 { ask(index) } else { finish(index, success: false, broken(index)) }
  }

  /// Why a connection broke, as far as it is known.
  private mutating func broken(_ index: Int) -> String {
    guard let transport = reactor.transport(of: probes[index].socket), let failure = TLSFacts(transport).failure else {
      return "the connection broke"
    }
    return "TLS failed: \(failure)"
  }

  private mutating func ask(_ index: Int) {
    probes[index].request = request(index)
    probes[index].sent = 0
    probes[index].received = 0
    probes[index].memory = .allocate(byteCount: Probe.answerBytesMax, alignment: 8)
    probes[index].phase = .sending
    send(index)
  }

  private mutating func request(_ index: Int) -> [UInt8] {
    guard case .tlsHello(let name) = probes[index].plan.kind else { return Array(requestText(index).utf8) }
    let random = (0..<ByteWriter.clientHelloRandomBytes).map { _ in UInt8.random(in: 0...255, using: &self.random) }
    return [UInt8](unsafeUninitializedCapacity: 1_024) { memory, count in
      var writer = ByteWriter(UnsafeMutableRawBufferPointer(memory))
      Array((name ?? "").utf8).withUnsafeBytes { name in
        random.withUnsafeBytes { writer.append(clientHelloFor: ByteView(name), random: ByteView($0)) }
      }
      count = writer.position
    }
  }

  private func requestText(_ index: Int) -> String {
    let probe = probes[index]
    switch probe.plan.kind {
    case .tcp, .tlsHello: return ""
    case .http(let check):
      let host = check.host ?? (check.version == "1.1" ? "\(probe.plan.address)" : nil)
      return "\(check.method) \(check.path) HTTP/\(check.version)\r\n" + (host.map { "Host: \($0)\r\n" } ?? "")
        + "User-Agent: geodirector-check\r\nConnection: close\r\n\r\n"
    case .monitor:
      return
        "GET /\(shared.plan.applications[probe.application].name) HTTP/1.1\r\nHost: monitor\r\nConnection: close\r\n\r\n"
    }
  }

  private mutating func send(_ index: Int) {
    while probes[index].sent < probes[index].request.count {
      let offset = probes[index].sent
      // A request of a few hundred bytes fits into any fresh socket, so that it never stays pending with its memory gone.
      let result = probes[index].request.withUnsafeBytes {
        reactor.send(probes[index].socket, $0.baseAddress! + offset, count: $0.count - offset)
      }
      guard result > 0 else { return finish(index, success: false, broken(index)) }
      probes[index].sent += result
    }
    probes[index].phase = .receiving
    receive(index)
  }

  private mutating func receive(_ index: Int) {
    while probes[index].phase == .receiving {
      let room = Probe.answerBytesMax - probes[index].received
      guard room > 0 else { return judgeLongHead(index) }
      let result = reactor.receive(
        probes[index].socket, into: probes[index].memory! + probes[index].received, count: room)
      if result == Reactor.pending { return }
      guard take(index, result) else { return }
    }
  }

  private mutating func received(_ index: Int, _ result: Int) {
    if take(index, result) { receive(index) }
  }

  /// Takes received bytes in. False: the check is over.
  private mutating func take(_ index: Int, _ result: Int) -> Bool {
    guard result > 0 else {
      let isEnd = result == 0 || result == TLSFacts.truncation
      finish(index, success: false, isEnd ? "the connection was closed before an answer" : broken(index))
      return false
    }
    probes[index].received += result
    let view = ByteView(UnsafeRawBufferPointer(start: probes[index].memory!, count: probes[index].received))
    if case .tlsHello = probes[index].plan.kind { return judge(index, hello: HelloAnswer(view)) }
    var head = ResponseHead()
    let isHead: Bool = if case .http(let check) = probes[index].plan.kind { check.method == "HEAD" } else { false }
    switch parseResponseHead(
      view, toHead: isHead, limits: HeadLimits(headBytesMax: Probe.answerBytesMax), head: &head, into: &fields)
    {
    case .needMore: return true
    case .invalid(.headTooLong):
      judgeLongHead(index)
      return false
    case .invalid(let error):
      finish(index, success: false, "the answer is malformed: \(error.text)")
      return false
    case .complete:
      judge(index, head, view)
      return false
    }
  }

  /// False: the check is over.
  private mutating func judge(_ index: Int, hello: HelloAnswer) -> Bool {
    switch hello {
    case .needMore: return true
    case .hello: finish(index, success: true, "ServerHello")
    case .alert(let number): finish(index, success: false, "TLS alert \(number)")
    case .notTLS: finish(index, success: false, "the answer is not TLS")
    }
    return false
  }

  private mutating func judge(_ index: Int, _ head: ResponseHead, _ view: ByteView) {
    let probe = probes[index]
    switch probe.plan.kind {
    case .tcp, .tlsHello: finish(index, success: true, "connected")
    case .http(let check):
      let good = check.expectedStatus.contains { $0.contains(head.status) }
      finish(index, success: good, "status \(head.status)")
    case .monitor:
      guard let field = fields.firstIndex(named: ByteView("Geodirector-Health"), in: view) else {
        // Something else answers there: its status is all there is.
        return finish(index, success: head.status < 400, "status \(head.status)")
      }
      let text = String(decoding: view[fields[field].value].rawBuffer, as: UTF8.self)
      finish(index, statement: HealthStatement(parsing: text))
    }
  }

  /// The head is longer than is kept: its status line is enough for an http check.
  private mutating func judgeLongHead(_ index: Int) {
    let line = UnsafeRawBufferPointer(start: probes[index].memory!, count: 13)
    guard case .http(let check) = probes[index].plan.kind, line.starts(with: "HTTP/1.".utf8),
      let status = Int(String(decoding: line[9..<12], as: UTF8.self))
    else { return finish(index, success: false, "the answer's head is too long") }
    finish(index, success: check.expectedStatus.contains { $0.contains(status) }, "status \(status)")
  }

  // MARK: The end of a check

  /// Another process checks from now on.
  mutating func endChecks() {
    for index in probes.indices where probes[index].phase != .waiting {
      if probes[index].socket != .none { reactor.close(probes[index].socket, reset: true) }
      probes[index].socket = .none
      probes[index].memory?.deallocate()
      probes[index].memory = nil
      probes[index].phase = .waiting
    }
  }

  private mutating func finish(_ index: Int, statement: HealthStatement) {
    let probe = probes[index]
    let site = sites[probe.application][probe.server]
    if probe.began > hintedAt[probe.application][site] {
      shared.applications[probe.application].hints.end(
        site: site, by: MonitorStatement(admit: statement.admit, alive: statement.alive))
    }
    if let digest = statement.digest, digest != shared.digest {
      let name = shared.plan.applications[probe.application].pool.servers[probe.server].name
      if digestsWarned.insert("\(name) \(digest)").inserted {
        logger.warning(
          "\(shared.plan.name): \(name) runs with another topology file (digest \(digest), here \(shared.digest))")
      }
    }
    change(probe.application, probe.server, "its monitor says so") {
      $0.record(
        probe.check,
        statement: MonitorStatement(admit: statement.admit, alive: statement.alive, drainDeadline: statement.deadline),
        now: $1)
    }
    rest(index, success: true, settled: statement.alive)
  }

  private mutating func finish(_ index: Int, success: Bool, _ cause: String) {
    let probe = probes[index]
    let what = probe.check == .admission ? "admission check" : "check"
    // The next check of a name with several addresses asks the one behind. An answer that refuses new users is no failure of
    // the address: the server's own users stay with it.
    if !success, probe.check == .liveness, let address = probe.address {
      shared.addresses.passOver(address, application: probe.application, server: probe.server)
    }
    change(probe.application, probe.server, "\(what): \(cause)") {
      $0.record(probe.check, success: success, now: $1)
    }
    rest(index, success: success, settled: true)
  }

  private mutating func rest(_ index: Int, success: Bool, settled: Bool) {
    if probes[index].socket != .none { reactor.close(probes[index].socket, reset: true) }
    probes[index].socket = .none
    probes[index].memory?.deallocate()
    probes[index].memory = nil
    probes[index].request = []
    probes[index].phase = .waiting
    _ = probes[index].state.record(success: success, now: now)
    remember(
      probes[index].check, of: probes[index].application, probes[index].server, began: probes[index].began,
      succeeded: success)
    let delay =
      settled ? probes[index].state.nextDelay(random: &random) : probes[index].plan.downInterval.nanosecondsClamped
    wheel.arm(index, at: now + (probes[index].isDueAgain ? min(delay, Self.soon) : max(delay, 1_000_000)))
    probes[index].isDueAgain = false
  }
}

/// What a monitor's answer says: the field `Geodirector-Health`, a dictionary as of RFC 9651.
struct HealthStatement: Equatable {
  var admit = true
  var alive = true
  var deadline: Int64?
  var digest: String?
  /// Nobody is believed alive, and the node itself is in service: it tries all of them before it refuses a user (rule C3). For who moves
  /// addresses between nodes; the tiers in front go by `alive`.
  var serves = false

  init(admit: Bool, alive: Bool, deadline: Int64?, digest: String?, serves: Bool = false) {
    self.serves = serves
    self.admit = admit
    self.alive = alive
    self.deadline = deadline
    self.digest = digest
  }

  /// Reads a field value; members that are not known are passed over.
  init(parsing text: String) {
    for member in text.split(separator: ",") {
      let pair = member.split(separator: "=", maxSplits: 1).map { $0.filter { $0 != " " && $0 != "\"" } }
      guard let key = pair.first else { continue }
      let value = pair.count > 1 ? pair[1] : "?1"
      switch key {
      case "admit": admit = value != "?0"
      case "alive": alive = value != "?0"
      case "deadline": deadline = Int64(value)
      case "digest": digest = value
      case "serves": serves = value != "?0"
      default: break
      }
    }
  }

  /// The field value.
  var text: String {
    "admit=?\(admit ? 1 : 0), alive=?\(alive ? 1 : 0)" + (deadline.map { ", deadline=\($0)" } ?? "")
      + (digest.map { ", digest=\"\($0)\"" } ?? "") + (serves ? ", serves=?1" : "")
  }
}
