extension Topology {
  /// What keeps a shared address from being held by exactly one node.
  func sharedAddressErrors() -> [Diagnostic] {
    guard !sharedAddresses.isEmpty || !holderEntries().isEmpty else { return [] }
    var found: [Diagnostic] = []
    for entry in holderEntries() where !sharedAddresses.contains(where: { $0.name == entry.holder.address.value }) {
      let name = entry.holder.address.value
      found.append(
        Diagnostic(
          .error, at: entry.holder.address.location, "\"\(entry.name)\" holds an unknown address \"\(name)\"",
          mend: nearestSpelling(of: name, among: sharedAddresses.map(\.name)).map { "did you mean \"\($0)\"?" }
            ?? "declare it in \"addresses:\""))
    }
    for (index, shared) in sharedAddresses.enumerated() {
      if let other = sharedAddresses[..<index].first(where: { $0.name == shared.name }) {
        found.append(
          Diagnostic(
            .error, at: shared.location, "two shared addresses are named \"\(shared.name)\"",
            mend: "the other is at line \(other.location.line)"))
        continue
      }
      let parts = parts(of: shared)
      found += routerIDTwice(shared, parts, among: sharedAddresses[..<index])
      found += peerErrors(shared, parts)
      found += sourceErrors(shared, parts)
    }
    return found + unfreeListeners() + sharedSources() + unservedAddresses(.error)
  }

  /// The same virtual router twice where the two meet: at one node, or at one site.
  private func routerIDTwice(_ shared: SharedAddress, _ own: [AddressPart], among others: ArraySlice<SharedAddress>)
    -> [Diagnostic]
  {
    for other in others where other.routerID.value == shared.routerID.value && other.name != shared.name {
      let theirs = parts(of: other)
      let meets = own.contains { part in
        theirs.contains { $0.node == part.node || ($0.site != nil && $0.site == part.site) }
      }
      guard meets else { continue }
      return [
        Diagnostic(
          .error, at: shared.routerID.location,
          "\"\(shared.name)\" and \"\(other.name)\" have the same router id \(shared.routerID.value) on one network",
          mend: "give each its own: their announcements would be taken for each other's")
      ]
    }
    return []
  }

  private func peerErrors(_ shared: SharedAddress, _ parts: [AddressPart]) -> [Diagnostic] {
    var found: [Diagnostic] = []
    for part in parts {
      for peer in part.holder.peers ?? [] {
        guard let other = parts.first(where: { $0.node == peer.value }), other.node != part.node else {
          found.append(
            Diagnostic(
              .error, at: peer.location, "peer \"\(peer.value)\" of \"\(part.node)\" does not hold \"\(shared.name)\"",
              mend: "peers are the other holders of the address"))
          continue
        }
      }
      for other in parts where other.node != part.node {
        guard other.peers.contains(part.node), !part.peers.contains(other.node) else { continue }
        found.append(
          Diagnostic(
            .error, at: part.holder.location,
            "one-sided peers: \"\(other.node)\" announces to \"\(part.node)\", which does not announce to it: both would hold \"\(shared.name)\"",
            mend: "leave out \"peers:\", or name each other"))
      }
    }
    return found + strangers(shared, parts)
  }

  /// Holders that never hear each other, whoever else they speak to: the one of the lower priority takes the address beside the other.
  private func strangers(_ shared: SharedAddress, _ parts: [AddressPart]) -> [Diagnostic] {
    parts.enumerated().flatMap { index, part in
      parts[..<index].filter { other in
        other.node != part.node && !other.peers.contains(part.node) && !part.peers.contains(other.node)
      }.map { other in
        Diagnostic(
          .error, at: part.holder.peers?.first?.location ?? part.holder.location,
          "\"\(other.node)\" and \"\(part.node)\" do not announce to each other: both would hold \"\(shared.name)\"",
          mend: "leave out \"peers:\", or name each other")
      }
    }
  }

  private func sourceErrors(_ shared: SharedAddress, _ parts: [AddressPart]) -> [Diagnostic] {
    var found: [Diagnostic] = []
    for (index, part) in parts.enumerated() {
      guard let source = part.source else {
        found.append(
          Diagnostic(
            .error, at: part.holder.location, "nothing says from which address \"\(part.node)\" speaks to its peers",
            mend: "add \"source:\" with an address of its own"))
        continue
      }
      if let other = parts[..<index].first(where: { $0.source?.hostText == source.hostText }) {
        found.append(
          Diagnostic(
            .error, at: part.holder.source?.location ?? part.holder.location,
            "\"\(part.node)\" and \"\(other.node)\" speak from the same address \(source.hostText)",
            mend: "add \"source:\" with an address of its own to each"))
      }
      if source.hostText == shared.address.value.hostText {
        found.append(
          Diagnostic(
            .error, at: part.holder.source?.location ?? part.holder.location,
            "\"\(part.node)\" cannot speak from the shared address itself", mend: "name an address of its own"))
      }
    }
    return found
  }

  /// Listeners on a shared address that only its present holder could bind.
  private func unfreeListeners() -> [Diagnostic] {
    var found: [Diagnostic] = []
    for entry in holderEntries() {
      for listen in entry.listen where !listen.bindsFreely && entry.holder.holds(listen.address.value, in: self) {
        found.append(
          Diagnostic(
            .error, at: listen.address.location,
            "\"\(entry.name)\" could not start while another holds \(listen.address.value.hostText)",
            mend: "write {address: \"\(listen.address.value)\", bind: free}"))
      }
    }
    return found
  }

  /// Connections that could leave only while the node holds an address.
  private func sharedSources() -> [Diagnostic] {
    holderEntries().compactMap { entry in
      guard let sources = entry.sources, sources.value.contains(where: { entry.holder.holds($0, in: self) }) else {
        return nil
      }
      return Diagnostic(
        .error, at: sources.location, "\"\(entry.name)\" could connect to nobody while another holds its \"source\"",
        mend: "name an address of its own")
    }
  }

  /// What works, but hardly as it is meant: holders of equal priority, without a monitor, with a `preempt` that changes nothing, or at
  /// which nobody listens; and an address that nobody takes over. Address by address, with their places in the file.
  public func sharedAddressWarnings() -> [Diagnostic] {
    var found: [Diagnostic] = []
    for shared in sharedAddresses {
      let parts = parts(of: shared)
      if parts.count < 2 {
        found.append(
          Diagnostic(
            .warning, at: shared.location,
            parts.isEmpty
              ? "no node holds \"\(shared.name)\""
              : "only \"\(parts[0].node)\" holds \"\(shared.name)\": nobody takes it over",
            mend: "add \"vrrp: {address: \(shared.name)}\" to the nodes that share it"))
      }
      for (index, part) in parts.enumerated() {
        if let other = parts[..<index].first(where: { $0.priority == part.priority }) {
          found.append(
            Diagnostic(
              .warning, at: part.holder.priority?.location ?? part.holder.location,
              "\"\(part.node)\" and \"\(other.node)\" have the same priority \(part.priority): the higher source address wins",
              mend: "give each its own, the highest to the one that shall hold the address"))
        }
        if part.monitor == nil {
          found.append(
            Diagnostic(
              .warning, at: part.holder.location,
              "\"\(part.node)\" has no monitor: it keeps \"\(shared.name)\" while its machine lives, whatever it serves",
              mend: "add \"monitor:\""))
        }
      }
      found += preemptWarnings(parts)
    }
    return found + unservedAddresses(.warning)
  }

  /// Holders at which nobody listens on what they hold: an error, but where a node that holds nothing listens there, which may stand on
  /// the same machine. A loopback address, on which a network is tried out, never moves.
  private func unservedAddresses(_ severity: Diagnostic.Severity) -> [Diagnostic] {
    holderEntries().compactMap { entry in
      guard let shared = sharedAddresses.first(where: { $0.name == entry.holder.address.value }),
        !shared.address.value.isLoopback,
        !entry.listen.contains(where: {
          entry.holder.holds($0.address.value, in: self) || $0.address.value.isWildcard(for: shared.address.value)
        }), (listensBesideHolders(shared) ? .warning : .error) == severity
      else { return nil }
      let port = entry.listen.first?.address.value.port ?? 80
      return Diagnostic(
        severity, at: entry.holder.location,
        "\"\(entry.name)\" does not listen at \(shared.address.value.hostText): while it holds \"\(shared.name)\", users find nobody",
        mend: "add {address: \"\(shared.address.value.with(port: port))\", bind: free} to its \"listen\"")
    }
  }

  private func listensBesideHolders(_ shared: SharedAddress) -> Bool {
    let holders = holderEntries().filter { $0.holder.address.value == shared.name }.map(\.name)
    var listeners = sites.flatMap { site in (site.directors + site.balancers).map { ($0.name, $0.listen) } }
    listeners += offices.map { ($0.name, $0.listen) } + relays.map { ($0.name, $0.listen) }
    return listeners.contains { name, listen in
      !holders.contains(name)
        && listen.contains {
          $0.address.value.hostText == shared.address.value.hostText
            || $0.address.value.isWildcard(for: shared.address.value)
        }
    }
  }

  /// Not to preempt is a matter of the node that would: at a lower one it changes nothing.
  private func preemptWarnings(_ parts: [AddressPart]) -> [Diagnostic] {
    guard let highest = parts.max(by: { $0.priority < $1.priority }), highest.preempts else { return [] }
    return parts.compactMap { part in
      guard part.node != highest.node, part.holder.preempts?.value == false else { return nil }
      return Diagnostic(
        .warning, at: part.holder.preempts?.location ?? part.holder.location,
        "\"preempt: false\" at \"\(part.node)\" does not keep \"\(highest.node)\", which has the higher priority, from taking the address back",
        mend: "set it at the address, for all holders")
    }
  }
}
