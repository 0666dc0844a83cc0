internal import Topology

/// Where servers are reached, and where connections to them come from.
extension Explainer {
  /// Where a server is reached: a relay's at the port that the client used, unless it has its own.
  func address(of server: ServerPlan) -> Address {
    guard server.address.port == 0, let listenPort else { return server.address }
    return server.address.with(port: listenPort)
  }

  /// The address that the next tier sees as its client: this node's.
  func address(of plan: NodePlan, towards server: Address) -> Network? {
    let chosen = plan.sources.first { source in
      switch (source, server) {
      case (.ipv4, .ipv4), (.ipv6, .ipv6): true
      default: false
      }
    }
    return (chosen ?? plan.listeners.first?.address).flatMap(Network.init(of:))
  }
}

extension NodePlan {
  /// Where connections leave from, for people; nil: the kernel chooses.
  var sourceTexts: [String]? { sources.isEmpty ? nil : sources.map(\.hostText) }
}
