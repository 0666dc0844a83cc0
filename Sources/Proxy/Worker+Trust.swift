internal import Reactor
internal import Synchronization
internal import TLS

/// Whom a worker's connections were last compared with: authorities and names that files told of.
struct TrustWatch {
  /// As of which change of any of them.
  fileprivate var generation: Int
  /// Kept by what all plans share; nil: there is no TLS.
  fileprivate let clock: Unmanaged<TrustClock>?
  /// Something has changed since the connections there are may have begun.
  fileprivate var hasChanged = false
  /// Handshakes begin with the files of a plan that is in use no more.
  fileprivate var isFormer = false
  /// The changes of each listener, and of each server by its slot.
  fileprivate var listeners: [Int]
  fileprivate var servers: [Int]
  /// When handshakes that were under way at a change are over, and all are compared again; none is before any time.
  fileprivate var again = Int64.max

  /// As things are: there are no connections yet.
  init(_ secrets: NodeSecrets?) {
    clock = secrets.map { .passUnretained($0.trustClock) }
    generation = secrets?.trustClock.generation ?? 0
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
    guard let secrets, let clock = trust.clock else { return }
    if clock._withUnsafeGuaranteedRef({ $0.generation }) != trust.generation || now >= trust.again {
      compareTrust(secrets.takeUnretainedValue())
    }
  }

  private mutating func compareTrust(_ secrets: NodeSecrets) {
    let isAgain = now >= trust.again
    trust.again = .max
    trust.generation = secrets.trustClock.generation
    trust.hasChanged = true
    let standing = secrets.standing
    trust.isFormer = standing.isFormer
    for (position, listener) in standing.listeners.enumerated() {
      // What is in the place of what a former plan had has changes of its own.
      guard let listener,
        isAgain || standing.isFormer || listener.trustGeneration != trust.listeners[position]
      else { continue }
      trust.listeners[position] = listener.trustGeneration
      // Handshakes that are under way when all is compared again began behind the change.
      shutOutClients(of: position, TrustJudge(clientsOf: listener.context), comesAgain: !isAgain)
    }
    for application in 0..<applicationCount {
      for (server, tls) in standing.servers[application].enumerated() {
        let list = slot(of: Int32(server), in: Int32(application))
        guard let tls, standing.isFormer || tls.trustGeneration != trust.servers[list] else { continue }
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
      if pointer.pointee.state == .idle {
        closeUpstream(Int32(upstream))
        continue
      }
      // Of a handshake under way it is asked again when it is done.
      pointer.pointee.isDistrusted = true
      let client = pointer.pointee.client
      guard pointer.pointee.state == .busy, client >= 0 else { continue }
      switch clients[Int(client)].state {
      case .tunnel: abort(client, termination: "K-")
      case .relay: relayBroken(client, "K-")
      default: break
      }
    }
  }

  /// Whether a server whose handshake is done is believed by what counts now: a change may have come behind its beginning.
  mutating func isBelieved(_ upstream: Int32) -> Bool {
    let pointer = upstreams + Int(upstream)
    guard pointer.pointee.isDistrusted || trust.isFormer, let secrets,
      let transport = reactor.transport(of: pointer.pointee.socket)
    else { return true }
    let standing = secrets.takeUnretainedValue().standing
    let tls = standing.servers[Int(pointer.pointee.application)][Int(pointer.pointee.server)]
    var isBelieved = true
    if let tls {
      var judge = TrustJudge(serverOf: tls.context)
      isBelieved = judge.isTrusted(TLSFacts(transport))
    }
    pointer.pointee.isDistrusted = !isBelieved
    return isBelieved
  }

  /// Whether a client whose handshake is done is let in by what counts now: after a change, until all are compared again, it may have
  /// begun before.
  @inline(__always)
  mutating func isLetIn(_ client: Int32) -> Bool { trust.again == .max || isTrusted(client) }

  private mutating func isTrusted(_ client: Int32) -> Bool {
    guard let secrets, let transport = reactor.transport(of: clients[Int(client)].socket) else { return true }
    let listener = secrets.takeUnretainedValue().standing.listeners[Int(clients[Int(client)].listener)]
    guard let listener else { return true }
    var judge = TrustJudge(clientsOf: listener.context)
    return judge.isTrusted(TLSFacts(transport))
  }

  /// Whether what becomes a tunnel may be one: who would be shut out had the answer under way, and no more.
  mutating func mayStay(_ client: Int32, _ upstream: Int32) -> Bool {
    guard trust.hasChanged else { return true }
    return !upstreams[Int(upstream)].isDistrusted && isTrusted(client)
  }
}
