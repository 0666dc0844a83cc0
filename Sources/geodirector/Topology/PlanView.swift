import Foundation
import Topology

extension Encodable {
  /// JSON for programs: sorted keys, indented, slashes as they are.
  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }
}

/// A node's plan as JSON: durations in milliseconds, sizes in bytes.
struct PlanView: Encodable {
  struct Listener: Encodable {
    var address: String
    var isPublic, bindsFreely: Bool
    var connectionsMax: Int
    var proxyProtocol, monitorNetworks: [String]
    var tls: ListenerTLS?
    var strictTransport: String?
    var redirectPort, redirectStatus: Int?
  }
  struct Cookie: Encodable {
    var name, mode: String
    var indirect, noCache, preserve, httpOnly, secure: Bool
    var sameSite, domain, path: String?
    var maxIdleMilliseconds, maxLifeMilliseconds: Double?
    var keyFile, signing: String?
  }
  struct Request: Encodable {
    var method, path, version: String
    var host: String?
    var expectedStatus: [String]
  }
  struct Check: Encodable {
    var kind, address: String
    var request: Request?
    var intervalMilliseconds, fastIntervalMilliseconds, downIntervalMilliseconds, timeoutMilliseconds: Double
    var rise, fall: Int
    var tls: ServerTLS?
  }
  struct Server: Encodable {
    var name, site, address: String
    var cookieValue: String?
    var tier, weight, maxConnections: Int
    var isNode: Bool
    var admission, liveness: Check?
    var slowStartMilliseconds: Double
    var tls: ServerTLS?
    var proxyProtocol: String?
  }
  struct Pool: Encodable {
    var algorithm: String
    var tierCount: Int
    var servers: [Server]
    var persist, spill: Bool
    var queueMax, capacity: Int
    var failback: String
    var failbackAfterMilliseconds: Double?
  }
  struct Timeouts: Encodable {
    var requestMilliseconds, keepAliveMilliseconds, clientMilliseconds, connectMilliseconds: Double
    var serverMilliseconds, queueMilliseconds, tunnelMilliseconds, unacknowledgedMilliseconds: Double
    var pooledMilliseconds: Double
  }
  struct Forwarding: Encodable {
    var forwardedFor, forwardedProto, forwardedHost, originalTo: Bool
    var forwardedForExcept, trusted: [String]
    var clientField: String
  }
  struct Retries: Encodable {
    var attemptsMax, bodyBytesMax, budgetPercent, budgetMinimum: Int
  }
  struct App: Encodable {
    var name: String
    var hosts: [String]
    var cookie: Cookie?
    var pool: Pool
    var timeouts: Timeouts
    var forwarding: Forwarding
    var retries: Retries
  }
  struct Limits: Encodable {
    var connectionsMax, connectionsPerSourceMax: Int
    var sourcesExempt: [String]
    var headBytesMax, targetBytesMax, fieldsMax, bodyBytesMax, pooledPerServerMax, workers: Int
  }
  struct Geo: Encodable {
    var use: String
    var database: String?
    var sites: [String]
    var checkIntervalMilliseconds: Double
  }
  var name, role, network, digest: String
  var user, group, chroot, pidfile: String?
  var sources: [String]
  var monitorTLS: ListenerTLS?
  var site, monitor, adminSocket: String?
  var notifyCommand: [String]?
  struct StatusPage: Encodable {
    var address, path, user, password: String
  }
  var statusPage: StatusPage?
  var geo: Geo?
  var listeners: [Listener]
  var applications: [App]
  var limits: Limits
  var graceMilliseconds, shutdownMilliseconds, resolveIntervalMilliseconds: Double
  var timeScale: Double
  var downstreamNodes: [String]
}

extension PlanView {
  init(_ plan: NodePlan) {
    name = plan.name
    role = plan.role.rawValue
    network = plan.network
    digest = plan.digest
    site = plan.site
    monitor = plan.monitor?.description
    user = plan.user
    group = plan.group
    chroot = plan.chroot
    pidfile = plan.pidPath
    sources = plan.sources.map(\.hostText)
    monitorTLS = plan.monitorTLS.map(ListenerTLS.init)
    adminSocket = plan.admin?.socketPath
    notifyCommand = plan.notify?.command
    statusPage = plan.statusPage.map {
      StatusPage(address: $0.address.description, path: $0.path, user: $0.user, password: $0.password.text)
    }
    geo = plan.geo.map { geo in
      Geo(
        use: geo.use == .tiers ? "tiers" : "redirects", database: geo.databasePath, sites: geo.sites.map(\.name),
        checkIntervalMilliseconds: geo.checkInterval.inMilliseconds)
    }
    listeners = plan.listeners.map {
      Listener(
        address: $0.address.description, isPublic: $0.isPublic, bindsFreely: $0.bindsFreely,
        connectionsMax: $0.connectionsMax,
        proxyProtocol: $0.proxyProtocol.map(\.description),
        monitorNetworks: $0.monitorNetworks.map(\.description), tls: $0.tls.map(ListenerTLS.init),
        strictTransport: $0.strictTransport?.fieldValue, redirectPort: $0.secureRedirect.map { Int($0.port) },
        redirectStatus: $0.secureRedirect?.status)
    }
    applications = plan.applications.map(App.init)
    let limit = plan.limits
    limits = Limits(
      connectionsMax: limit.connectionsMax, connectionsPerSourceMax: limit.connectionsPerSourceMax,
      sourcesExempt: limit.sourcesExempt.map(\.description), headBytesMax: limit.headBytesMax,
      targetBytesMax: limit.targetBytesMax, fieldsMax: limit.fieldsMax, bodyBytesMax: limit.bodyBytesMax,
      pooledPerServerMax: limit.pooledPerServerMax, workers: limit.workers)
    graceMilliseconds = plan.grace.inMilliseconds
    shutdownMilliseconds = plan.shutdown.inMilliseconds
    resolveIntervalMilliseconds = plan.resolveInterval.inMilliseconds
    timeScale = plan.timeScale
    downstreamNodes = plan.downstreamNodes
  }
}

extension PlanView.App {
  init(_ plan: ApplicationPlan) {
    name = plan.name
    hosts = plan.hosts
    cookie = plan.cookie.map(PlanView.Cookie.init)
    pool = PlanView.Pool(plan.pool)
    let time = plan.timeouts
    timeouts = PlanView.Timeouts(
      requestMilliseconds: time.request.inMilliseconds, keepAliveMilliseconds: time.keepAlive.inMilliseconds,
      clientMilliseconds: time.client.inMilliseconds, connectMilliseconds: time.connect.inMilliseconds,
      serverMilliseconds: time.server.inMilliseconds, queueMilliseconds: time.queue.inMilliseconds,
      tunnelMilliseconds: time.tunnel.inMilliseconds, unacknowledgedMilliseconds: time.unacknowledged.inMilliseconds,
      pooledMilliseconds: time.pooled.inMilliseconds)
    let forward = plan.forwarding
    forwarding = PlanView.Forwarding(
      forwardedFor: forward.forwardedFor, forwardedProto: forward.forwardedProto,
      forwardedHost: forward.forwardedHost, originalTo: forward.originalTo,
      forwardedForExcept: forward.forwardedForExcept.map(\.description),
      trusted: forward.trusted.map(\.description), clientField: forward.clientField.rawValue)
    let retry = plan.retries
    retries = PlanView.Retries(
      attemptsMax: retry.attemptsMax, bodyBytesMax: retry.bodyBytesMax, budgetPercent: retry.budgetPercent,
      budgetMinimum: retry.budgetMinimum)
  }
}

extension PlanView.Cookie {
  init(_ plan: CookiePlan) {
    self.init(
      name: plan.name, mode: plan.mode.rawValue, indirect: plan.indirect, noCache: plan.noCache,
      preserve: plan.preserve, httpOnly: plan.httpOnly, secure: plan.secure, sameSite: plan.sameSite?.rawValue,
      domain: plan.domain, path: plan.path, maxIdleMilliseconds: plan.maxIdle?.inMilliseconds,
      maxLifeMilliseconds: plan.maxLife?.inMilliseconds, keyFile: plan.signing?.keyPath,
      signing: plan.signing?.phase.rawValue)
  }
}

extension PlanView.Pool {
  init(_ plan: PoolPlan) {
    self.init(
      algorithm: plan.algorithm.rawValue, tierCount: plan.tierCount, servers: plan.servers.map(PlanView.Server.init),
      persist: plan.persist, spill: plan.spill, queueMax: plan.queueMax, capacity: plan.capacity, failback: "",
      failbackAfterMilliseconds: nil)
    switch plan.failback {
    case .session: failback = "session"
    case .immediate: failback = "immediate"
    case .after(let duration):
      failback = "after"
      failbackAfterMilliseconds = duration.inMilliseconds
    }
  }
}

extension PlanView.Server {
  init(_ plan: ServerPlan) {
    self.init(
      name: plan.name, site: plan.site, address: plan.address.serviceText, cookieValue: plan.cookieValue,
      tier: plan.tier, weight: plan.weight, maxConnections: plan.maxConnections, isNode: plan.isNode,
      admission: plan.admission.map(PlanView.Check.init), liveness: plan.liveness.map(PlanView.Check.init),
      slowStartMilliseconds: plan.slowStart.inMilliseconds, tls: plan.tls.map(PlanView.ServerTLS.init),
      proxyProtocol: plan.proxyProtocol?.rawValue)
  }
}

extension PlanView.Check {
  init(_ plan: CheckPlan) {
    self.init(
      kind: plan.kind.word, address: plan.address.description, request: nil,
      intervalMilliseconds: plan.interval.inMilliseconds, fastIntervalMilliseconds: plan.fastInterval.inMilliseconds,
      downIntervalMilliseconds: plan.downInterval.inMilliseconds, timeoutMilliseconds: plan.timeout.inMilliseconds,
      rise: plan.rise, fall: plan.fall, tls: plan.tls.map(PlanView.ServerTLS.init))
    if case .http(let http) = plan.kind {
      request = PlanView.Request(
        method: http.method, path: http.path, version: http.version, host: http.host,
        expectedStatus: http.expectedStatus.map(statusText))
    }
  }
}

extension CheckPlan.Kind {
  /// The word the topology language has for it.
  var word: String {
    switch self {
    case .tcp: "tcp"
    case .http: "http"
    case .monitor: "monitor"
    case .tlsHello: "tls-hello"
    }
  }
}

/// `200` or `200-399`.
func statusText(_ range: ClosedRange<Int>) -> String {
  range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
}
