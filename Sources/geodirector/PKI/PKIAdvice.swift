import Topology

/// What to write into a topology for TLS between its nodes that nobody else can speak: the keys by which each node shows who it is and knows
/// who the others are, and for each director and balancer the names of those that stand in front of it.
///
/// The text is YAML, a topology with nothing but these keys; what speaks to people stands in comments.
struct PKIAdvice {
  private let directory: String
  private let sites: [Site]
  /// By node: the names of the nodes that connect to it, in the order of the topology.
  private var front: [String: [String]] = [:]

  /// Of a topology that passed `validate()`.
  init(topology: Topology, directory: String) throws(PlanError) {
    self.directory = directory
    sites = topology.sites
    for name in topology.offices.map(\.name) + topology.sites.flatMap(\.directors).map(\.name) {
      for server in try topology.plan(for: name).applications.flatMap(\.pool.servers) where server.isNode {
        if front[server.name]?.last != name { front[server.name, default: []].append(name) }
      }
    }
  }

  /// - Parameter subjects: how many certificates were made.
  func text(subjects: Int, days: Int) -> String {
    var lines = [
      "# \(directory)/ca.pem and \(subjects) certificates, good for \(days) days.", "#",
      "# In the topology, for TLS between the nodes that only these nodes can speak: each key below beside those that its",
      "# node, its listener of the same address, or its monitor has. {node} stands for the node's name. Whose users come to",
      "# a director itself needs a listener for them without \"require\"; gdnsd asks no monitor by TLS.",
      "# Users reach an office by TLS with \"tls: \(file("{node}.pem"))\" at its listener; they trust \(directory)/ca.pem.",
      "", "defaults:",
    ]
    for role in ["office-proxy", "site-director", "site-balancer"] {
      lines.append("  \(role): {upstream: {tls: {ca: \(file("ca.pem")), certificate: \(file("{node}.pem"))}}}")
    }
    lines += ["", "sites:"]
    for site in sites {
      lines.append("  - name: \(quoted(site.name))")
      lines += nodes("directors", site.directors)
      lines += nodes("balancers", site.balancers)
    }
    return lines.joined(separator: "\n")
  }

  private func nodes(_ key: String, _ nodes: [SiteNode]) -> [String] {
    // What is said to be reached without TLS stays so.
    let own = nodes.filter { $0.tls?.value.isOn != false }.flatMap(keys)
    return own.isEmpty ? [] : ["    \(key):"] + own
  }

  private func keys(of node: SiteNode) -> [String] {
    var lines = ["      - name: \(quoted(node.name))"]
    // One that sends everybody to https has none itself.
    let listeners = node.listen.filter { $0.secureRedirect == nil }
    if !listeners.isEmpty { lines.append("        listen:") }
    for listener in listeners {
      let names = listener.isPublic ? [] : front[node.name] ?? []
      lines.append("          - {address: \(quoted("\(listener.address.value)")), \(tls(letting: names))}")
    }
    if let monitor = node.monitor?.value {
      let advertised = node.monitorAdvertised.map { ", advertise: \(quoted("\($0.value)"))" } ?? ""
      // keepalived asks the node's own monitor, with what the node shows.
      let names = (front[node.name] ?? []) + (node.vrrp.isEmpty ? [] : [node.name])
      lines.append("        monitor: {address: \(quoted("\(monitor)"))\(advertised), \(tls(letting: names))}")
    }
    return lines
  }

  /// - Parameter names: of who is let in; none: nobody of ours is in front, and whoever comes needs no certificate.
  private func tls(letting names: [String]) -> String {
    let certificates = "certificates: \(file("{node}.pem"))"
    guard !names.isEmpty else { return "tls: {\(certificates)}" }
    let list = names.map(quoted).joined(separator: ", ")
    return
      "tls: {\(certificates), require: client-certificate, client-ca: \(file("ca.pem")), client-names: [\(list)]}"
  }

  private func file(_ name: String) -> String { quoted("\(directory)/\(name)") }

  /// In double quotes, in which YAML takes a text for nothing else.
  private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      case "\0"..." ": result += scalar == " " ? " " : "\\x" + hexadecimal(scalar)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  private func hexadecimal(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16)
    return digits.count < 2 ? "0" + digits : digits
  }
}
