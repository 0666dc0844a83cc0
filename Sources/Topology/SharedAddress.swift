/// An address that several nodes share: one of them holds it, another takes it over (VRRP, RFC 5798, by keepalived).
public struct SharedAddress: Sendable, Equatable {
  /// The name, which holders refer to.
  public var name: String
  /// The address; its port is 0.
  public var address: Located<Address>
  /// Bits of the network, 1 to 32 (IPv4) or 128.
  public var prefixLength: Int
  /// The virtual router's number, 1 to 255: one for each address on a network.
  public var routerID: Located<Int>
  /// Between two announcements of the holder: after three of them missed another takes over.
  public var interval: Duration
  /// Who is preferred takes the address back when it is well again; else it stays where it is.
  public var preempts: Bool
  /// How long a node has to be well before it takes an address back.
  public var preemptDelay: Duration
  /// Where it is declared.
  public var location: SourceLocation

  /// A shared address that stays where it is, announced every second.
  public init(
    name: String, address: Located<Address>, prefixLength: Int, routerID: Located<Int>, location: SourceLocation = .none
  ) {
    self.name = name
    self.address = address
    self.prefixLength = prefixLength
    self.routerID = routerID
    interval = .seconds(1)
    preempts = false
    preemptDelay = .seconds(10)
    self.location = location
  }
}

extension SharedAddress {
  /// `preemptDelay` as keepalived is told it: whole seconds, rounded up.
  public var preemptDelaySeconds: Int { Int((preemptDelay.inMilliseconds / 1000).rounded(.up)) }
}

/// How a node's keepalived asks the node's own monitor whether it is well: keepalived's `vrrp_script`, the same at every holder of a
/// shared address.
public enum HolderCheck {
  /// From one question to the next.
  public static let interval: Duration = .seconds(1)
  /// What has no answer after so long has failed.
  public static let timeout: Duration = .seconds(2)
  /// Failures in a row after which the node gives the address away.
  public static let fall = 2
  /// Successes in a row after which it may have the address again.
  public static let rise = 2
}

/// A node's part in a shared address, as it is written.
public struct AddressHolder: Sendable, Equatable {
  /// The name of the shared address.
  public var address: Located<String>
  /// The network interface it is put on.
  public var interface: String
  /// The address the node speaks from. Nil: that of its first listener or of its monitor that is its own.
  public var source: Located<Address>?
  /// 1 to 254: the highest that is well holds the address. Nil: by the order of declaration.
  public var priority: Located<Int>?
  /// Takes the address back from a lower one. Nil: as the address says.
  public var preempts: Located<Bool>?
  /// Whom it speaks to. Nil: all other holders.
  public var peers: [Located<String>]?
  /// Where it is declared.
  public var location: SourceLocation

  /// A holder on `eth0`, all else as the address says.
  public init(address: Located<String>, location: SourceLocation = .none) {
    self.address = address
    interface = "eth0"
    self.location = location
  }
}

/// A node's part in a shared address with everything derived: what its keepalived is told.
public struct AddressPart: Sendable, Equatable {
  /// The node.
  public var node: String
  /// The site it stands at; nil for an office proxy.
  public var site: String?
  /// The shared address.
  public var address: SharedAddress
  /// The network interface.
  public var interface: String
  /// The address it speaks from; nil: nothing says which.
  public var source: Address?
  /// 1 to 254.
  public var priority: Int
  /// Takes the address back from a lower one.
  public var preempts: Bool
  /// The nodes it speaks to.
  public var peers: [String]
  /// The node's monitor.
  public var monitor: Address?
  /// How the node's own keepalived asks it by TLS: verified as the node verifies others (its `upstream`), unless its `tls` says
  /// otherwise. Nil: without.
  public var monitorTLS: ServerTLSPlan?
  /// As it is written.
  public var holder: AddressHolder
}

extension Topology {
  /// The parts of all holders of a shared address, in declaration order.
  public func parts(of shared: SharedAddress) -> [AddressPart] {
    let all = holderEntries().filter { $0.holder.address.value == shared.name }
    // Who takes over first is told by time alone: a holder waits priority / 256 of the interval less (RFC 5798 section 6.1).
    // Wide steps make that much more than what a busy machine delays; and they leave room for priorities of the administrator's own.
    let step = all.count <= 4 ? 50 : all.count <= 20 ? 10 : 1
    let first = step == 1 ? 254 : 200
    return all.enumerated().map { rank, entry in
      AddressPart(
        node: entry.name, site: entry.site, address: shared, interface: entry.holder.interface,
        source: entry.holder.source?.value ?? entry.ownAddresses.first { !holds(entry.name, $0) }?.with(port: 0),
        priority: entry.holder.priority?.value ?? max(1, first - step * rank),
        preempts: entry.holder.preempts?.value ?? shared.preempts,
        peers: entry.holder.peers?.map(\.value) ?? all.map(\.name).filter { $0 != entry.name },
        monitor: entry.monitor, monitorTLS: monitorTLS(ofNode: entry.name), holder: entry.holder)
    }
  }

  /// How a node asks its own monitor by TLS; nil: without.
  func monitorTLS(ofNode name: String) -> ServerTLSPlan? {
    for site in sites {
      for (nodes, role) in [(site.directors, NodeRole.siteDirector), (site.balancers, .siteBalancer)] {
        guard let node = nodes.first(where: { $0.name == name }) else { continue }
        guard node.monitorTLS != nil, let monitor = node.monitor?.value else { return nil }
        return settings(node.settings, role: role, site: site).upstreamTLS.plan(
          node.tls?.value ?? TargetTLSSettings(isOn: true), named: name, at: node.serviceAddress ?? monitor, from: name)
      }
    }
    guard let office = offices.first(where: { $0.name == name }), office.monitorTLS != nil,
      let monitor = office.monitor?.value
    else { return nil }
    return settings(office.settings, role: .officeProxy).upstreamTLS.plan(
      TargetTLSSettings(isOn: true), named: name, at: office.listen.first?.address.value ?? monitor, from: name)
  }

  /// The parts of one node, in the order of the addresses.
  public func addressParts(ofNode name: String) -> [AddressPart] {
    sharedAddresses.flatMap { parts(of: $0).filter { $0.node == name } }
  }

  /// Whether a node may hold the address of a socket.
  func holds(_ node: String, _ address: Address) -> Bool {
    holderEntries().contains { $0.name == node && $0.holder.holds(address, in: self) }
  }

  /// Every entry of `vrrp`, offices last, as declared.
  func holderEntries() -> [HolderEntry] {
    var found: [HolderEntry] = []
    func add(
      _ name: String, _ site: String?, _ listen: [Listen], _ monitor: Located<Address>?, _ vrrp: [AddressHolder],
      _ sources: Located<[Address]>?
    ) {
      if vrrp.isEmpty { return }
      let own = (listen.map(\.address.value) + [monitor?.value].compactMap { $0 }).filter { address in
        if case .ipv4 = address { return !address.isWildcard }
        if case .ipv6 = address { return !address.isWildcard }
        return false
      }
      for holder in vrrp {
        found.append(
          HolderEntry(
            name: name, site: site, ownAddresses: own, listen: listen, monitor: monitor?.value, holder: holder,
            sources: sources)
        )
      }
    }
    for site in sites {
      for (role, nodes) in [(NodeRole.siteDirector, site.directors), (.siteBalancer, site.balancers)] {
        for node in nodes {
          let sources = node.settings.sources ?? defaults[role].sources
          add(node.name, site.name, node.listen, node.monitor, node.vrrp, sources)
        }
      }
    }
    for office in offices {
      let sources = office.settings.sources ?? defaults[.officeProxy].sources
      add(office.name, nil, office.listen, office.monitor, office.vrrp, sources)
    }
    return found
  }
}

/// An entry of `vrrp` and its node.
struct HolderEntry {
  var name: String
  var site: String?
  /// The IP addresses of its listeners and its monitor.
  var ownAddresses: [Address]
  var listen: [Listen]
  var monitor: Address?
  var holder: AddressHolder
  /// Where its connections leave from.
  var sources: Located<[Address]>?
}

extension AddressHolder {
  func holds(_ socket: Address, in topology: Topology) -> Bool {
    topology.sharedAddresses.contains {
      $0.name == address.value && $0.address.value.hostText == socket.hostText
    }
  }
}
