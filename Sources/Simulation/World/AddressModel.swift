internal import Routing
internal import Topology

/// An address that the nodes of an entry share (VRRP version 3, RFC 5798), as their keepalived are told of it; times in nanoseconds.
struct AddressModel: Sendable {
  /// A node that may hold it.
  struct Holder: Sendable {
    var element: Int32
    /// 1 to 254.
    var priority: Int
    /// Takes the address back from a lower one.
    var preempts: Bool
    /// Its keepalived asks its monitor; else it is well while its machine lives.
    var isAsked: Bool
  }

  /// Between two questions of a node's keepalived to its monitor.
  static let questions = HolderCheck.interval.nanosecondsClamped
  /// From a node's end, or that of its monitor, until it gives the address away.
  static let fall = Int64(HolderCheck.fall) * questions
  /// From a node's return until it may have the address.
  static let rise = Int64(HolderCheck.rise) * questions

  /// The address's name.
  var name: String
  /// By falling priority; of equals the higher source address comes first.
  var holders: [Holder]
  /// Between two announcements.
  var interval: Int64
  /// From the moment a node may have the address until it takes it from a lower one.
  var preemptDelay: Int64

  /// The one address by which all of these elements are reached, and nobody else; nil: there is none, or more than one.
  init?(of elements: [Int32], in network: NetworkModel) {
    let names = elements.map { network.elements[Int($0)].name }
    let shared = network.topology.sharedAddresses.filter { address in
      let nodes = network.topology.parts(of: address).map(\.node)
      return nodes.count == names.count && names.allSatisfy(nodes.contains)
    }
    guard shared.count == 1, let address = shared.first, !elements.isEmpty else { return nil }
    let parts = network.topology.parts(of: address).sorted { Self.rank($0) > Self.rank($1) }
    name = address.name
    holders = parts.compactMap { part in
      network.element(named: part.node).map {
        Holder(element: $0, priority: part.priority, preempts: part.preempts, isAsked: part.monitor != nil)
      }
    }
    interval = max(1, address.interval.nanosecondsClamped)
    preemptDelay = Int64(address.preemptDelaySeconds) * 1_000_000_000
  }

  /// How long a holder waits for somebody better once it could take the address (RFC 5798 section 6.1).
  func skew(_ holder: Int) -> Int64 { Int64(256 - holders[holder].priority) * interval / 256 }

  /// From the last announcement that could come of a silent machine until the others do without it.
  var silence: Int64 { 3 * interval }

  private static func rank(_ part: AddressPart) -> (Int, UInt64, UInt64) {
    switch part.source {
    case .ipv4(let bits, _)?: (part.priority, 0, UInt64(bits))
    case .ipv6(let high, let low, _)?: (part.priority, high, low)
    default: (part.priority, 0, 0)
    }
  }
}
