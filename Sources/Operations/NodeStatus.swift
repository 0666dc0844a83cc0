internal import Foundation

/// How a node is, with its pools and servers. Times are milliseconds since 1970.
public struct NodeStatus: Sendable, Equatable, Codable {
  /// One check of a server.
  public struct Check: Sendable, Equatable, Codable {
    /// `admission` or `liveness`.
    public var kind: String
    /// When the last one that has ended began. Nil: none has ended yet.
    public var began: Int64?
    /// Whether it succeeded.
    public var succeeded: Bool

    /// A check.
    public init(kind: String, began: Int64?, succeeded: Bool) {
      self.kind = kind
      self.began = began
      self.succeeded = succeeded
    }
  }

  /// One server of a pool.
  public struct Server: Sendable, Equatable, Codable {
    /// Its name, its site and where it serves.
    public var name, site, address: String
    /// Its tier, 0 first.
    public var tier: Int
    /// What the operator wants: `ready`, `drain` or `maintain`.
    public var state: String
    /// What is known of it: `up`, `own-users`, `down`, `declared-down`.
    public var health: String
    /// Seconds since 1970 at which its own users have to leave.
    public var deadline: Int64?
    /// The share of new users now, and the planned one.
    public var weight, plannedWeight: Double
    /// Requests at it from this node.
    public var inFlight: Int
    /// Requests at once; 0: unlimited.
    public var maxConnections: Int
    /// When `state` or `health` last changed, and why.
    public var since: Int64
    /// Why.
    public var reason: String
    /// Its checks.
    public var checks: [Check]
    /// Since the start: requests (at relays connections) that were sent there, repeats counted again; connections to it that
    /// failed; how often it went down.
    public var requests, failures, timesDown: Int

    /// A server.
    public init(
      name: String, site: String, address: String, tier: Int, state: String, health: String, deadline: Int64?,
      weight: Double, plannedWeight: Double, inFlight: Int, maxConnections: Int, since: Int64, reason: String,
      checks: [Check], requests: Int = 0, failures: Int = 0, timesDown: Int = 0
    ) {
      self.name = name
      self.site = site
      self.address = address
      self.tier = tier
      self.state = state
      self.health = health
      self.deadline = deadline
      self.weight = weight
      self.plannedWeight = plannedWeight
      self.inFlight = inFlight
      self.maxConnections = maxConnections
      self.since = since
      self.reason = reason
      self.checks = checks
      self.requests = requests
      self.failures = failures
      self.timesDown = timesDown
    }

    /// New users are sent there.
    public var takesNewUsers: Bool { state == "ready" && health == "up" && weight > 0 }
  }

  /// The pool of one application.
  public struct Pool: Sendable, Equatable, Codable {
    /// The application.
    public var application: String
    /// The servers, by tier.
    public var servers: [Server]

    /// A pool.
    public init(application: String, servers: [Server]) {
      self.application = application
      self.servers = servers
    }
  }

  /// What came of TLS handshakes with one kind of peer since the start.
  public struct Handshakes: Sendable, Equatable, Codable {
    /// With whom: `clients of ADDRESS`, `clients of the monitor`, or a server and its address.
    public var with: String
    /// Full ones, and sessions that were resumed.
    public var full, resumed: Int
    /// Those that failed, by reason; reasons that did not occur are left out.
    public var failed: [String: Int]

    /// Counts.
    public init(with: String, full: Int, resumed: Int, failed: [String: Int]) {
      self.with = with
      self.full = full
      self.resumed = resumed
      self.failed = failed
    }
  }

  /// The node, its role, network, and the digest of its topology.
  public var node, role, network, digest: String
  /// `running`, `draining` (a soft stop) or `stopping`.
  public var phase: String
  /// What the operator wants of the node itself: `ready`, `drain` or `maintain`.
  public var state: String
  /// Seconds since 1970 at which the node's own users have to leave.
  public var deadline: Int64?
  /// When `state` last changed, and why.
  public var since: Int64
  /// Why.
  public var reason: String
  /// Connections of clients.
  public var clients: Int
  /// When this was so.
  public var now: Int64
  /// The pools, in the order of the applications.
  public var pools: [Pool]
  /// Counts of the whole process, as the monitor tells them.
  public var counters: [Counter]

  /// One count.
  public struct Counter: Sendable, Equatable, Codable {
    /// What is counted.
    public var name: String
    /// How many there are, or were since the start.
    public var value: Int

    /// A count.
    public init(name: String, value: Int) {
      self.name = name
      self.value = value
    }
  }
  /// TLS handshakes. Nil: the node speaks no TLS.
  public var handshakes: [Handshakes]?
  /// Processes that have handed over to this one and still finish what they have: their requests are in none of the counts, and they
  /// take no orders. Nil: a program that does not tell.
  public var processesBefore: Int?

  /// A status.
  public init(
    node: String, role: String, network: String, digest: String, phase: String, state: String, deadline: Int64?,
    since: Int64, reason: String, clients: Int, now: Int64, pools: [Pool], counters: [Counter] = [],
    handshakes: [Handshakes]? = nil, processesBefore: Int? = nil
  ) {
    self.node = node
    self.role = role
    self.network = network
    self.digest = digest
    self.phase = phase
    self.state = state
    self.deadline = deadline
    self.since = since
    self.reason = reason
    self.clients = clients
    self.now = now
    self.pools = pools
    self.counters = counters
    self.handshakes = handshakes
    self.processesBefore = processesBefore
  }

  /// One line of JSON.
  public var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(self) else { return "{}" }
    return String(decoding: data, as: UTF8.self)
  }

  /// From one line of JSON.
  public init(parsing json: String) throws(AdminError) {
    do {
      self = try JSONDecoder().decode(NodeStatus.self, from: Data(json.utf8))
    } catch {
      throw AdminError("the node's answer is not understood: is it of another version?")
    }
  }
}
