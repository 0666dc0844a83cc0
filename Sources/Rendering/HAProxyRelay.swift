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
    guard let application = plan.applications.first else { return }
    lines.add("timeout client \(HAProxyText.time(application.timeouts.tunnel))")
    lines.add("default_backend \(application.name)")
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
    HAProxyServers(plan, application).write(into: &lines)
  }
}
