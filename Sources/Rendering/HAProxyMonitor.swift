internal import Topology

/// The health listener: the same statuses, and the field that geodirector's nodes understand.
struct HAProxyMonitor {
  let plan: NodePlan
  let address: Address

  init(_ plan: NodePlan, _ address: Address) {
    self.plan = plan
    self.address = address
  }

  func write(into lines: inout HAProxyLines) {
    lines.section("frontend \(plan.name)-monitor")
    lines.add("bind \(HAProxyText.address(address))" + (plan.monitorTLS.map(HAProxyTLS.bind) ?? ""))
    lines.add("option dontlog-normal")
    lines.difference("says nothing of drains and their deadlines; a server whose weight is 0 counts as admitting.")
    for application in plan.applications {
      let own = application.pool.servers.filter { plan.role != .siteDirector || $0.site == plan.site }
      for server in own {
        lines.add("acl admits-\(application.name) srv_is_up(\(application.name)/\(server.name))")
        lines.add("acl lives-\(application.name) srv_is_up(\(application.name)/\(server.name))")
        if server.admission != nil {
          let second = server.name + HAProxyServers.ownUsersSuffix
          lines.add("acl lives-\(application.name) srv_is_up(\(application.name)/\(second))")
        }
      }
      if own.isEmpty {
        lines.add("acl admits-\(application.name) always_false")
        lines.add("acl lives-\(application.name) always_false")
      }
      let asked = "{ path \(HAProxyText.quoted("/\(application.name)")) }"
      answers(admits: "\(asked) admits-\(application.name)", lives: "\(asked) lives-\(application.name)", into: &lines)
      lines.add(answer(admit: false, alive: false) + " if \(asked)")
    }
    for application in plan.applications {
      lines.add(answer(admit: true, alive: true) + " if admits-\(application.name)")
    }
    for application in plan.applications {
      lines.add(answer(admit: false, alive: true) + " if lives-\(application.name)")
    }
    lines.add(answer(admit: false, alive: false))
  }

  private func answers(admits: String, lives: String, into lines: inout HAProxyLines) {
    lines.add(answer(admit: true, alive: true) + " if \(admits)")
    lines.add(answer(admit: false, alive: true) + " if \(lives)")
  }

  private func answer(admit: Bool, alive: Bool) -> String {
    let field = "admit=?\(admit ? 1 : 0), alive=?\(alive ? 1 : 0), digest=\"\(plan.digest)\""
    let body = admit ? "admitting" : alive ? "own users only" : "down"
    return "http-request return status \(admit ? 200 : 503) content-type text/plain string \(HAProxyText.quoted(body))"
      + " hdr Geodirector-Health \(HAProxyText.format(field)) hdr Cache-Control no-store"
  }
}
