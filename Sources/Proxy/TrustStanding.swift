internal import Synchronization
internal import TLS
internal import Topology

/// How often those who are let in, or believed, have changed: by files or by a plan, of any plan that the process serves. It only grows.
final class TrustClock: Sendable {
  private let value = Atomic<Int>(0)

  var generation: Int { value.load(ordering: .acquiring) }

  /// What has changed can be seen already.
  func advance() { value.wrappingAdd(1, ordering: .releasing) }
}

/// What a plan's connections are judged by: what the plan has, as long as it is in use, then what the plan in use has in its place.
struct TrustStanding: Sendable {
  /// By listener of the plan whose connections they are; nil: everybody stays.
  var listeners: [ListenerTLS?]
  /// By application and server, likewise.
  var servers: [[ServerTLS?]]
  /// Another plan is in use, or another process serves.
  var isFormer = false
  /// What nobody but the former plan has: it goes on looking after these files.
  private var own: Set<ObjectIdentifier> = []

  /// Of a plan in use.
  init(listeners: [ListenerTLS?], servers: [[ServerTLS?]]) {
    self.listeners = listeners
    self.servers = servers
  }

  /// Whether the plan looks after these files.
  func watches(_ tls: AnyObject) -> Bool { !isFormer || own.contains(ObjectIdentifier(tls)) }

  /// Another plan is in use: a listener at the same address, and a server of the same name at the same address, stand where they stood. What
  /// is there no more is judged as it was.
  /// - Parameter next: the other plan with what it has; nil: it is another process that serves.
  mutating func follow(_ next: (plan: NodePlan, secrets: NodeSecrets?)?, from plan: NodePlan) {
    isFormer = true
    let places = next.map { PlanPlaces($0.plan) }
    for (position, listener) in plan.listeners.enumerated() {
      guard let next, let other = next.plan.listeners.firstIndex(where: { $0.address == listener.address }) else {
        if let tls = listeners[position] { own.insert(ObjectIdentifier(tls)) }
        continue
      }
      listeners[position] = next.secrets?.listeners[other]
    }
    for (application, planned) in plan.applications.enumerated() {
      for (server, entry) in planned.pool.servers.enumerated() {
        guard let next, let place = places?.place(planned.name, entry.name),
          next.plan.applications[place.application].pool.servers[place.server].address == entry.address
        else {
          if let tls = servers[application][server] { own.insert(ObjectIdentifier(tls)) }
          continue
        }
        servers[application][server] = next.secrets?.servers[place.application][place.server]
      }
    }
  }
}
