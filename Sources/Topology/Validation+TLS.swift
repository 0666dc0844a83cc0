extension Topology {
  /// What contradicts itself in what speaks of TLS.
  func tlsConflicts() -> [Diagnostic] {
    var found: [Diagnostic] = []
    for listen in offices.flatMap(\.listen) + sites.flatMap(\.directors).flatMap(\.listen)
      + sites.flatMap(\.balancers).flatMap(\.listen)
    {
      // Where somebody in front ends TLS, and says of which connections, it is for those.
      if let hsts = listen.strictTransport, listen.tls == nil, listen.proxyProtocol.isEmpty {
        found.append(
          Diagnostic(
            .error, at: hsts.location, "hsts is told over TLS only (RFC 6797 section 7.2), and this listener has none",
            mend: "move it to the listener with \"tls:\", or name with \"proxy-protocol:\" who ends TLS in front of it")
        )
      }
      if let redirect = listen.secureRedirect, listen.tls != nil {
        found.append(
          Diagnostic(
            .error, at: redirect.location, "a listener with TLS cannot send clients to https: they are there",
            mend: "move it to the plain listener"))
      }
    }
    for node in sites.flatMap(\.directors) + sites.flatMap(\.balancers) {
      // Behind an advertised address there may be something else that terminates TLS.
      guard let tls = node.tls, node.advertise == nil, let first = node.listen.first else { continue }
      if tls.value.isOn, first.tls == nil {
        found.append(
          Diagnostic(
            .error, at: tls.location, "\"\(node.name)\" is to be reached by TLS, but its first listen address has none",
            mend: "add \"tls:\" with a certificate to it"))
      } else if !tls.value.isOn, first.tls != nil {
        found.append(
          Diagnostic(
            .error, at: tls.location,
            "\"\(node.name)\" is to be reached without TLS, but its first listen address has it",
            mend: "remove \"tls: false\", or put a plain address first"))
      }
    }
    return found
  }

  /// What nobody could use, or what would not do what it is for.
  func processErrors() -> [Diagnostic] {
    var found: [Diagnostic] = []
    let nodes = sites.flatMap { $0.directors + $0.balancers }
    let holders =
      nodes.map { ($0.name, $0.vrrp, $0.monitorTLS) } + offices.map { ($0.name, $0.vrrp, $0.monitorTLS) }
    for (name, vrrp, tls) in holders where !vrrp.isEmpty {
      guard let tls, tls.value.clients != nil, monitorTLS(ofNode: name)?.certificate == nil else { continue }
      found.append(
        Diagnostic(
          .error, at: tls.location,
          "the monitor of \"\(name)\" requires a certificate, and keepalived, which asks it, has none to show",
          mend: "name one for the node: \"upstream: {tls: {certificate: FILE}}\""))
    }
    let own =
      nodes.map { ($0.settings, NodeRole.siteDirector) }
      + sites.flatMap(\.balancers).map { ($0.settings, NodeRole.siteBalancer) }
      + offices.map { ($0.settings, NodeRole.officeProxy) } + relays.map { ($0.settings, NodeRole.relay) }
    for (settings, role) in own + NodeRole.allCases.map({ (defaults[$0], $0) }) {
      guard let chroot = settings.chroot, settings.user == nil, defaults[role].user == nil else { continue }
      found.append(
        Diagnostic(
          .error, at: chroot.location, "root leaves a chroot whenever it wants to",
          mend: "add \"user:\", or remove \"chroot:\""))
    }
    return found
  }

  /// Connections whose other end may be anybody.
  func tlsWarnings() -> [Diagnostic] {
    var places: [Located<Bool>?] = NodeRole.allCases.map { defaults[$0].upstreamTLS.verifies }
    places += offices.map(\.settings.upstreamTLS.verifies)
    for relay in relays {
      places.append(relay.settings.upstreamTLS.verifies)
      places += relay.everyServer.map { $0.tls?.value.verifies }
    }
    for site in sites {
      places += (site.directors + site.balancers).flatMap {
        [$0.settings.upstreamTLS.verifies, $0.tls?.value.verifies]
      }
      places += site.servers.map { $0.tls?.value.verifies }
    }
    var found: [Diagnostic] = []
    for place in places {
      guard let place, !place.value else { continue }
      found.append(
        Diagnostic(
          .warning, at: place.location,
          "certificates are not checked: anybody on the way can read and change what is sent",
          mend: "name the authority with \"ca:\" and remove \"verify\""))
    }
    return found
  }
}
