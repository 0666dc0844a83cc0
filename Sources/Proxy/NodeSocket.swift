internal import CReactor
internal import Glibc
internal import Reactor
internal import Topology

/// A listening socket that is there already: of the plan before, or handed over by another process.
struct NodeSocket: Sendable {
  var address: Address
  var descriptor: Int32
}

extension NodeSocket {
  /// Connections that wait to be accepted at most, if the system allows so many.
  static let backlog: Int32 = 4_096

  /// Listens at an address, or says why that cannot be.
  /// - Parameter mine: sockets of the node itself: they may be what is in the way.
  static func listen(at address: Address, for node: String, freely: Bool, beside mine: [NodeSocket] = [])
    throws(NodeError) -> NodeSocket
  {
    var candidates = AddressBook.fixed(address)
    if case .host(let name, let port) = address { candidates = SocketAddress.resolve(name: name, port: port) }
    guard var raw = candidates.first?.raw else {
      throw NodeError(kind: .addressNotHere, description: "\(address) does not resolve: \(node) cannot listen there")
    }
    let descriptor = cr_listen(&raw, backlog, freely ? 1 : 0)
    if descriptor >= 0 { return NodeSocket(address: address, descriptor: descriptor) }
    throw failure(-descriptor, at: address, for: node, beside: mine)
  }

  /// Says why connections cannot leave from an address.
  static func checkSource(_ source: Address, of node: String) throws(NodeError) {
    for address in AddressBook.fixed(source) {
      var raw = address.raw
      let status = cr_check_source(&raw)
      guard status < 0 else { continue }
      let isNotHere = status == -EADDRNOTAVAIL
      throw NodeError(
        kind: isNotHere ? .addressNotHere : .system,
        description: isNotHere
          ? "\(source.hostText) is no address of this machine, so \(node) cannot connect from there: add it to an interface, or correct \"source:\""
          : "\(node) cannot connect from \(source.hostText): \(SystemError(code: status))")
    }
  }

  static func failure(_ code: Int32, at address: Address, for node: String, beside mine: [NodeSocket] = [])
    -> NodeError
  {
    switch code {
    case EADDRINUSE:
      if let other = mine.first(where: { $0.address.port == address.port && address.port != nil }) {
        return NodeError(
          kind: .portInUse,
          description:
            "\(address) is in use, perhaps by \(node) itself, which listens at \(other.address): change that in two steps, or restart it"
        )
      }
      return NodeError(
        kind: .portInUse,
        description: "\(address) is in use by another process: stop that one, or give \(node) another address")
    case EACCES, EPERM:
      return NodeError(
        kind: .missingPrivilege,
        description:
          "\(address) needs a privilege this process lacks: run as root, grant CAP_NET_BIND_SERVICE, or use a port from 1024 on"
      )
    case EADDRNOTAVAIL:
      return NodeError(
        kind: .addressNotHere,
        description: "\(address) is no address of this machine: add it to an interface, or correct the topology")
    default:
      return NodeError(kind: .system, description: "\(address) cannot be listened on: \(SystemError(code: code))")
    }
  }
}
