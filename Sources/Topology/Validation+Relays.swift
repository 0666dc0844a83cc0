extension Relay {
  /// Servers of the relay itself and of its pools.
  public var everyServer: [RelayServer] { servers + pools.flatMap(\.servers) }
}

extension Topology {
  /// Relays that have nowhere to go, or come back to themselves.
  func relayErrors() -> [Diagnostic] {
    relays.flatMap { relay in
      messageSettings(of: relay) + relay.everyServer.flatMap { wrongAddress(of: $0, at: relay) } + poolErrors(of: relay)
        + doubleTLS(of: relay)
    }
  }

  /// What speaks of messages, which a relay does not read.
  private func messageSettings(of relay: Relay) -> [Diagnostic] {
    relay.listen.compactMap { listen in
      (listen.strictTransport?.location ?? listen.secureRedirect?.location).map {
        Diagnostic(
          .error, at: $0, "relay \"\(relay.name)\" passes bytes on as they come, and reads no requests",
          mend: "remove it, or use a director")
      }
    }
  }

  private func wrongAddress(of server: RelayServer, at relay: Relay) -> [Diagnostic] {
    guard let address = server.address else { return [] }
    var found: [Diagnostic] = []
    if address.value.port == 0, let unix = relay.listen.first(where: { $0.address.value.port == nil }) {
      found.append(
        Diagnostic(
          .error, at: address.location,
          "server \"\(server.name)\" has no port, and who comes by \(unix.address.value) used none",
          mend: "give its address a port"))
    }
    let loops = relay.listen.map(\.address.value).contains { listener in
      let reached = address.value.port == 0 ? listener.port.map(address.value.with(port:)) : address.value
      return reached == listener
    }
    if loops {
      found.append(
        Diagnostic(
          .error, at: address.location, "relay \"\(relay.name)\" passes connections to itself",
          mend: "give the server's own address"))
    }
    return found
  }

  /// Names that stand twice, and pools that nobody can reach.
  private func poolErrors(of relay: Relay) -> [Diagnostic] {
    var found: [Diagnostic] = []
    var names: [String: String] = [:]
    var pools: Set<String> = [relay.name]
    for pool in relay.pools where !pool.name.isEmpty {
      if !pools.insert(pool.name).inserted {
        found.append(
          Diagnostic(
            .error, at: pool.location, "relay \"\(relay.name)\" has two pools named \"\(pool.name)\"",
            mend: "give each its own name; the relay's own name is that of its \"servers:\""))
      }
      for name in pool.serverNames {
        if let other = names[name.value] {
          found.append(
            Diagnostic(
              .error, at: name.location, "\"\(name.value)\" chooses pool \"\(other)\" already",
              mend: "keep one of the two"))
        }
        names[name.value] = pool.name
      }
    }
    return found
  }

  /// TLS of clients that is passed through to servers that are reached by TLS would be TLS within TLS.
  private func doubleTLS(of relay: Relay) -> [Diagnostic] {
    guard !relay.pools.isEmpty, let plain = relay.listen.first(where: { $0.tls == nil }) else { return [] }
    return relay.everyServer.compactMap { server in
      guard let tls = server.tls, tls.value.isOn else { return nil }
      return Diagnostic(
        .error, at: tls.location,
        "what comes by \(plain.address.value) is TLS already, and \"\(server.name)\" would get it wrapped once more",
        mend: "remove \"tls:\" here, or give the listener a certificate")
    }
  }

  /// Protocols are of relays: everything else speaks HTTP/1.1.
  func protocolErrors() -> [Diagnostic] {
    let nodes = sites.flatMap(\.directors) + sites.flatMap(\.balancers)
    let listeners = offices.flatMap(\.listen) + nodes.flatMap(\.listen)
    let monitors = nodes.map(\.monitorTLS) + offices.map(\.monitorTLS) + relays.map(\.monitorTLS)
    return (listeners.map(\.tls) + monitors).compactMap { tls in
      guard let tls, tls.value.protocols != nil else { return nil }
      return Diagnostic(
        .error, at: tls.location, "alpn is of relays: this listener speaks HTTP/1.1", mend: "remove \"alpn\"")
    }
  }

  /// Relays without any server.
  func relaysWithoutServers() -> [Diagnostic] {
    relays.flatMap { relay in
      var found: [Diagnostic] = []
      if relay.servers.isEmpty && relay.pools.isEmpty {
        found.append(
          Diagnostic(
            .error, at: relay.location, "relay \"\(relay.name)\" has no server",
            mend: "add \"servers:\" with at least one"))
      }
      for pool in relay.pools where pool.servers.isEmpty {
        found.append(
          Diagnostic(
            .error, at: pool.location, "pool \"\(pool.name)\" of relay \"\(relay.name)\" has no server",
            mend: "add \"servers:\" with at least one"))
      }
      return found
    }
  }
}
