internal import HTTPMessage
internal import Routing
internal import Synchronization
internal import Topology

/// All that is immortal, by its text: the same text is kept once, so a plan that replaces another one adds only what is new in it.
private let immortals = Mutex<[String: UInt]>([:])

/// Bytes that live as long as the process: the constants of the hot path, made when a plan comes into use, and what was learned of
/// cookies, which is bounded.
func immortal(_ text: String) -> ByteView {
  let count = text.utf8.count
  let address = immortals.withLock { immortals in
    if let known = immortals[text] { return known }
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, count))
    memory.initialize(from: Array(text.utf8), count: count)
    let address = UInt(bitPattern: memory)
    immortals[text] = address
    return address
  }
  return ByteView(UnsafePointer(bitPattern: address)!, count: count)
}

/// A cookie rule in the form the workers use.
struct CompiledCookie {
  var name: ByteView
  var mode: CookiePlan.Mode
  var indirect: Bool
  var noCache: Bool
  var preserve: Bool
  /// `; path=/; HttpOnly`: what follows the value.
  var attributes: ByteView
  /// The same for users of https.
  var secureAttributes: ByteView
  /// Attributes to make the client forget the cookie.
  var hasPath: Bool
  /// Nanoseconds; 0: no limit.
  var maxIdle: Int64
  var maxLife: Int64
  /// Values carry tags: they are checked, and where there is none that may be required, or given.
  var requiresTag: Bool
  var issuesTag: Bool
  var hasDates: Bool { maxIdle > 0 || maxLife > 0 }

  init(_ plan: CookiePlan) {
    name = immortal(plan.name)
    mode = plan.mode
    indirect = plan.indirect
    noCache = plan.noCache
    preserve = plan.preserve
    hasPath = plan.path != nil
    requiresTag = plan.signing?.phase == .require
    issuesTag = requiresTag || plan.signing?.phase == .issue
    var text = ""
    if let path = plan.path ?? (plan.mode == .insert ? "/" : nil) { text += "; path=\(path)" }
    if let domain = plan.domain { text += "; domain=\(domain)" }
    if plan.httpOnly { text += "; HttpOnly" }
    let sameSite = plan.sameSite.map { "; SameSite=\($0.rawValue)" } ?? ""
    attributes = immortal(text + (plan.secure ? "; Secure" : "") + sameSite)
    secureAttributes = immortal(text + "; Secure" + sameSite)
    maxIdle = plan.maxIdle?.nanosecondsClamped ?? 0
    maxLife = plan.maxLife?.nanosecondsClamped ?? 0
  }
}

/// A candidate in the form the workers use.
struct CompiledServer {
  var name: ByteView
  var site: ByteView
  var cookieValue: ByteView?
  /// Connections to it are TLS.
  var isSecure: Bool
  /// They begin with a header that tells of the client.
  var proxyProtocol: ProxyProtocolVersion?
}

/// Timeouts in nanoseconds.
struct CompiledTimeouts {
  var request, keepAlive, client, connect, server, queue, tunnel, pooled: Int64
  var unacknowledgedMilliseconds: Int32

  init(_ plan: TimeoutPlan) {
    request = plan.request.nanosecondsClamped
    keepAlive = plan.keepAlive.nanosecondsClamped
    client = plan.client.nanosecondsClamped
    connect = plan.connect.nanosecondsClamped
    server = plan.server.nanosecondsClamped
    queue = plan.queue.nanosecondsClamped
    tunnel = plan.tunnel.nanosecondsClamped
    pooled = plan.pooled.nanosecondsClamped
    unacknowledgedMilliseconds = Int32(clamping: plan.unacknowledged.nanosecondsClamped / 1_000_000)
  }
}

/// An application in the form the workers use; shared by all of them, never changed.
struct CompiledApplication {
  var name: ByteView
  /// Exact names, lower case; with `*.` taken off for `suffixes`. Both empty: every host.
  var hosts: [ByteView]
  var suffixes: [ByteView]
  var cookie: CompiledCookie?
  var servers: [CompiledServer]
  var timeouts: CompiledTimeouts
  var forwardedFor: Bool
  var forwardedProto: Bool
  var forwardedHost: Bool
  var originalTo: Bool
  var forwardedForExcept: [Network]
  /// Whose X-Forwarded-For is believed (rule H).
  var trusted: [Network]
  var clientField: ClientField
  var retries: RetryPlan
  /// First of this application's waiting lists in the worker's table.
  var firstServer: Int
  /// Where the public is sent on to. Nil: nowhere.
  var redirects: CompiledRedirects?

  init(_ plan: ApplicationPlan, firstServer: Int) {
    name = immortal(plan.name)
    hosts = plan.hosts.filter { !$0.hasPrefix("*.") }.map(immortal)
    suffixes = plan.hosts.filter { $0.hasPrefix("*.") }.map { immortal(String($0.dropFirst())) }
    cookie = plan.cookie.map(CompiledCookie.init)
    servers = plan.pool.servers.map { server in
      CompiledServer(
        name: immortal(server.name), site: immortal(server.site), cookieValue: server.cookieValue.map(immortal),
        isSecure: server.tls != nil, proxyProtocol: server.proxyProtocol)
    }
    timeouts = CompiledTimeouts(plan.timeouts)
    forwardedFor = plan.forwarding.forwardedFor
    forwardedProto = plan.forwarding.forwardedProto
    forwardedHost = plan.forwarding.forwardedHost
    originalTo = plan.forwarding.originalTo
    forwardedForExcept = plan.forwarding.forwardedForExcept
    trusted = plan.forwarding.trusted
    clientField = plan.forwarding.clientField
    retries = plan.retries
    self.firstServer = firstServer
  }

  /// Whether the application answers to a host (without port, any case).
  func matches(host: ByteView) -> Bool {
    if hosts.isEmpty && suffixes.isEmpty { return true }
    for name in hosts where host.equalsIgnoringCase(name) { return true }
    for suffix in suffixes
    where host.count > suffix.count
      && host.slice(host.count - suffix.count, host.count).equalsIgnoringCase(suffix)
    {
      return true
    }
    return false
  }
}

/// The applications of a node, where all its workers read them; whoever reads there keeps the owner.
final class CompiledApplications: @unchecked Sendable {
  let base: UnsafeMutablePointer<CompiledApplication>
  let count: Int
  /// Candidates of all applications.
  let serverTotal: Int

  init(_ plan: NodePlan) {
    var compiled: [CompiledApplication] = []
    var firstServer = 0
    for application in plan.applications {
      compiled.append(CompiledApplication(application, firstServer: firstServer))
      firstServer += application.pool.servers.count
    }
    for index in compiled.indices { compiled[index].redirects = CompiledRedirects(plan, application: index) }
    count = compiled.count
    serverTotal = firstServer
    base = .allocate(capacity: max(1, count))
    base.initialize(from: compiled, count: count)
  }

  deinit {
    base.deinitialize(count: count)
    base.deallocate()
  }
}

extension Network {
  /// Whether an address in 128-bit form lies in the network.
  func contains(_ otherHigh: UInt64, _ otherLow: UInt64) -> Bool {
    let highBits = min(64, prefixLength)
    let lowBits = prefixLength - highBits
    let highMask: UInt64 = highBits == 0 ? 0 : ~0 << UInt64(64 - highBits)
    let lowMask: UInt64 = lowBits == 0 ? 0 : ~0 << UInt64(64 - lowBits)
    return (high ^ otherHigh) & highMask == 0 && (low ^ otherLow) & lowMask == 0
  }
}
