internal import Reactor
internal import Synchronization
internal import TLS

/// Whom a worker's connections were last compared with: authorities and names that files told of.
struct TrustWatch {
  /// As of which change of any of them.
  fileprivate var generation: Int
  /// The changes of each listener, and of each server by its slot.
  fileprivate var listeners: [Int]
  fileprivate var servers: [Int]
  /// When handshakes that were under way at a change are over, and all are compared again; none is before any time.
  fileprivate var again = Int64.max

  /// As things are: there are no connections yet.
  init(_ secrets: NodeSecrets?) {
    generation = secrets?.trustGeneration ?? 0
    listeners = secrets?.listeners.map { $0?.trustGeneration ?? 0 } ?? []
    servers = secrets?.servers.joined().map { $0?.trustGeneration ?? 0 } ?? []
  }
}

/// Connections outlive the files that they were made with. Who would not be let in any more when authorities have changed is shut out:
/// idle connections are closed, others after the answer under way; tunnels and relays at once. Everybody else goes on undisturbed.
extension Worker {
  /// Looks whether authorities have changed since the last time.
  @inline(__always)
  mutating func refreshTrust() {
    guard let secrets else { return }
    if secrets._withUnsafeGuaranteedRef({ $0.trustGeneration }) != trust.generation || now >= trust.again {
      compareTrust(secrets.takeUnretainedValue())
    }
  }

  private mutating func compareTrust(_ secrets: NodeSecrets) {
    let isAgain = now >= trust.again
    trust.again = .max
    trust.generation = secrets.trustGeneration
    for (position, listener) in secrets.listeners.enumerated() {
      guard let listener, isAgain || listener.trustGeneration != trust.listeners[position] else { continue }
      trust.listeners[position] = listener.trustGeneration
      // Handshakes that are under way when all is compared again began behind the change.
      shutOutClients(of: position, TrustJudge(clientsOf: listener.context), comesAgain: !isAgain)
    }
    for application in 0..<applicationCount {
      for (server, tls) in secrets.servers[application].enumerated() {
        let list = slot(of: Int32(server), in: Int32(application))
        guard let tls, tls.trustGeneration != trust.servers[list] else { continue }
        trust.servers[list] = tls.trustGeneration
        leaveServer(server, application, TrustJudge(serverOf: tls.context))
      }
    }
  }

  private mutating func shutOutClients(of listener: Int, _ judge: consuming TrustJudge, comesAgain: Bool) {
    for slot in 0..<usedClients where clients[slot].state != .free && Int(clients[slot].listener) == listener {
      guard let transport = reactor.transport(of: clients[slot].socket) else { continue }
      let facts = TLSFacts(transport)
      if !facts.isEstablished {
        if comesAgain { trust.again = now + applications[0].timeouts.request }
      } else if !judge.isTrusted(facts) {
        shutOut(Int32(slot))
      }
    }
  }

  private mutating func shutOut(_ client: Int32) {
    let pointer = clients + Int(client)
    switch pointer.pointee.state {
    case .exchange, .answering: pointer.pointee.flags.remove(.keepAlive)
    case .tunnel: abort(client, termination: "K-")
    case .relay: relayBroken(client, "K-")
    case .free, .idle, .head, .lingering, .parting: closeClient(client)
    }
  }

  private mutating func leaveServer(_ server: Int, _ application: Int, _ judge: consuming TrustJudge) {
    for upstream in 0..<usedUpstreams where upstreams[upstream].state != .free {
      let pointer = upstreams + upstream
      guard Int(pointer.pointee.server) == server, Int(pointer.pointee.application) == application,
        let transport = reactor.transport(of: pointer.pointee.socket)
      else { continue }
      let facts = TLSFacts(transport)
      if facts.isEstablished && judge.isTrusted(facts) { continue }
      if pointer.pointee.state == .idle { closeUpstream(Int32(upstream)) } else { pointer.pointee.isDistrusted = true }
    }
  }
}
