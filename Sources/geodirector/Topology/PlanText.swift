import Topology

/// A node's plan for people.
struct PlanText {
  let plan: NodePlan

  init(_ plan: NodePlan) { self.plan = plan }

  var text: String {
    var lines = ["\(plan.name): \(plan.role.rawValue)\(plan.site.map { " of \($0)" } ?? "") in network \(plan.network)"]
    func field(_ name: String, _ value: String) { lines.append("  " + padded(name) + value) }
    field("digest", plan.digest)
    field(
      "listen",
      plan.listeners.map(listener).joined(separator: ", "))
    if plan.user != nil || plan.group != nil {
      field("runs as", "user \(plan.user ?? "unchanged"), group \(plan.group ?? "of the user")")
    }
    if plan.chroot != nil || plan.pidPath != nil {
      field("process", "root \(plan.chroot ?? "of the machine"), pid file \(plan.pidPath ?? "none")")
    }
    field(
      "monitor", (plan.monitor?.description ?? "none") + (plan.monitorTLS.map { " (\($0.summary))" } ?? ""))
    if !plan.sources.isEmpty { field("source", plan.sources.map(\.hostText).joined(separator: ", ")) }
    if let admin = plan.admin { field("commands", admin.socketPath) }
    if let page = plan.statusPage {
      field("status page", "\(page.address)\(page.path), user \(page.user), password in \(page.password.text)")
    }
    if let notify = plan.notify {
      field("notify", "\(notify.command.joined(separator: " ")), every \(notify.interval.text) at most")
    }
    field("in front", plan.downstreamNodes.isEmpty ? "no node of ours" : plan.downstreamNodes.joined(separator: ", "))
    field("grace", "\(plan.grace.text), shutdown \(plan.shutdown.text), resolve every \(plan.resolveInterval.text)")
    if let geo = plan.geo {
      field(
        "sites",
        (geo.use == .tiers ? "each client's own order" : "the public is sent to a nearer one")
          + ", by \(geo.databasePath ?? "networks of the topology"); else "
          + geo.sites.map(\.name).joined(separator: ", ")
          + (geo.databasePath == nil ? "" : "; checked every \(geo.checkInterval.text)"))
    }
    field("limits", limits)
    if plan.timeScale != 1 { field("time scale", "\(plan.timeScale) (applied below)") }
    for application in plan.applications { lines += self.lines(of: application) }
    return lines.joined(separator: "\n")
  }

  private func listener(_ plan: ListenerPlan) -> String {
    var text = plan.address.description
    func note(_ words: String) { text += " (\(words))" }
    if plan.isPublic { note("public") }
    if plan.bindsFreely { note("bound freely") }
    if plan.connectionsMax > 0 { note("\(plan.connectionsMax) connections") }
    if !plan.proxyProtocol.isEmpty { note("PROXY protocol from \(names(plan.proxyProtocol))") }
    if !plan.monitorNetworks.isEmpty { note("only looked at from \(names(plan.monitorNetworks))") }
    if let tls = plan.tls { note(tls.summary) }
    if let hsts = plan.strictTransport { note("hsts \(hsts.fieldValue)") }
    if let redirect = plan.secureRedirect { note("redirects to https, port \(redirect.port), \(redirect.status)") }
    return text
  }

  private func padded(_ name: String) -> String { name + String(repeating: " ", count: max(1, 12 - name.count)) }

  private var limits: String {
    let limits = plan.limits
    let perSource =
      limits.connectionsPerSourceMax > 0
      ? "\(limits.connectionsPerSourceMax) per source\(limits.sourcesExempt.isEmpty ? "" : " (but \(names(limits.sourcesExempt)))"), "
      : ""
    return "\(limits.connectionsMax) connections, \(perSource)head \(formatSize(limits.headBytesMax)), "
      + "target \(formatSize(limits.targetBytesMax)), \(limits.fieldsMax) fields, "
      + "body \(limits.bodyBytesMax == 0 ? "unlimited" : formatSize(limits.bodyBytesMax)), "
      + "\(limits.pooledPerServerMax) pooled per server, \(limits.workers == 0 ? "a worker per core" : "\(limits.workers) workers")"
  }

  private func lines(of application: ApplicationPlan) -> [String] {
    let hosts = application.hosts.isEmpty ? "every host" : application.hosts.joined(separator: ", ")
    var lines = ["", "application \(application.name): \(hosts)"]
    if plan.role == .relay {
      let isAll = plan.applications.count == 1 && application.hosts.isEmpty
      lines[1] = isAll ? "connections" : "connections to \(application.hosts.isEmpty ? "any other name" : hosts)"
    }
    func field(_ name: String, _ value: String) { lines.append("  " + padded(name) + value) }
    if plan.role != .relay { field("cookie", application.cookie.map(cookie) ?? "none") }
    let pool = application.pool
    field("balance", "\(pool.algorithm.rawValue), queue \(pool.queueMax) per server" + options(of: pool))
    if plan.role != .siteBalancer, plan.role != .relay { field("failback", failback(pool.failback)) }
    let time = application.timeouts
    field(
      "timeouts",
      "request \(time.request.text), keep-alive \(time.keepAlive.text), client \(time.client.text), connect \(time.connect.text), "
        + "server \(time.server.text),")
    field(
      "",
      "queue \(time.queue.text), tunnel \(time.tunnel.text), unacknowledged \(time.unacknowledged.text), pooled \(time.pooled.text)"
    )
    let retries = application.retries
    field(
      "retries",
      "\(retries.attemptsMax) attempts, body \(formatSize(retries.bodyBytesMax)), budget \(retries.budgetPercent) % + \(retries.budgetMinimum)"
    )
    if plan.role != .relay { field("forwarded", forwarding(application.forwarding)) }
    for tier in 0..<pool.tierCount {
      let servers = pool.servers.filter { $0.tier == tier }
      lines.append("  tier \(tier)")
      var table = TextTable([
        "name", "site", "address", "cookie", "weight", "max", "check", "interval", "timeout", "rise/fall",
      ])
      for server in servers { rows(of: server).forEach { table.add($0) } }
      lines += table.lines(indent: 4)
      for server in servers {
        if let tls = server.tls { lines.append("    \(server.name): \(tls.summary)") }
        if let version = server.proxyProtocol {
          lines.append("    \(server.name): connections begin with a PROXY header, \(version.rawValue)")
        }
      }
    }
    return lines
  }

  /// A server's own row, then one for its admission check.
  private func rows(of server: ServerPlan) -> [[String]] {
    let maximum = server.maxConnections == 0 ? "-" : "\(server.maxConnections)"
    var rows = [
      [server.name, server.site, server.address.serviceText, server.cookieValue ?? "-", "\(server.weight)", maximum]
        + (server.liveness.map { check($0, role: server.admission == nil ? "" : "alive: ") } ?? ["none"])
    ]
    if let admission = server.admission {
      rows.append(["", "", "", "", "", ""] + check(admission, role: "admission: "))
    }
    return rows
  }

  private func check(_ check: CheckPlan, role: String) -> [String] {
    var what = "\(role)\(check.kind.word) \(check.address)"
    if case .http(let http) = check.kind {
      what = "\(role)\(check.tls == nil ? "" : "tls ")\(http.method) \(http.path) \(http.version) \(check.address)"
      if http.expectedStatus != [200...399] {
        what += " expects " + http.expectedStatus.map(statusText).joined(separator: ",")
      }
    }
    return [
      what, "\(check.interval.text) (fast \(check.fastInterval.text), down \(check.downInterval.text))",
      check.timeout.text, "\(check.rise)/\(check.fall)",
    ]
  }

  private func cookie(_ cookie: CookiePlan) -> String {
    var words = [cookie.name, cookie.mode.rawValue]
    if cookie.indirect { words.append("indirect") }
    if cookie.noCache { words.append("nocache") }
    if cookie.preserve { words.append("preserve") }
    if let path = cookie.path { words.append("path=\(path)") }
    if let domain = cookie.domain { words.append("domain=\(domain)") }
    if cookie.httpOnly { words.append("httponly") }
    if cookie.secure { words.append("secure") }
    if let sameSite = cookie.sameSite { words.append("samesite=\(sameSite.rawValue.lowercased())") }
    if let idle = cookie.maxIdle { words.append("maxidle=\(idle.text)") }
    if let life = cookie.maxLife { words.append("maxlife=\(life.text)") }
    if let signing = cookie.signing { words.append("signing=\(signing.phase.rawValue)") }
    return words.joined(separator: " ")
  }

  private func options(of pool: PoolPlan) -> String {
    (pool.persist ? ", persist" : "") + (pool.spill ? ", spill" : "")
      + (pool.capacity == 0 ? "" : ", capacity \(pool.capacity) requests")
  }

  private func failback(_ failback: Failback) -> String {
    switch failback {
    case .session: "session: nobody moves while a session lasts"
    case .immediate: "immediate: back as soon as home is"
    case .after(let duration): "after home has been stable for \(duration.text)"
    }
  }

  private func names(_ networks: [Network]) -> String { networks.map(\.description).joined(separator: ", ") }

  private func forwarding(_ plan: ForwardingPlan) -> String {
    var words: [String] = []
    if plan.forwardedFor {
      let except = names(plan.forwardedForExcept)
      words.append("for" + (except.isEmpty ? "" : " (except \(except))"))
    }
    if plan.forwardedProto { words.append("proto") }
    if plan.forwardedHost { words.append("host") }
    if plan.originalTo { words.append("original destination") }
    if !plan.trusted.isEmpty {
      let field = plan.clientField == .forwarded ? "Forwarded" : "X-Forwarded-For"
      words.append("client by \(field) from \(names(plan.trusted))")
    }
    return words.isEmpty ? "nothing added or believed" : words.joined(separator: "; ")
  }
}
