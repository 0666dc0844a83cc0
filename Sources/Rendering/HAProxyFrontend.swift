internal import Topology

/// The service's listeners and what is done to every request.
struct HAProxyFrontend {
  let plan: NodePlan
  /// Where connections are counted by source.
  static let sourcesTable = "connections-by-source"

  init(_ plan: NodePlan) { self.plan = plan }

  func write(into lines: inout HAProxyLines) {
    lines.section("frontend \(plan.name)")
    binds(into: &lines)
    connections(into: &lines)
    limits(into: &lines)
    HAProxyTLS.rules(plan, into: &lines)
    forwarding(into: &lines)
    applications(into: &lines)
  }

  func binds(into lines: inout HAProxyLines) {
    for (index, listener) in plan.listeners.enumerated() {
      var line = "bind \(HAProxyText.address(listener.address)) id \(index + 1)"
      if listener.connectionsMax > 0 { line += " maxconn \(listener.connectionsMax)" }
      if listener.bindsFreely { line += " transparent" }
      lines.add(line + HAProxyTLS.bind(listener))
    }
    if plan.listeners.contains(where: \.bindsFreely) {
      lines.difference("\"transparent\" needs CAP_NET_ADMIN or CAP_NET_RAW; bind: free (IP_FREEBIND) needs nothing.")
    }
  }

  func connections(into lines: inout HAProxyLines) {
    for (index, listener) in plan.listeners.enumerated() where !listener.proxyProtocol.isEmpty {
      lines.add(
        "tcp-request connection expect-proxy layer4 if { so_id \(index + 1) } { src \(HAProxyText.networks(listener.proxyProtocol)) }"
      )
    }
    looks(into: &lines)
    let limits = plan.limits
    guard limits.connectionsPerSourceMax > 0 else { return }
    let exempt = limits.sourcesExempt.isEmpty ? "" : " !{ src \(HAProxyText.networks(limits.sourcesExempt)) }"
    lines.difference("an IPv6 source is one address; here it is a /64.")
    lines.add("tcp-request connection track-sc0 src table \(Self.sourcesTable)")
    lines.add(
      "tcp-request connection reject if { sc0_conn_cur gt \(limits.connectionsPerSourceMax) }\(exempt)")
  }

  /// HAProxy has no `monitor-net` any more: a rule does it, and one a listener, as each may have networks of its own.
  private func looks(into lines: inout HAProxyLines) {
    if plan.role != .relay, plan.listeners.contains(where: { !$0.monitorNetworks.isEmpty }) {
      lines.difference("who only looks is answered 200 while there is an answer; here 503 once it stops.")
    }
    for (index, listener) in plan.listeners.enumerated() where !listener.monitorNetworks.isEmpty {
      let condition = "{ so_id \(index + 1) } { src \(HAProxyText.networks(listener.monitorNetworks)) }"
      if plan.role == .relay {
        lines.add("tcp-request connection reject if \(condition)")
      } else {
        lines.add("http-request set-log-level silent if \(condition)")
        lines.add("http-request return status 200 if \(condition)")
      }
    }
  }

  private func limits(into lines: inout HAProxyLines) {
    let limits = plan.limits
    lines.add("http-request return status 414 if { url_len gt \(limits.targetBytesMax) }")
    if limits.bodyBytesMax > 0 {
      lines.difference("the length of a chunked body is not bounded.")
      lines.add("http-request return status 413 if { req.hdr_val(content-length) gt \(limits.bodyBytesMax) }")
    }
    lines.add(
      "http-request return status 508 if { req.hdr(via) -m reg \(HAProxyText.quoted("^[^ ]+ +\(plan.name)( |$)")) }")
  }

  private func forwarding(into lines: inout HAProxyLines) {
    let isPublic = plan.listeners.indices.filter { plan.listeners[$0].isPublic }.map { "\($0 + 1)" }
    if !isPublic.isEmpty {
      let condition = "if { so_id \(isPublic.joined(separator: " ")) }"
      for field in ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"] {
        lines.add("http-request del-header \(field) \(condition)")
      }
    }
    lines.add("http-request add-header Via \(HAProxyText.format("1.1 \(plan.name)"))")
  }

  private func applications(into lines: inout HAProxyLines) {
    var takesAll: String?
    for application in plan.applications {
      guard !application.hosts.isEmpty else {
        takesAll = application.name
        continue
      }
      let acl = "host-\(application.name)"
      let names = application.hosts.filter { !$0.hasPrefix("*.") }
      let suffixes = application.hosts.filter { $0.hasPrefix("*.") }.map { String($0.dropFirst()) }
      if !names.isEmpty { lines.add("acl \(acl) req.hdr(host),host_only -m str -i \(names.joined(separator: " "))") }
      if !suffixes.isEmpty {
        lines.add("acl \(acl) req.hdr(host),host_only -m end -i \(suffixes.joined(separator: " "))")
      }
      lines.add("use_backend \(application.name) if \(acl)")
    }
    if let takesAll {
      lines.add("default_backend \(takesAll)")
    } else {
      let hosts = plan.applications.map { "!host-\($0.name)" }
      lines.add("http-request return status 421\(hosts.isEmpty ? "" : " if \(hosts.joined(separator: " "))")")
    }
  }
}
