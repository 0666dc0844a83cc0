internal import Topology

/// One application's servers and what is done to its requests.
struct HAProxyBackend {
  let plan: NodePlan
  let application: ApplicationPlan

  init(_ plan: NodePlan, _ application: ApplicationPlan) {
    self.plan = plan
    self.application = application
  }

  private var pool: PoolPlan { application.pool }

  func write(into lines: inout HAProxyLines) {
    lines.section("backend \(application.name)")
    balance(into: &lines)
    cookie(into: &lines)
    forwarding(into: &lines)
    retries(into: &lines)
    timeouts(into: &lines)
    check(into: &lines)
    poolRules(into: &lines)
    HAProxyServers(plan, application).write(into: &lines)
  }

  func balance(into lines: inout HAProxyLines) {
    let isByClient = pool.algorithm == .source || pool.algorithm == .rendezvous
    if isByClient, !application.forwarding.trusted.isEmpty {
      lines.difference("goes by who connected; here by the client that trusted networks name.")
    }
    switch pool.algorithm {
    case .random: lines.add("balance random(2)")
    case .rendezvous:
      lines.difference(
        "a consistent hash of the client's address; here rendezvous, of the session's name if there is one.")
      lines.add("balance source")
      lines.add("hash-type consistent")
    case .source:
      lines.difference("hashes otherwise: a client may get another server than here.")
      lines.add("balance source")
    case .roundRobin, .staticRoundRobin, .leastConnections, .first: lines.add("balance \(pool.algorithm.rawValue)")
    }
  }

  private func cookie(into lines: inout HAProxyLines) {
    guard let cookie = application.cookie else { return }
    var line = "cookie \(HAProxyText.word(cookie.name))"
    switch cookie.mode {
    case .passive: break
    case .insert:
      line += " insert"
      if cookie.indirect { line += " indirect" }
      if cookie.preserve { line += " preserve" }
      if let path = cookie.path, path != "/" { lines.difference("the cookie's path is \"/\"; here \(path).") }
    case .prefix:
      line += " prefix"
      lines.difference(
        "a client whose server is down keeps the cookie that names it, unless the application sets another; here it gets the new server's."
      )
    }
    if cookie.mode != .passive {
      if cookie.noCache { line += " nocache" }
      if cookie.httpOnly { line += " httponly" }
      if cookie.secure { line += " secure" }
      if let domain = cookie.domain { line += " domain \(domain)" }
      if let sameSite = cookie.sameSite { line += " attr SameSite=\(sameSite.rawValue)" }
    }
    if cookie.mode == .insert {
      if let idle = cookie.maxIdle { line += " maxidle \(HAProxyText.seconds(idle))" }
      if let life = cookie.maxLife { line += " maxlife \(HAProxyText.seconds(life))" }
    } else if cookie.maxIdle != nil || cookie.maxLife != nil {
      lines.difference("the cookie's idle and life limits hold only where it is inserted; here also at this node.")
    }
    lines.add(line)
  }

  private func forwarding(into lines: inout HAProxyLines) {
    let forwarding = application.forwarding
    let isIPv4 = { (network: Network) in network.prefixLength >= 96 && network.high == 0 }
    if forwarding.forwardedFor {
      switch forwarding.forwardedForExcept.count {
      case 0: lines.add("option forwardfor")
      case 1 where isIPv4(forwarding.forwardedForExcept[0]):
        lines.add("option forwardfor except \(forwarding.forwardedForExcept[0])")
      default:
        // The option knows one network only.
        lines.add(
          "http-request add-header X-Forwarded-For %[src] unless { src \(HAProxyText.networks(forwarding.forwardedForExcept)) }"
        )
      }
    }
    if forwarding.originalTo { lines.add("option originalto") }
    if forwarding.forwardedProto {
      let scheme = plan.listeners.contains { $0.tls != nil } ? "%[ssl_fc,iif(https,http)]" : "http"
      lines.add("http-request set-header X-Forwarded-Proto \(scheme) unless { req.hdr(X-Forwarded-Proto) -m found }")
    }
    if forwarding.forwardedHost {
      lines.add(
        "http-request set-header X-Forwarded-Host %[req.hdr(host)] unless { req.hdr(X-Forwarded-Host) -m found }")
    }
  }

  private func retries(into lines: inout HAProxyLines) {
    // HAProxy goes round among the servers it knows, and here each candidate is tried once.
    let others = max(1, pool.servers.count - 1)
    let retries = min(application.retries.attemptsMax - 1, others)
    lines.add("retries \(retries)")
    if retries > 0 {
      lines.add("http-request disable-l7-retry unless { method \(HAProxyText.idempotentMethods) }")
    }
  }

  private func timeouts(into lines: inout HAProxyLines) {
    let timeouts = application.timeouts
    if plan.limits.pooledPerServerMax == 0 { lines.add("option http-server-close") }
    lines.add("timeout connect \(HAProxyText.time(timeouts.connect))")
    lines.add("timeout server \(HAProxyText.time(timeouts.server))")
    lines.add("timeout queue \(HAProxyText.time(timeouts.queue))")
    lines.add("timeout tunnel \(HAProxyText.time(timeouts.tunnel))")
  }

  /// One sort of check for all servers of a backend is all that HAProxy knows.
  func check(into lines: inout HAProxyLines) {
    let checks = pool.servers.flatMap { [$0.admission, $0.liveness].compactMap { $0 } }
    guard let first = checks.first else { return }
    let longest = checks.map(\.timeout).max() ?? first.timeout
    if checks.contains(where: { $0.timeout != longest }) {
      lines.difference("all checks have the longest of their time-outs.")
    }
    lines.add("timeout check \(HAProxyText.time(longest))")
    let monitors = checks.count { $0.kind == .monitor }
    if monitors > 0 {
      lines.difference(
        "a monitor that admits no new users counts as down, also for its own users; what it says of drains is not understood."
      )
      if monitors < checks.count {
        lines.difference(
          "servers without a monitor are asked like monitors: any answer below 500 of their service counts.")
      }
      lines.add("option httpchk")
      lines.add("http-check send meth GET uri / ver HTTP/1.1 hdr Host \(HAProxyText.format(plan.name))")
      // A monitor answers 200 or 503, a service whatever it likes.
      lines.add("http-check expect status \(monitors < checks.count ? "100-499" : "200")")
      return
    }
    if checks.contains(where: { if case .tlsHello = $0.kind { true } else { false } }) {
      return helloCheck(into: &lines)
    }
    guard case .http(let request) = first.kind else { return }
    lines.add("option httpchk")
    var send =
      "http-check send meth \(request.method) uri \(HAProxyText.format(request.path)) ver HTTP/\(request.version)"
    if let host = request.host {
      send += " hdr Host \(HAProxyText.format(host))"
    } else if request.version == "1.1" {
      lines.difference("one Host field for all servers; here each server's own address.")
      send += " hdr Host \(HAProxyText.format("\(pool.servers[0].address)"))"
    }
    lines.add(send)
    let expected = request.expectedStatus.map { range in
      range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
    }
    lines.add("http-check expect status \(expected.joined(separator: ","))")
  }

  /// A server that speaks TLS, asked without a handshake.
  private func helloCheck(into lines: inout HAProxyLines) {
    lines.difference(
      "the check's hello is one of SSL 3.0, without a name, and an alert counts as well; here a ServerHello alone.")
    lines.add("option ssl-hello-chk")
  }

  private func poolRules(into lines: inout HAProxyLines) {
    if pool.persist { lines.add("option persist") }
    if pool.spill { lines.difference("a full tier does not spill into the next.") }
    if pool.capacity > 0 {
      lines.difference("new users are not shed above \(pool.capacity) requests in flight.")
    }
    switch pool.failback {
    case .session: break
    case .immediate:
      if application.cookie != nil {
        lines.difference("users of a backup with its cookie stay there; here they go home at once.")
      }
    case .after(let time):
      lines.difference("users of a backup with its cookie stay there; here they go home after \(time.text).")
    }
    guard pool.tierCount > 1 else { return }
    lines.difference(
      "a server that is dead but not yet seen so is never replaced by a backup; here the next tier is tried at once.")
    if pool.tierCount == 2 {
      lines.add("option allbackups")
    } else {
      lines.difference("of the backups only the first usable one is used, so that sites keep their order.")
    }
  }
}
