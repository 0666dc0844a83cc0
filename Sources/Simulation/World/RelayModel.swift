internal import Topology

/// A relay by way of which nodes ask monitors or admission ports. What else goes through relays is not simulated.
struct RelayModel: Sendable {
  var name: String
  var listeners: [Address]
  /// The site of whoever stands behind it, for faults of a site.
  var site: Int32
  /// It runs on the machine of whoever stands behind it, and falls silent with that.
  var sharesMachine: Bool

  init?(_ relay: Relay, of topology: Topology) {
    let behind = topology.elementsChecked(through: relay)
    guard let first = behind.first, let place = topology.element(named: first)?.site?.name else { return nil }
    name = relay.name
    listeners = relay.listen.map(\.address.value)
    site = topology.sites.firstIndex { $0.name == place }.map { Int32($0) } ?? -1
    let hosts = Set(listeners.map(\.hostText))
    sharesMachine = topology.hosts(of: first).contains(where: hosts.contains)
  }

  /// A relay while a scenario runs.
  struct State: Equatable, Sendable {
    /// Reasons why its process does not run.
    var kills: Int16 = 0
    /// Reasons why its machine has no power.
    var powerCuts: Int16 = 0

    var isPowered: Bool { powerCuts == 0 }
    var isUp: Bool { kills == 0 && powerCuts == 0 }
  }
}

extension Topology {
  /// Where an element itself stands.
  fileprivate func hosts(of name: String) -> [String] {
    let nodes = sites.flatMap { $0.directors + $0.balancers }.filter { $0.name == name }
    return nodes.flatMap { $0.listen.map(\.address.value.hostText) }
      + servers.filter { $0.name == name }.compactMap { $0.base?.hostText }
  }
}

extension NetworkModel {
  /// What a name of a fault stands for among the relays: one, or all at a site.
  func relays(named name: String) -> [Int32] {
    let site = topology.sites.firstIndex { $0.name == name }.map { Int32($0) }
    return relays.indices.filter { relays[$0].name == name || relays[$0].site == site }.map { Int32($0) }
  }
}
