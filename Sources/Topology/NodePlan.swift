/// What one proxy node does: the configuration derived from a topology for the node of one name.
///
/// A plan is a pure function of topology and node name. The three roles are three shapes of plan of the same engine.
public struct NodePlan: Sendable, Equatable {
  /// The node's name, unique in the network.
  public var name: String
  /// What the node is in the network.
  public var role: NodeRole
  /// The network's name.
  public var network: String
  /// The site the node stands at; nil for an office proxy.
  public var site: String?
  /// Digest of the topology files, 16 hexadecimal digits; tiers compare it to warn of different files.
  public var digest: String
  /// Sockets that take users' requests.
  public var listeners: [ListenerPlan]
  /// The health listener: never reachable through the service port. Nil: none.
  public var monitor: Address?
  /// TLS of the health listener. Nil: plain HTTP.
  public var monitorTLS: ListenerTLSPlan?
  /// The applications, in declaration order; the first whose hosts match takes the request.
  public var applications: [ApplicationPlan]
  /// Limits of the whole process.
  public var limits: LimitPlan
  /// How long the service goes on after a soft stop closed the monitor (rule F3).
  public var grace: Duration
  /// After SIGTERM, how long requests in flight may take to finish.
  public var shutdown: Duration
  /// Every duration of the file was multiplied by this when the plan was made; kept for display.
  public var timeScale: Double
  /// Names of the nodes that may stand directly in front of this one (Via, Proxy-Status and forwarded headers).
  public var downstreamNodes: [String]
  /// Between two resolutions of host names.
  public var resolveInterval: Duration
  /// Clients are treated by where they are. Nil: all alike.
  public var geo: GeoPlan?
  /// Where the node takes commands. Nil: nowhere.
  public var admin: AdminPlan?
  /// The user that the process becomes when its sockets are bound. Nil: it stays what it is.
  public var user: String?
  /// The group, likewise. Nil: the user's own.
  public var group: String?
  /// What becomes the process's root directory when its sockets are bound. Nil: it stays the machine's.
  public var chroot: String?
  /// The file that holds the process's id while it serves. Nil: none.
  public var pidPath: String?
  /// Addresses that its checks and its connections to servers leave from, by the kind of the server's address; without one of that kind
  /// the kernel chooses. Their ports are 0.
  public var sources: [Address] = []
  /// Whom it tells of servers that go down or come back. Nil: its log alone.
  public var notify: NotifyPlan?
  /// A page for people about the node and its servers. Nil: none.
  public var statusPage: StatusPagePlan?
}

/// The role of a proxy node.
public enum NodeRole: String, Sendable, CaseIterable {
  /// Sends an office's users to their preferred site or to the one in their cookie.
  case officeProxy = "office-proxy"
  /// Entry of a site: balances over its site's balancers, other sites' as backup tiers, inserts the site cookie.
  case siteDirector = "site-director"
  /// Balances over a site's application servers and binds the session to one.
  case siteBalancer = "site-balancer"
  /// Passes TCP connections on, byte for byte.
  case relay
}

/// One listening socket.
public struct ListenerPlan: Sendable, Equatable {
  /// Where it listens.
  public var address: Address
  /// Faces the public: forwarded headers of clients are removed first (rule H).
  public var isPublic: Bool
  /// Client connections of this listener at most; 0: no bound of its own.
  public var connectionsMax = 0
  /// Networks whose connections begin with a PROXY protocol header, which tells where they really come from. Connections from
  /// elsewhere have none.
  public var proxyProtocol: [Network] = []
  /// Bound although this machine may not have the address (IP_FREEBIND, ip(7)).
  public var bindsFreely = false
  /// TLS. Nil: plain HTTP.
  public var tls: ListenerTLSPlan?
  /// Answers tell browsers to use https only.
  public var strictTransport: StrictTransportPlan?
  /// Every request is answered with a redirect to https.
  public var secureRedirect: SecureRedirectPlan?
  /// Networks of whoever only looks whether the node is there: their connections are answered here, or closed, and not logged.
  public var monitorNetworks: [Network] = []
}

/// One application as a node serves it.
public struct ApplicationPlan: Sendable, Equatable {
  /// The application's name.
  public var name: String
  /// Host names it answers to, lower case, `*.example.com` for any subdomain; empty: every host.
  public var hosts: [String]
  /// The cookie this node routes by. Nil: no stickiness.
  public var cookie: CookiePlan?
  /// The servers and how one is chosen.
  public var pool: PoolPlan
  /// Timeouts of its requests.
  public var timeouts: TimeoutPlan
  /// Forwarding headers.
  public var forwarding: ForwardingPlan
  /// When tries are repeated.
  public var retries: RetryPlan
}

/// A cookie and what this node does with it.
public struct CookiePlan: Sendable, Equatable {
  /// What a node does with its cookie (rules B; docs/haproxy.md).
  public enum Mode: String, Sendable, CaseIterable {
    /// Read only.
    case passive
    /// Inserted into responses.
    case insert
    /// The application's own cookie, its value prefixed with `SERVER~`.
    case prefix
  }
  /// The SameSite attribute.
  public enum SameSite: String, Sendable, CaseIterable {
    case strict = "Strict"
    case lax = "Lax"
    case none = "None"
  }
  /// The cookie's name, case-sensitive.
  public var name: String
  /// What the node does with it.
  public var mode: Mode
  /// Insert: the cookie is removed from requests, and a cookie of the name set by servers from responses.
  public var indirect: Bool
  /// `Cache-Control: private` is added to responses that set the cookie.
  public var noCache: Bool
  /// A cookie of the name set by the server stays, and nothing is inserted then.
  public var preserve: Bool
  /// The attribute HttpOnly.
  public var httpOnly: Bool
  /// The attribute Secure.
  public var secure: Bool
  /// The attribute SameSite.
  public var sameSite: SameSite?
  /// The attribute Domain.
  public var domain: String?
  /// The attribute Path. Insert: `/` by default. Prefix: nil means learned from the application.
  public var path: String?
  /// The cookie is void when not seen for this long.
  public var maxIdle: Duration?
  /// The cookie is void this long after it was first given.
  public var maxLife: Duration?
  /// Values carry a tag. Nil: they are taken as they are.
  public var signing: CookieSigningPlan?
}

/// The servers of an application and how one is chosen.
public struct PoolPlan: Sendable, Equatable {
  /// How users without a usable cookie are spread over a tier.
  public var algorithm: BalanceAlgorithm
  /// Every candidate of every tier, ordered by tier, then by declaration.
  public var servers: [ServerPlan]
  /// Number of tiers; tier 0 is used first.
  public var tierCount: Int
  /// `persist`: a server believed down is still tried for those whose cookie names it, on every request.
  public var persist: Bool
  /// Traffic may go to the next tier when a tier is full.
  public var spill: Bool
  /// Requests that may wait for a slot of one server.
  public var queueMax: Int
  /// What happens with users of backup tiers when home is back (rule F1).
  public var failback: Failback
  /// Requests in flight at this node above which requests without a usable cookie are shed (rule C6). 0: unlimited.
  public var capacity: Int = 0
}

/// When users of a backup tier go home (rule F1).
public enum Failback: Sendable, Equatable {
  /// No move while a session lasts.
  case session
  /// Back at once.
  case immediate
  /// Back after home has been stable this long.
  case after(Duration)
}

/// How users without a usable cookie are spread.
public enum BalanceAlgorithm: String, Sendable, CaseIterable {
  /// Smooth weighted round robin; weights may change while running.
  case roundRobin = "roundrobin"
  /// Weighted round robin over a fixed sequence.
  case staticRoundRobin = "static-rr"
  /// Fewest requests in flight in proportion to weight.
  case leastConnections = "leastconn"
  /// Hash of the client's address over the total weight.
  case source
  /// The first server with a free slot.
  case first
  /// The better of two drawn at random.
  case random
  /// Rendezvous hash (highest random weight) of the client's address or session id.
  case rendezvous
}

/// One candidate of a pool.
public struct ServerPlan: Sendable, Equatable {
  /// The server's or node's name.
  public var name: String
  /// The site it stands at.
  public var site: String
  /// Where it listens for service. Port 0, at relays only: the port that the client used.
  public var address: Address
  /// The cookie value that names it; several candidates may bear the same. Nil: none.
  public var cookieValue: String?
  /// The tier, 0 first.
  public var tier: Int
  /// Share of new users, 0 (none) to 256.
  public var weight: Int
  /// Requests at once; 0: unlimited.
  public var maxConnections: Int
  /// One of our own nodes: its Proxy-Status is believed (rule D3), its monitor answers E1.
  public var isNode: Bool
  /// What decides that it may take new users. Nil: the same as `liveness`.
  public var admission: CheckPlan?
  /// What decides that it may take its own users. Nil: never checked, believed alive.
  public var liveness: CheckPlan?
  /// After recovery, new users are let in over this long. Zero: at once.
  public var slowStart: Duration
  /// Connections to it use TLS. Nil: plain.
  public var tls: ServerTLSPlan?
  /// Connections to it begin with a PROXY protocol header of this version; then each carries one request. Nil: they do not.
  public var proxyProtocol: ProxyProtocolVersion?
}

/// The PROXY protocol: who a connection that is passed on comes from.
public enum ProxyProtocolVersion: String, Sendable, CaseIterable {
  /// A line of text.
  case version1 = "v1"
  /// Binary; it also tells what TLS the client spoke.
  case version2 = "v2"
}

/// One health check.
public struct CheckPlan: Sendable, Equatable {
  /// What is asked.
  public enum Kind: Sendable, Equatable {
    /// A connection is opened and closed.
    case tcp
    /// A request is sent and the status compared.
    case http(HTTPCheckPlan)
    /// A TLS handshake is begun: a ServerHello is success. The name is told to the server.
    case tlsHello(name: String?)
    /// One of our nodes' monitors; its answer carries `admit` and `alive` (rule E1), so one check gives both facts.
    case monitor
  }
  /// What is asked.
  public var kind: Kind
  /// Where the check connects to.
  public var address: Address
  /// Between two checks of a server whose state is settled.
  public var interval: Duration
  /// Between two checks while the state changes.
  public var fastInterval: Duration
  /// Between two checks of a server that is down.
  public var downInterval: Duration
  /// A check not finished by then has failed.
  public var timeout: Duration
  /// Successes in a row until up.
  public var rise: Int
  /// Failures in a row until down.
  public var fall: Int
  /// An http check, or the question to a monitor, is made over TLS. Nil: plain.
  public var tls: ServerTLSPlan?
  /// It begins with a PROXY protocol header that says that it is the node's own. Nil: it does not.
  public var proxyProtocol: ProxyProtocolVersion?
}

/// What an http check sends and expects.
public struct HTTPCheckPlan: Sendable, Equatable {
  /// The method, upper case.
  public var method: String
  /// The path, with query.
  public var path: String
  /// `1.0` or `1.1`.
  public var version: String
  /// The Host header. Nil: none with 1.0, the address with 1.1.
  public var host: String?
  /// Statuses that mean success.
  public var expectedStatus: [ClosedRange<Int>]
}

/// Timeouts of a request (the answers they give: 408, 503, 504).
public struct TimeoutPlan: Sendable, Equatable {
  /// From the first byte of a request to the end of its head: 408.
  public var request: Duration
  /// Between requests on a kept connection: closed.
  public var keepAlive: Duration
  /// Client inactive while it should send a body or read the answer.
  public var client: Duration
  /// One attempt to connect to a server.
  public var connect: Duration
  /// Server inactive while its response is awaited: 504, or between parts of it.
  public var server: Duration
  /// In a server's queue: 503.
  public var queue: Duration
  /// Inactivity of an upgraded connection, either way.
  public var tunnel: Duration
  /// TCP_USER_TIMEOUT of connections to servers: sent bytes unacknowledged this long tell a dead path.
  public var unacknowledged: Duration
  /// How long an idle connection to a server is kept for reuse.
  public var pooled: Duration
}

/// The field in which proxies in front name the client. One only: a proxy that writes the one passes on what clients say in the other.
public enum ClientField: String, Sendable, CaseIterable {
  /// X-Forwarded-For.
  case xForwardedFor = "x-forwarded-for"
  /// Forwarded (RFC 7239).
  case forwarded
}

/// Forwarding headers.
public struct ForwardingPlan: Sendable, Equatable {
  /// X-Forwarded-For is appended for clients outside `forwardedForExcept`.
  public var forwardedFor: Bool
  /// Clients whose X-Forwarded-For is left as it is.
  public var forwardedForExcept: [Network]
  /// Networks whose X-Forwarded-For is believed; what others send is kept but never believed.
  public var trusted: [Network]
  /// Where believed networks name the client.
  public var clientField: ClientField = .xForwardedFor
  /// X-Forwarded-Proto is set.
  public var forwardedProto: Bool
  /// X-Forwarded-Host is set.
  public var forwardedHost: Bool
  /// X-Original-To is set: the address that the client connected to.
  public var originalTo = false
}

/// A range of addresses: CIDR.
public struct Network: Sendable, Hashable {
  /// IPv4 as its IPv4-mapped IPv6 address (::ffff:a.b.c.d), two big-endian halves.
  public var high: UInt64
  /// The low half.
  public var low: UInt64
  /// Prefix length in the 128-bit form: 0 to 128 (an IPv4 /8 is 104).
  public var prefixLength: Int

  /// A range by its bits; those beyond the prefix count for nothing.
  public init(high: UInt64, low: UInt64, prefixLength: Int) {
    self.high = high
    self.low = low
    self.prefixLength = prefixLength
  }
}

/// When and how often tries are repeated (rule D).
public struct RetryPlan: Sendable, Equatable {
  /// Attempts of one request at most, the first included; 1 to 16.
  public var attemptsMax: Int
  /// Bytes of a request body held for a repeat.
  public var bodyBytesMax: Int
  /// Retries under way at most, as a share of requests in flight, in percent.
  public var budgetPercent: Int
  /// Retries always allowed beside the share.
  public var budgetMinimum: Int

  /// The longest body that can be held: what a buffer has beside the largest head.
  public static let bodyBytesBound = 64 * 1024
}

/// Limits of a process.
public struct LimitPlan: Sendable, Equatable {
  /// Client connections at most.
  public var connectionsMax: Int
  /// Bytes of a request or response head at most: 431.
  public var headBytesMax: Int
  /// Bytes of a request target at most: 414.
  public var targetBytesMax: Int
  /// Header fields of a head at most: 431.
  public var fieldsMax: Int
  /// Bytes of a request body at most: 413. 0: unlimited.
  public var bodyBytesMax: Int
  /// Idle connections kept per server and worker.
  public var pooledPerServerMax: Int
  /// Worker threads; 0: one per core.
  public var workers: Int = 0
  /// Client connections of one source address at most (of one /64 with IPv6); 0: unlimited.
  public var connectionsPerSourceMax = 0
  /// Sources that `connectionsPerSourceMax` does not bound: the nodes in front, and what the topology names.
  public var sourcesExempt: [Network] = []
  /// Bytes a second of a body that a client sends at least, on average over `TimeoutPlan.client`: 408. 0: no least rate.
  public var uploadBytesPerSecondMin = 0
  /// Bytes a second of an answer that a client takes at least, on the same average: the connection is reset. 0: no least rate.
  public var downloadBytesPerSecondMin = 0

  /// The largest head a node can be told to take: heads are kept in buffers of one size.
  public static let headBytesBound = 16 * 1024
}
