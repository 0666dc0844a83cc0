/// One use of an address.
private struct AddressUse {
  var what: String
  var address: Address
  var location: SourceLocation
  /// Where the node of a listener on every interface is reached: says on which machine it is.
  var host: Address?
  /// The thing it belongs to.
  var owner: String
}

extension Topology {
  /// Addresses that two sockets would listen on.
  func addressesTwice() -> [Diagnostic] {
    let uses = addressUses()
    var found: [Diagnostic] = []
    var first: [Address: AddressUse] = [:]
    var wildcards: [UInt16: [AddressUse]] = [:]
    for use in uses where use.address.isWildcard {
      if let port = use.address.port { wildcards[port, default: []].append(use) }
    }
    for use in uses {
      if use.address.isWildcard {
        if let other = wildcards[use.address.port ?? 0]?.first(where: { $0.location != use.location }),
          other.owner == use.owner, isBefore(other, use)
        {
          found.append(conflict(use, other))
        }
        continue
      }
      if let other = first[use.address] {
        // Who shares an address listens on it by turns.
        if other.owner != use.owner, holds(other.owner, use.address), holds(use.owner, use.address) { continue }
        found.append(conflict(use, other))
        continue
      }
      first[use.address] = use
      if let port = use.address.port,
        let other = wildcards[port]?.first(where: { $0.owner == use.owner || isSameMachine($0, use) })
      {
        found.append(conflict(use, other))
      }
    }
    return found
  }

  /// Servers that are a node's socket of commands: users could command it, as each line of a request is one.
  func openedCommandSockets() -> [Diagnostic] {
    guard let admin else { return [] }
    let owners = nodes.map { (name: $0.name, path: admin.plan(for: $0.name, in: name).socketPath) }
    let applications = sites.flatMap(\.servers).map { (name: $0.name, address: $0.base, location: $0.location) }
    let relayed = relays.flatMap(\.everyServer).map { server in
      (name: server.name, address: server.address?.value, location: server.address?.location ?? server.location)
    }
    return (applications + relayed).compactMap { server in
      guard case .unix(let path)? = server.address, let owner = owners.first(where: { $0.path == path }) else {
        return nil
      }
      return Diagnostic(
        .error, at: server.location,
        "server \"\(server.name)\" is the socket at which \"\(owner.name)\" takes commands: users could give them",
        mend: "give the path of the application's own socket")
    }
  }

  private func isBefore(_ first: AddressUse, _ second: AddressUse) -> Bool {
    (first.location.line, first.location.column) < (second.location.line, second.location.column)
  }

  /// Whether a listener on every interface stands on the machine that has an address: that of its own, or both loopback.
  private func isSameMachine(_ wildcard: AddressUse, _ use: AddressUse) -> Bool {
    guard let host = wildcard.host else { return false }
    return host.hostText == use.address.hostText || (host.isLoopback && use.address.isLoopback)
  }

  private func conflict(_ use: AddressUse, _ other: AddressUse) -> Diagnostic {
    let address = use.address == other.address ? "\(use.address)" : "\(use.address) (also \(other.address))"
    return Diagnostic(
      .error, at: use.location,
      "\(use.what) has the address \(address) of \(other.what) at \(place(other.location, from: use.location))",
      mend: "give each its own address or port")
  }

  private func addressUses() -> [AddressUse] {
    var uses: [AddressUse] = []
    func add(_ owner: String, _ listen: [Listen], _ monitor: Located<Address>?, host: Address?) {
      for entry in listen {
        uses.append(
          AddressUse(
            what: "\"\(owner)\"", address: entry.address.value, location: entry.address.location, host: host,
            owner: owner))
      }
      if let monitor {
        uses.append(
          AddressUse(
            what: "the monitor of \"\(owner)\"", address: monitor.value, location: monitor.location, host: host,
            owner: owner))
      }
    }
    for site in sites {
      for node in site.directors + site.balancers {
        add(node.name, node.listen, node.monitor, host: node.advertise?.value)
      }
      for server in site.servers { uses += addressUses(of: server) }
    }
    for office in offices { add(office.name, office.listen, office.monitor, host: nil) }
    for relay in relays { add(relay.name, relay.listen, relay.monitor, host: nil) }
    for (node, page) in statusPages {
      guard let listen = page.listen else { continue }
      uses.append(
        AddressUse(
          what: "the status page of \"\(node)\"", address: listen.value, location: listen.location, host: nil,
          owner: node))
    }
    return uses
  }

  /// A server may serve several applications on one port, but nothing else may stand there.
  private func addressUses(of server: AppServer) -> [AddressUse] {
    guard let base = server.base else { return [] }
    var addresses: [Address] = server.servesAll ? [base] : []
    for port in server.ports where !addresses.contains(base.with(port: port.port)) {
      addresses.append(base.with(port: port.port))
    }
    addresses += addresses.flatMap(\.loopbackAddresses)
    // Port 0 stands where a port was unreadable, which has been said.
    var uses = addresses.filter { $0.port != 0 }.map {
      AddressUse(
        what: "server \"\(server.name)\"", address: $0, location: server.location, host: base, owner: server.name)
    }
    if let admission = server.admissionAddress, let location = server.admissionPort?.location,
      !isAdmissionRelayed(server)
    {
      uses.append(
        AddressUse(
          what: "the admission port of \"\(server.name)\"", address: admission, location: location, host: base,
          owner: server.name))
    }
    return uses
  }

  /// Nodes that others must reach but that only say "every interface".
  func wildcardsWithoutAddress() -> [Diagnostic] {
    sites.flatMap { site in
      (site.directors + site.balancers).compactMap { node -> Diagnostic? in
        if let advertise = node.advertise, advertise.value.isWildcard {
          return Diagnostic(
            .error, at: advertise.location, "\"\(node.name)\" cannot be reached at \(advertise.value)",
            mend: "advertise the address that others connect to")
        }
        if let advertise = node.monitorAdvertised, advertise.value.isWildcard {
          return Diagnostic(
            .error, at: advertise.location, "the monitor of \"\(node.name)\" cannot be reached at \(advertise.value)",
            mend: "advertise the address that others connect to")
        }
        guard node.advertise == nil, let listen = node.listen.first?.address, listen.value.isWildcard else {
          return nil
        }
        return Diagnostic(
          .error, at: listen.location,
          "\"\(node.name)\" listens on every interface, so others do not know where to reach it",
          mend: "add \"advertise:\" with the address that others connect to")
      }
        + site.servers.compactMap { server -> Diagnostic? in
          guard let base = server.base, base.isWildcard else { return nil }
          return Diagnostic(
            .error, at: server.location, "server \"\(server.name)\" cannot be reached at \(base.hostText)",
            mend: "give the address that balancers connect to")
        }
    }
  }
}

extension Address {
  /// What `localhost` stands for (RFC 6761 section 6.3); nothing of any other host.
  fileprivate var loopbackAddresses: [Address] {
    guard case .host("localhost", let port) = self else { return [] }
    return [.ipv4(0x7F00_0001, port: port), .ipv6(high: 0, low: 1, port: port)]
  }
}
