internal import Topology

/// What speaks of TLS, of the scheme, and of signed cookies.
enum HAProxyTLS {
  /// The words of a `bind` line.
  static func bind(_ listener: ListenerPlan) -> String {
    listener.tls.map { bind($0) } ?? ""
  }

  static func bind(_ tls: ListenerTLSPlan) -> String {
    var words = " ssl"
    for certificate in tls.certificates { words += " crt \(HAProxyText.quoted(certificate.path))" }
    let protocols = tls.protocols ?? ["http/1.1"]
    if !protocols.isEmpty { words += " alpn \(protocols.joined(separator: ","))" }
    words += " ssl-min-ver \(version(tls.minimum))"
    if tls.isStrict { words += " strict-sni" }
    if !tls.resumes { words += " no-tls-tickets" }
    if let clients = tls.clients { words += " ca-file \(HAProxyText.quoted(clients.authorityPath)) verify required" }
    return words
  }

  /// What follows from the listeners for every request.
  static func rules(_ plan: NodePlan, into lines: inout HAProxyLines) {
    remarks(plan, into: &lines)
    for (index, listener) in plan.listeners.enumerated() {
      let own = "{ so_id \(index + 1) }"
      if let clients = listener.tls?.clients, !clients.names.isEmpty {
        lines.add("http-request deny if \(own)\(isNobody(of: clients.names))")
      }
      if let redirect = listener.secureRedirect {
        let place =
          redirect.port == 443
          ? "scheme https" : "location https://%[req.hdr(host),host_only]:\(redirect.port)%[pathq]"
        lines.add("http-request redirect \(place) code \(redirect.status) if \(own)")
      }
      if let hsts = listener.strictTransport, listener.tls != nil {
        let value = HAProxyText.format(hsts.fieldValue)
        lines.add("http-response set-header Strict-Transport-Security \(value) if \(own)")
      }
    }
  }

  /// The condition that a client's certificate bears none of these names.
  static func isNobody(of names: [String]) -> String {
    let exact = names.filter { !$0.hasPrefix("*.") }
    let ends = names.filter { $0.hasPrefix("*.") }.map { String($0.dropFirst()) }
    var condition = ""
    if !exact.isEmpty { condition += " !{ ssl_c_s_dn(cn) -m str -i \(exact.joined(separator: " ")) }" }
    if !ends.isEmpty { condition += " !{ ssl_c_s_dn(cn) -m end -i \(ends.joined(separator: " ")) }" }
    return condition
  }

  private static func remarks(_ plan: NodePlan, into lines: inout HAProxyLines) {
    let secured = plan.listeners.compactMap(\.tls)
    let signed = plan.applications.contains { $0.cookie?.signing != nil }
    if signed { lines.difference("cookies are not signed, and a value with a tag names nobody.") }
    if plan.listeners.contains(where: { !$0.proxyProtocol.isEmpty && $0.tls == nil }) {
      lines.difference("what a PROXY protocol header tells of TLS is not looked at: its requests count as http.")
    }
    guard !secured.isEmpty else { return }
    lines.difference("cookies are Secure only where \"secure\" says so, certificates are read again only at a reload.")
    if secured.contains(where: { $0.certificates.contains { $0.keyPath != nil || $0.staplePath != nil } }) {
      lines.difference(
        "a key must stand in the certificate's file, or beside it with .key at the end; a response of OCSP too.")
    }
    if secured.contains(where: { $0.ticketKeyPath != nil }) {
      lines.difference("files of ticket keys have another form, so each process has its own.")
    }
    if secured.contains(where: { !($0.clients?.names.isEmpty ?? true) }) {
      lines.difference("clients are known by the common name alone, and are told 403, not refused in the handshake.")
    }
  }

  /// The words of a `server` line.
  static func server(_ server: ServerPlan, check: CheckPlan?) -> String {
    var words = ""
    if let tls = server.tls {
      words += " ssl ssl-min-ver \(version(tls.minimum)) \(verification(tls))"
    }
    if let check {
      if let tls = check.tls {
        words += " check-ssl"
        if server.tls == nil { words += " \(verification(tls))" }
        if !isAddress(tls.name) { words += " check-sni \(tls.name)" }
      } else if server.tls != nil {
        words += " no-check-ssl"
      }
      if check.proxyProtocol != nil { words += " check-send-proxy" }
    }
    switch server.proxyProtocol {
    case .version1: words += " send-proxy"
    case .version2: words += " send-proxy-v2-ssl-cn"
    case nil: break
    }
    return words
  }

  private static func verification(_ tls: ServerTLSPlan) -> String {
    guard tls.verifies else { return "verify none" }
    var words = "verify required ca-file \(tls.authorityPath.map(HAProxyText.quoted) ?? "@system-ca")"
    words += " verifyhost \(tls.name)"
    if !isAddress(tls.name) { words += " sni str(\(tls.name))" }
    if let certificate = tls.certificate { words += " crt \(HAProxyText.quoted(certificate.path))" }
    return words
  }

  private static func version(_ version: TLSVersion) -> String { "TLSv\(version.rawValue)" }

  private static func isAddress(_ name: String) -> Bool {
    name.contains(":") || name.allSatisfy { $0.isNumber || $0 == "." }
  }
}
