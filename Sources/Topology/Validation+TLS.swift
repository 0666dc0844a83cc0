extension Topology {
  /// What contradicts itself in what speaks of TLS.
  func tlsConflicts() -> [Diagnostic] {
    var found: [Diagnostic] = []
    for listen in offices.flatMap(\.listen) + sites.flatMap(\.directors).flatMap(\.listen)
      + sites.flatMap(\.balancers).flatMap(\.listen)
    {
      if let hsts = listen.strictTransport, listen.tls == nil {
        found.append(
          Diagnostic(
            .error, at: hsts.location, "hsts is told over TLS only (RFC 6797 section 7.2), and this listener has none",
            mend: "move it to the listener with \"tls:\""))
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

  /// Connections whose other end may be anybody.
  func tlsWarnings() -> [Diagnostic] {
    var places: [Located<Bool>?] = NodeRole.allCases.map { defaults[$0].upstreamTLS.verifies }
    places += offices.map(\.settings.upstreamTLS.verifies)
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
