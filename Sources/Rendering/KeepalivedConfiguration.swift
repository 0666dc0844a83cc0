public import Topology

/// What keepalived (2.2) needs to know of one node: the addresses it may hold, whom it speaks to, and how it finds out that the
/// node is well.
///
/// All instances begin as BACKUP, so that nobody takes an address before it has listened, and so that `nopreempt` has its effect.
/// Adverts go to each peer by unicast. The node itself is asked by its monitor, for it alone knows whether it is in service; a node
/// that is not well gives the address away at once (keepalived's FAULT), whatever the priorities. One whose servers all look dead is well:
/// it tries them nevertheless, and the others may see the same.
///
/// Where the network has `notify`, its command is told of every change of an instance's state: that an address has come, or has gone.
public struct KeepalivedConfiguration: Sendable, Equatable {
  /// The configuration, lines ended by line ends.
  public let text: String

  /// How the check of the node's own health, and what tells of changes, are run.
  public struct Scripts: Sendable, Equatable {
    /// Where geodirector is: an absolute path of letters, digits and `/ . _ - + @`.
    public var program: String
    /// The user, and if need be the group, they run as.
    public var user: String
    /// What relative paths of certificates are relative to; nil: they stay as they are. keepalived runs scripts elsewhere.
    public var directory: String?

    /// Scripts run as a user.
    public init(
      program: String = "/usr/local/bin/geodirector", user: String = "nobody nogroup", directory: String? = nil
    ) {
      self.program = program
      self.user = user
      self.directory = directory
    }

    /// The whole line that asks a monitor.
    func health(_ monitor: String, _ tls: ServerTLSPlan?) -> String {
      let command = "\(program) admin health"
      guard let tls else { return "\(command) \(monitor)" }
      let options: [(name: String, value: String?)] = [
        ("--name", tls.name), ("--ca", tls.verifies ? tls.authorityPath.map(absolute) : nil),
        ("--certificate", tls.certificate.map { absolute($0.path) }),
        ("--key", tls.certificate?.keyPath.map(absolute)),
      ]
      let given = options.compactMap { option in option.value.map { " \(option.name) \($0)" } }.joined()
      return "\(command) \(monitor) --tls\(given)\(tls.verifies ? "" : " --no-verify")"
    }

    /// The whole line that tells the network's own command of an address; keepalived adds `INSTANCE NAME STATE PRIORITY`.
    func tell(_ notify: NotifyPlan, node: String, network: String, address: String) -> String {
      let words = ["--node", node, "--network", network, "--address", address, "--"] + notify.command
      return "\(program) admin tell " + words.map(Self.word).joined(separator: " ")
    }

    /// A word of a script's line: keepalived knows quotes, backslashes, comments and variables in it, so whatever could be one of
    /// these is written `%20`.
    private static func word(_ text: String) -> String {
      // No word has a NUL of its own: it stands for none at all.
      if text.isEmpty { return "%00" }
      return text.utf8.reduce(into: "") { result, byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          result.unicodeScalars.append(Unicode.Scalar(byte))
        case _ where "/._-+@=:,".utf8.contains(byte): result.unicodeScalars.append(Unicode.Scalar(byte))
        default: result += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
        }
      }
    }

    private func absolute(_ path: String) -> String {
      guard !path.hasPrefix("/"), let directory else { return path }
      return "\(directory)/\(path)"
    }
  }

  /// The configuration of a node; nil: it holds no shared address.
  public init?(_ topology: Topology, node: String, scripts: Scripts = Scripts()) {
    let parts = topology.addressParts(ofNode: node)
    guard let first = parts.first else { return nil }
    let isIPv6 = { (address: Address) in if case .ipv6 = address { true } else { false } }
    var lines = [
      "# \(node) in network \(topology.name): addresses it shares with other nodes.", "global_defs {",
      "  router_id \(node)", "  vrrp_version 3", "  enable_script_security", "  script_user \(scripts.user)",
      // Neighbours learn the place again and again: when a network that was cut in two is whole again, the holder that stays
      // notices nothing, and those on the other side would go on sending to the one that has stepped back.
      "  vrrp_garp_master_delay 1", "  vrrp_garp_master_refresh 5", "}",
    ]
    if let monitor = first.monitor {
      lines += [
        "vrrp_script \(node)-health {", "  script \"\(scripts.health(Self.reachable(monitor), first.monitorTLS))\"",
        "  interval \(HolderCheck.interval.components.seconds)", "  timeout \(HolderCheck.timeout.components.seconds)",
        "  fall \(HolderCheck.fall)", "  rise \(HolderCheck.rise)", "  user \(scripts.user)", "}",
      ]
    }
    for part in parts {
      let shared = part.address
      lines += [
        "vrrp_instance \(shared.name) {", "  state BACKUP", "  interface \(part.interface)",
        "  virtual_router_id \(shared.routerID.value)", "  priority \(part.priority)",
        "  advert_int \(Self.seconds(shared.interval))",
      ]
      if part.preempts {
        lines.append("  preempt_delay \(shared.preemptDelaySeconds)")
      } else {
        lines.append("  nopreempt")
      }
      lines.append("  check_unicast_src")
      if let source = part.source { lines.append("  unicast_src_ip \(HAProxyText.bareHost(source))") }
      let everyone = topology.parts(of: shared)
      lines.append("  unicast_peer {")
      for peer in everyone where part.peers.contains(peer.node) {
        if let source = peer.source { lines.append("    \(HAProxyText.bareHost(source))  # \(peer.node)") }
      }
      lines += [
        "  }", "  virtual_ipaddress {",
        "    \(HAProxyText.bareHost(shared.address.value))/\(shared.prefixLength) dev \(part.interface)", "  }",
      ]
      if part.monitor != nil { lines += ["  track_script {", "    \(node)-health", "  }"] }
      if isIPv6(shared.address.value) { lines.append("  native_ipv6") }
      if let notify = topology.notify {
        let told = scripts.tell(
          notify, node: node, network: topology.name, address: HAProxyText.bareHost(shared.address.value))
        lines.append("  notify \"\(told)\"")
      }
      lines.append("}")
    }
    text = lines.joined(separator: "\n") + "\n"
  }

  /// A monitor on every interface is asked at this machine's own.
  private static func reachable(_ address: Address) -> String {
    switch address {
    case .ipv4(0, let port): "127.0.0.1:\(port)"
    case .ipv6(0, 0, let port): "[::1]:\(port)"
    default: "\(address)"
    }
  }

  /// Seconds with hundredths where needed.
  private static func seconds(_ duration: Duration) -> String {
    let hundredths = max(1, Int((duration.inMilliseconds / 10).rounded()))
    if hundredths % 100 == 0 { return "\(hundredths / 100)" }
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
  }
}
