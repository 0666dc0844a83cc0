import Topology

extension DeployReport {
  /// Lines to try the network with, its own addresses in them: those of its offices, else of its directors, its balancers or its relays.
  static func examples(_ topology: Topology) -> String {
    let roles: [NodeRole] = [.officeProxy, .siteDirector, .siteBalancer]
    let entries = roles.lazy.map { role in topology.nodes.filter { $0.role == role } }.first { !$0.isEmpty } ?? []
    guard let first = entries.first, let last = entries.last else { return examples(ofRelays: topology.relays) }
    var host = ""
    if let name = topology.applications.first?.hosts.first?.value { host = "-H 'Host: \(name)' " }
    let jar = "--cookie geodirector.jar --cookie-jar geodirector.jar"
    return """

      Try it, from another terminal:
        curl \(host)\(jar) \(url(first))   # a user of \(first.name); again: the same server
        curl \(host)\(jar) '\(url(first))?format=json'   # the same user, for programs
        curl \(host)--cookie-jar geodirector-\(last.name).jar --include \(url(last))   # a new user of \(last.name), with the cookies

      Kill a server by its pid and ask again. Ctrl-C stops the network.

      """
  }

  private static func url(_ node: NodeReference) -> String {
    guard let address = node.listen.first else { return "-" }
    if case .unix(let path) = address { return "--unix-socket \(path) http://localhost/" }
    return "http://\(reached(address))/"
  }

  /// Where a listener is found from this machine.
  private static func reached(_ address: Address) -> String {
    guard address.isWildcard, let port = address.port else { return "\(address)" }
    return "localhost:\(port)"
  }

  /// A line for the first listener of each relay, of the first few.
  private static func examples(ofRelays relays: [Relay]) -> String {
    let lines = relays.prefix(relaysMax).compactMap { relay -> String? in
      guard let listener = relay.listen.first else { return nil }
      return "  \(connection(by: relay, listener))   # a connection by \(relay.name)\n"
    }
    guard !lines.isEmpty else { return "" }
    return "\nTry it, from another terminal, when their servers run:\n\(lines.joined())\nCtrl-C stops the network.\n"
  }

  /// What speaks as the servers do, as far as the file tells: TLS where a relay ends it or looks into it, or checks for it; HTTP where it
  /// asks for a page; else whatever is typed.
  private static func connection(by relay: Relay, _ listener: Listen) -> String {
    let isTLS = listener.tls != nil || !relay.pools.isEmpty || relay.check == .tlsHello || relay.checkUsesTLS == true
    let name = relay.pools.lazy.compactMap(\.serverNames.first?.value).first { !$0.hasPrefix("*.") }
    let address = listener.address.value
    if case .unix(let path) = address {
      let path = ShellQuoting.quoted(path)
      return isTLS ? "openssl s_client -unix \(path)" : "nc -U \(path)"
    }
    if isTLS { return "openssl s_client -connect \(reached(address))" + (name.map { " -servername \($0)" } ?? "") }
    if case .http = relay.check { return "curl http://\(reached(address))/" }
    let host = address.isWildcard ? "localhost" : address.hostText.filter { $0 != "[" && $0 != "]" }
    return "nc \(host)\(address.port.map { " \($0)" } ?? "")"
  }

  /// Relays that are told of.
  private static let relaysMax = 3
}
