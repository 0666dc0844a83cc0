internal import Topology

/// The `server` lines of one application.
///
/// A server with an admission port stands there twice, as the architecture guide has it: once for new users, checked at that
/// port, and once as a backup for its own users, checked at its service, with the same cookie.
struct HAProxyServers {
  let plan: NodePlan
  let application: ApplicationPlan
  /// What the second entry of a server has behind its name: no name of a server has a dot.
  static let ownUsersSuffix = ".own"

  init(_ plan: NodePlan, _ application: ApplicationPlan) {
    self.plan = plan
    self.application = application
  }

  private var servers: [ServerPlan] { application.pool.servers }

  func write(into lines: inout HAProxyLines) {
    remarks(into: &lines)
    for server in servers {
      lines.add(line(server, name: server.name, check: server.admission ?? server.liveness, isBackup: server.tier > 0))
    }
    for server in servers where server.admission != nil {
      lines.add(
        line(server, name: server.name + Self.ownUsersSuffix, check: server.liveness, isBackup: true))
    }
  }

  /// Where connections to an address leave from. Of a host name the kind is not known here: HAProxy looks for one of the source's kind.
  private func source(towards address: Address) -> Address? {
    plan.sources.first { source in
      switch (source, address) {
      case (.ipv4, .ipv4), (.ipv6, .ipv6), (_, .host): true
      default: false
      }
    }
  }

  private func remarks(into lines: inout HAProxyLines) {
    let values = servers.compactMap(\.cookieValue)
    if Set(values).count < values.count {
      lines.difference("of several servers with one cookie value the first usable serves all returning users.")
    }
    let isTwice = servers.contains { $0.admission != nil }
    if isTwice, application.pool.tierCount == 1 {
      // With nobody admitting, whoever lives takes new users, as here (rule F2).
      lines.add("option allbackups")
    }
    if isTwice, servers.contains(where: { $0.maxConnections > 0 }) {
      lines.difference("each of a server's two entries counts its connections for itself.")
    }
    if application.pool.queueMax == 0, servers.contains(where: { $0.maxConnections > 0 }) {
      lines.difference("a queue cannot be forbidden: maxqueue 1 is the least.")
    }
    if servers.contains(where: { $0.isNode }) {
      lines.difference("a node's Proxy-Status is not believed: its 503 goes to the client.")
    }
  }

  private func line(_ server: ServerPlan, name: String, check: CheckPlan?, isBackup: Bool) -> String {
    var line = "server \(name) \(HAProxyText.address(server.address))"
    if let value = server.cookieValue, application.cookie != nil { line += " cookie \(HAProxyText.quoted(value))" }
    line += " weight \(server.weight)"
    if server.maxConnections > 0 {
      line += " maxconn \(server.maxConnections) maxqueue \(max(1, application.pool.queueMax))"
    }
    if let check {
      line += " check\(HAProxyText.checkTarget(check, of: server))"
      line += " inter \(HAProxyText.time(check.interval)) fastinter \(HAProxyText.time(check.fastInterval))"
      line += " downinter \(HAProxyText.time(check.downInterval)) rise \(check.rise) fall \(check.fall)"
    }
    if let source = source(towards: server.address) { line += " source \(HAProxyText.bareHost(source))" }
    line += HAProxyTLS.server(server, check: check)
    if server.slowStart > .zero { line += " slowstart \(HAProxyText.time(server.slowStart))" }
    if application.timeouts.unacknowledged > .zero {
      line += " tcp-ut \(HAProxyText.time(application.timeouts.unacknowledged))"
    }
    if plan.role != .relay {
      line += " pool-max-conn \(plan.limits.pooledPerServerMax)"
      line += " pool-purge-delay \(HAProxyText.time(application.timeouts.pooled))"
    }
    if case .host = server.address { line += " resolvers system init-addr last,libc,none" }
    if isBackup { line += " backup" }
    return line
  }
}
