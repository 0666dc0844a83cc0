/// Anything of the network that can fail by itself: a proxy node or an application server.
struct Element: Sendable {
  /// What it is.
  enum Kind: UInt8, Sendable { case office, director, balancer, server }

  var name: String
  var kind: Kind
  /// Where it stands: sites come first, in declaration order, then offices.
  var place: Int32
  /// Its site; -1 for an office proxy.
  var site: Int32

  var isNode: Bool { kind != .server }
}

/// How a node reaches one of its candidates.
struct Path: Sendable {
  /// The link between the two places; -1: both stand at one site.
  var link: Int32
  /// The way from the node to the candidate is that from the link's first end to its second.
  var isForward: Bool

  static let local = Path(link: -1, isForward: true)
}

/// A link between two places.
struct LinkModel: Sendable {
  /// The places at its ends.
  var from: Int32
  var to: Int32
  /// One way, in nanoseconds.
  var latency: Int64
  /// Nanoseconds a byte takes to be sent; 0: none.
  var nanosecondsPerByte: Double
  /// Share of packets lost at all times.
  var loss: Double
  /// What a byte costs.
  var costPerByte: Double
  /// The file declares it; nil: nothing is known of it but where its ends are.
  var declared: Int?
  /// Both ends are sites.
  var isInterSite: Bool
}

/// Times that the model takes for granted.
enum ModelTimes {
  /// One way between two machines of a site, or between a user and the entry: 0.2 ms.
  static let local: Int64 = 200_000
  /// One way over a link of which the file says nothing, without places: 25 ms.
  static let undeclaredLatency: Int64 = 25_000_000
  /// The first retransmission of a lost packet comes after this long, each further one after twice as long: 200 ms.
  static let retransmission: Int64 = 200_000_000
  /// A lost SYN is sent again after 1 s, then after twice as long.
  static let handshakeRetransmission: Int64 = 1_000_000_000
  /// The kernel asks after a silent peer first after this long, then every second: 2 s.
  static let keepAliveIdle: Int64 = 2_000_000_000
  static let keepAliveInterval: Int64 = 1_000_000_000
  /// Between two looks of the requests that wait at a node: 25 ms, as the proxy does.
  static let waitingPoll: Int64 = 25_000_000
  /// Between an event at a server and the check that it asks for: 20 ms, as the proxy does.
  static let checkSoon: Int64 = 20_000_000
  /// Between two steps of a slow start: 100 ms, as the proxy does.
  static let growth: Int64 = 100_000_000
  /// From a process's start until it serves: 1 s.
  static let start: Int64 = 1_000_000_000
  /// A browser tries the next address of an entry that does not answer after this long: 1 s.
  static let entryTimeout: Int64 = 1_000_000_000
  /// Bytes of an answer of a proxy's own, and of a check with its answer.
  static let ownAnswerBytes = 600
  /// Bytes in a packet.
  static let packetBytes = 1_460
}
