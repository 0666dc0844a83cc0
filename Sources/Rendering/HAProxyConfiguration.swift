public import Topology

/// A node's plan as a configuration of HAProxy 2.6: the same listeners, tiers, cookies, checks and time-outs. What HAProxy does
/// otherwise stands in it as comments that begin with `Difference:`.
public struct HAProxyConfiguration: Sendable, Equatable {
  /// The configuration, lines ended by line ends.
  public let text: String

  /// The configuration of one node. Every plan has one.
  public init(_ plan: NodePlan) {
    var lines = HAProxyLines()
    lines.section(
      "# \(plan.name): \(plan.role.rawValue)\(plan.site.map { " of \($0)" } ?? "") in network \(plan.network)")
    Self.global(plan, into: &lines)
    Self.defaults(plan, into: &lines)
    if plan.role == .relay {
      HAProxyRelay(plan).write(into: &lines)
    } else {
      HAProxyFrontend(plan).write(into: &lines)
      for application in plan.applications { HAProxyBackend(plan, application).write(into: &lines) }
    }
    if plan.limits.connectionsPerSourceMax > 0 {
      lines.section("backend \(HAProxyFrontend.sourcesTable)")
      lines.add("stick-table type ipv6 size 1m expire 10m store conn_cur")
    }
    if let monitor = plan.monitor { HAProxyMonitor(plan, monitor).write(into: &lines) }
    if let page = plan.statusPage { HAProxyStatusPage(plan: plan, page: page).write(into: &lines) }
    text = lines.lines.joined(separator: "\n") + "\n"
  }

  /// Names of hosts are looked up by a section of their own.
  static func hasNames(_ plan: NodePlan) -> Bool {
    plan.applications.contains { application in
      application.pool.servers.contains { if case .host = $0.address { true } else { false } }
    }
  }

  private static func global(_ plan: NodePlan, into lines: inout HAProxyLines) {
    let limits = plan.limits
    lines.section("global")
    lines.add("log stdout format raw local0")
    if limits.workers > 0 { lines.add("nbthread \(min(limits.workers, 64))") }
    lines.add("maxconn \(limits.connectionsMax)")
    // As a node does: what the system does not give is not used.
    lines.add("no strict-limits")
    if let user = plan.user { lines.add("user \(user)") }
    if let group = plan.group { lines.add("group \(group)") }
    if let chroot = plan.chroot { lines.add("chroot \(HAProxyText.quoted(chroot))") }
    if let path = plan.pidPath { lines.add("pidfile \(HAProxyText.quoted(path))") }
    // No `hard-stop-after`: it bounds what follows SIGUSR1 and a reload, where a node waits without a bound, too.
    lines.difference("SIGTERM ends every connection at once, here after \(plan.shutdown.text) at the latest.")
    if plan.admin != nil {
      lines.difference(
        "no commands are taken: for HAProxy's own, which are others, add \"stats socket PATH mode 600 level admin\".")
    }
    // A buffer holds a head and what HAProxy adds to it.
    let added = 4096
    lines.add("tune.bufsize \(limits.headBytesMax + added)")
    lines.add("tune.maxrewrite \(added)")
    lines.add("tune.http.maxhdr \(min(limits.fieldsMax + 1, 32_767))")
    lines.difference("a head that is too long or has too many fields is answered 400, here 431.")
    if plan.grace > .zero {
      lines.difference(
        "a soft stop (SIGUSR1) closes the service together with the monitor: no grace of \(plan.grace.text).")
    }
    if let geo = plan.geo {
      lines.difference(
        geo.use == .tiers
          ? "all clients have one order of sites; here each has its own, by its place."
          : "the public is not sent to the address of a nearer site.")
    }
    if hasNames(plan) {
      lines.section("resolvers system")
      lines.add("parse-resolv-conf")
      lines.add("hold valid \(HAProxyText.time(plan.resolveInterval))")
    }
  }

  private static func defaults(_ plan: NodePlan, into lines: inout HAProxyLines) {
    lines.section("defaults")
    lines.add("mode http")
    lines.add("log global")
    lines.add("option httplog")
    lines.add("option dontlognull")
    lines.add("option redispatch 1")
    lines.difference("retries are not bounded by a budget of the requests in flight.")
    lines.difference(
      "a request of which a byte was sent is repeated only if it fits a buffer, and never for the sake of Proxy-Status."
    )
    lines.add("retry-on conn-failure empty-response")
    // HAProxy wants each of them in every section; those of an application's own stand in its backend.
    lines.add("timeout connect 1s")
    lines.add("timeout server 60s")
    let timeouts = plan.applications.map(\.timeouts)
    if let first = timeouts.first {
      lines.add("timeout client \(HAProxyText.time(first.client))")
      lines.add("timeout http-request \(HAProxyText.time(first.request))")
      lines.add("timeout http-keep-alive \(HAProxyText.time(first.keepAlive))")
      if timeouts.contains(where: {
        $0.client != first.client || $0.request != first.request || $0.keepAlive != first.keepAlive
      }) {
        lines.difference(
          "time-outs of clients are those of \(plan.applications[0].name) for all applications: they begin before the host is known."
        )
      }
    } else {
      lines.add("timeout client 60s")
    }
  }
}
