internal import Topology

/// A relay: one proxy that passes connections on.
struct HAProxyRelay {
  let plan: NodePlan

  init(_ plan: NodePlan) { self.plan = plan }

  func write(into lines: inout HAProxyLines) {
    lines.section("frontend \(plan.name)")
    lines.add("mode tcp")
    lines.add("option tcplog")
    let frontend = HAProxyFrontend(plan)
    frontend.binds(into: &lines)
    frontend.connections(into: &lines)
    guard let first = plan.applications.first else { return }
    lines.add("timeout client \(HAProxyText.time(first.timeouts.tunnel))")
    clients(into: &lines)
    choice(into: &lines)
    for application in plan.applications { backend(application, into: &lines) }
  }

  /// Whose certificates are let in.
  private func clients(into lines: inout HAProxyLines) {
    for (index, listener) in plan.listeners.enumerated() {
      guard let names = listener.tls?.clients?.names, !names.isEmpty else { continue }
      lines.difference("clients are known by the common name alone, and their connections closed after the handshake.")
      lines.add("tcp-request content reject if { so_id \(index + 1) }\(HAProxyTLS.isNobody(of: names))")
    }
  }

  /// The pool by what the client's TLS asks for: exact names first, then the longest wildcard.
  private func choice(into lines: inout HAProxyLines) {
    let rest = plan.applications.first { $0.hosts.isEmpty }
    let named = plan.applications.flatMap { application in application.hosts.map { (name: $0, to: application.name) } }
    if !named.isEmpty {
      lines.difference("a connection without ClientHello, or with a name for nobody, is closed without an alert.")
      lines.add("tcp-request inspect-delay \(HAProxyText.time(plan.applications[0].timeouts.request))")
      lines.add("tcp-request content accept if { ssl_fc }")
      lines.add("tcp-request content accept if { req.ssl_hello_type 1 }")
      lines.add("tcp-request content reject")
      let exact = named.filter { !$0.name.hasPrefix("*.") }
      let wildcards = named.filter { $0.name.hasPrefix("*.") }.sorted { $0.name.utf8.count > $1.name.utf8.count }
      for entry in exact { use(entry.to, "-m str -i \(entry.name)", into: &lines) }
      for entry in wildcards { use(entry.to, "-m end -i \(entry.name.dropFirst())", into: &lines) }
    }
    if let rest { lines.add("default_backend \(rest.name)") }
  }

  private func use(_ backend: String, _ match: String, into lines: inout HAProxyLines) {
    if plan.listeners.contains(where: { $0.tls == nil }) {
      lines.add("use_backend \(backend) if { req.ssl_sni \(match) }")
    }
    if plan.listeners.contains(where: { $0.tls != nil }) {
      lines.add("use_backend \(backend) if { ssl_fc_sni \(match) }")
    }
  }

  private func backend(_ application: ApplicationPlan, into lines: inout HAProxyLines) {
    lines.section("backend \(application.name)")
    lines.add("mode tcp")
    HAProxyBackend(plan, application).balance(into: &lines)
    lines.add("retries \(min(application.retries.attemptsMax - 1, max(1, application.pool.servers.count - 1)))")
    lines.add("timeout connect \(HAProxyText.time(application.timeouts.connect))")
    lines.add("timeout server \(HAProxyText.time(application.timeouts.tunnel))")
    lines.add("timeout queue \(HAProxyText.time(application.timeouts.queue))")
    HAProxyBackend(plan, application).check(into: &lines)
    if application.pool.tierCount > 1 {
      lines.difference(
        "a server that is dead but not yet seen so is never replaced by a backup; here the next tier is tried at once.")
      lines.add("option allbackups")
    }
    if plan.listeners.contains(where: { $0.tls?.protocols?.isEmpty == false }),
      application.pool.servers.contains(where: { $0.tls != nil })
    {
      lines.difference("what a client's TLS agreed on (ALPN) is not asked of the server.")
    }
    HAProxyServers(plan, application).write(into: &lines)
  }
}
