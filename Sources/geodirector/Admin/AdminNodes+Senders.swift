import Operations
import Topology

extension AdminNodes {
  /// The clients of all nodes that send to servers: one that is not spoken to would go on sending to what is being restarted. Sockets are
  /// taken as they are given.
  ///
  /// - Parameters:
  ///   - servers: their names; empty: all that the nodes given have.
  ///   - absent: nodes that do not run, so that nobody need speak to them.
  func clients(sendingTo servers: [String], without absent: [String]) throws -> [AdminClient] {
    guard socket.isEmpty else {
      guard absent.isEmpty else {
        throw DeployFailure.usage(
          "--without names nodes of a topology; with --socket leave out the sockets of those that do not run")
      }
      return try clients()
    }
    let (loaded, path) = try load()
    let named = try Self.names(sendingTo: servers, given: node, without: absent, in: loaded)
    return try Self.clients(of: named, in: loaded, path)
  }

  /// The names of the nodes that send to servers.
  ///
  /// - Parameter node: the nodes given; none: all that send to the servers.
  static func names(sendingTo servers: [String], given node: [String], without absent: [String], in loaded: Topology)
    throws -> [String]
  {
    let all = loaded.nodes.map(\.name)
    for name in absent where !all.contains(name) {
      let nearest = nearestSpelling(of: name, among: all).map { "; did you mean \($0)?" } ?? ""
      throw DeployFailure.usage("--without: there is no node \"\(name)\"\(nearest)")
    }
    if let both = absent.first(where: node.contains) {
      throw DeployFailure.usage("\(both) is given with --node and with --without")
    }
    var served: [String: Set<String>] = [:]
    for name in all {
      served[name] = Set(try loaded.plan(for: name).applications.flatMap { $0.pool.servers.map(\.name) })
    }
    var named = node
    if servers.isEmpty, node.isEmpty { named = try nodes(concerning: nil, in: loaded, orRunning: false) }
    let wanted = servers.isEmpty ? named.reduce(into: Set<String>()) { $0.formUnion(served[$1] ?? []) } : Set(servers)
    // A relay that makes a server's admission port sends it nobody.
    let checking = Set(loaded.relays.filter { !loaded.carriesUsers($0) }.map(\.name))
    let having = all.filter { served[$0]?.isDisjoint(with: wanted) == false }
    let sending = having.filter { !checking.contains($0) }
    let senders = (sending.isEmpty ? having : sending).filter { !absent.contains($0) }
    if named.isEmpty {
      let known = served.values.reduce(into: Set<String>()) { $0.formUnion($1) }
      if let unknown = servers.first(where: { !known.contains($0) }) {
        let nearest = nearestSpelling(of: unknown, among: known.sorted()).map { "; did you mean \($0)?" } ?? ""
        throw DeployFailure.usage("no node sends to a server \"\(unknown)\"\(nearest)")
      }
      named = senders
    }
    let forgotten = senders.filter { !named.contains($0) }
    if let first = forgotten.first {
      let several = forgotten.count > 1
      throw DeployFailure.usage(
        "\(forgotten.joined(separator: ", ")) \(several ? "send" : "sends") to the same servers and would go on while they are restarted: "
          + "give --node \(first) \(several ? "and so on, " : "")too, or --without \(first) if it does not run")
    }
    guard !named.isEmpty else { throw DeployFailure.usage("no node is left to speak to") }
    return named
  }
}
