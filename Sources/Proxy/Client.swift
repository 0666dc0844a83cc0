internal import HTTPMessage
internal import Reactor
internal import Routing

/// What a client's connection is about just now.
enum ClientState: UInt8 {
  /// The slot is free.
  case free
  /// Waits for the first byte of a request.
  case idle
  /// Receives a request's head.
  case head
  /// A request is with the exchange: choosing, connecting, sending, awaiting or relaying.
  case exchange
  /// An answer of our own is being sent.
  case answering
  /// Bytes pass both ways as they come, after an upgrade.
  case tunnel
  /// A relay's connection: a server is being chosen, or bytes pass both ways as they come.
  case relay
  /// One side of a relay's connection was cut off; what it sent before is on its way to the other one, which then is to see the cut.
  case parting
  /// The last answer is out; what the client still sends is read and thrown away for a moment, so that a reset does not
  /// take the answer from it (RFC 9112 section 9.6).
  case lingering
}

/// What the deadline of a connection stands for.
enum Deadline: UInt8 {
  case none, keepAlive, request, body, queue, connect, server, client, tunnel, parting, linger
}

/// How far the body of a message has come.
struct BodyProgress {
  enum Kind: UInt8 { case none, length, chunked, untilClose }
  var kind: Kind = .none
  var isComplete = true
  var remaining: UInt64 = 0
  var total: UInt64 = 0
  var scanner = ChunkedScanner()

  init() {}

  init(_ framing: Framing) {
    switch framing {
    case .none: break
    case .length(let length):
      kind = .length
      remaining = length
      isComplete = length == 0
    case .chunked:
      kind = .chunked
      isComplete = false
    case .untilClose:
      kind = .untilClose
      isComplete = false
    }
  }

  enum Step {
    /// So many of the bytes belong to the body.
    case taken(Int)
    case invalid(HTTPError)
  }

  /// Bytes of content so far, without their framing.
  var dataBytes: UInt64 { kind == .chunked ? scanner.dataBytes : total }

  /// Takes the bytes of the body from the front of `bytes`.
  @inline(__always)
  mutating func take(_ bytes: UnsafeRawPointer, count: Int) -> Step {
    switch kind {
    case .none: return .taken(0)
    case .length:
      let used = UInt64(count) < remaining ? count : Int(remaining)
      remaining -= UInt64(used)
      total += UInt64(used)
      if remaining == 0 { isComplete = true }
      return .taken(used)
    case .untilClose:
      total += UInt64(count)
      return .taken(count)
    case .chunked:
      guard !isComplete else { return .taken(0) }
      switch scanner.scan(ByteView(UnsafeRawBufferPointer(start: bytes, count: count))) {
      case .needMore:
        total += UInt64(count)
        return .taken(count)
      case .complete(let used):
        isComplete = true
        total += UInt64(used)
        return .taken(used)
      case .invalid(let error): return .invalid(error)
      }
    }
  }
}

/// A client's connection: a slot of the worker's slab. Plain data, no references. Thousands wait for their next request, so it holds only
/// what must outlive one; the rest is in `Flight`.
struct Client {
  var socket: Reactor.Socket = .none
  var state: ClientState = .free
  var deadlineKind: Deadline = .none
  var listener: UInt16 = 0
  var application: Int32 = 0
  /// Slab index of the connection to the server; -1: none.
  var upstream: Int32 = -1
  /// Next free slot of the slab.
  var nextFree: Int32 = -1
  var deadline: Int64 = 0
  var peerHigh: UInt64 = 0
  var peerLow: UInt64 = 0
  var peerPort: UInt16 = 0
  /// Where the request comes from, for the access log: the peer, or whom trusted proxies name.
  var fromHigh: UInt64 = 0
  var fromLow: UInt64 = 0

  /// The order of sites of the address that the last request came from, and as of which orders; generation 0: none was looked up.
  var order: Int32 = 0
  var orderGeneration = 0
  var orderHigh: UInt64 = 0
  var orderLow: UInt64 = 0

  var flags: Flags = []
  struct Flags: OptionSet {
    let rawValue: UInt32
    /// The connection may carry another request.
    static let keepAlive = Flags(rawValue: 1)
    static let isHTTP10 = Flags(rawValue: 2)
    static let isHead = Flags(rawValue: 4)
    /// The request's body has had its turn: it goes on in the next round.
    static let requestGoesOn = Flags(rawValue: 8)
    /// The head of a final response was given to the client.
    static let responseBegun = Flags(rawValue: 16)
    static let upgrade = Flags(rawValue: 32)
    /// The client will send nothing more.
    static let ended = Flags(rawValue: 64)
    /// In the list of clients to go on with at the end of the round.
    static let scheduled = Flags(rawValue: 128)
    /// Response data go to an HTTP/1.0 client: chunks are taken off.
    static let dechunk = Flags(rawValue: 256)
    /// A receive of body bytes is under way.
    static let receiving = Flags(rawValue: 1024)
    /// A send of output is under way.
    static let sending = Flags(rawValue: 2048)
    /// The answer closes the connection, and unread input may be there.
    static let lingerAfter = Flags(rawValue: 4096)
    /// The end of what the server sent was passed on to a relay's client.
    static let halfClosed = Flags(rawValue: 8192)
    /// The request is in the access log or will not be.
    static let logged = Flags(rawValue: 16384)
    /// The request was preceded by others on the connection.
    static let reused = Flags(rawValue: 32768)
    /// Moves of the user are told to the log: the cookie was written.
    static let cookieSet = Flags(rawValue: 65536)
    /// The connection must begin with a PROXY protocol header, which is not complete yet.
    static let awaitsProxyHeader = Flags(rawValue: 131072)
    /// The user speaks https, be it with us or with a node in front.
    static let https = Flags(rawValue: 262144)
    /// The cookie is good, but has no tag of the newest key: it is to be given anew.
    static let staleTag = Flags(rawValue: 524288)
    /// A PROXY protocol header told where the connection comes from.
    static let isProxied = Flags(rawValue: 1048576)
    /// Of somebody who only looks whether the node is there.
    static let isMonitor = Flags(rawValue: 2097152)
    /// The end of a relay's stream waits for the client's connection to take it.
    static let endIsUnderWay = Flags(rawValue: 4194304)
    /// Nothing can be sent to a relay's client any more; what it sent before is still passed on.
    static let isGone = Flags(rawValue: 8388608)
    /// The end that will be read from a relay's client is none of its own: it was cut off.
    static let isCut = Flags(rawValue: 16777216)
    /// A PROXY protocol header told that the client speaks TLS with who sent it.
    static let cameByTLS = Flags(rawValue: 33554432)
    /// What holds for all requests of a connection.
    static let ofConnection: Flags = [.isProxied, .cameByTLS]
  }

  /// Bytes received and not yet used.
  var input = Buffer.none
  /// Offset up to which an incomplete head was scanned; of one who lingers, the bytes that were dropped.
  var scanned = 0
  /// When the connection was opened, its last request ended, or the present one began.
  var started: Int64 = 0
  /// What servers are told of the client's TLS.
  var toldTLS = ToldTLS()
  /// The request on the connection; a blank one, shared by all, while there is none.
  var flight: UnsafeMutablePointer<Flight>

  init(blank: UnsafeMutablePointer<Flight>) { flight = blank }
}

/// What a connection to a server is about just now.
enum UpstreamState: UInt8 {
  case free, connecting, busy, idle
}

/// A connection to a server: a slot of the worker's slab.
struct Upstream {
  /// An address without its port.
  struct Place: Equatable {
    var high: UInt64
    var low: UInt64

    init(high: UInt64, low: UInt64) {
      self.high = high
      self.low = low
    }

    init(_ address: SocketAddress) {
      let parts = address.parts
      self.init(high: parts.high, low: parts.low)
    }
  }

  var socket: Reactor.Socket = .none
  var state: UpstreamState = .free
  var application: Int32 = 0
  var server: Int32 = 0
  /// Slab index of the client served; -1: none.
  var client: Int32 = -1
  /// It served an exchange before this one.
  var wasKept = false
  var isSending = false
  var isAwaiting = false
  /// It began with a header that tells of its client.
  var isOwn = false
  /// TLS was put in place, its handshake begun.
  var isSecured = false
  /// Its server would not be believed any more: it serves nobody after this exchange.
  var isDistrusted = false
  /// Addresses of the server tried in this attempt, this one included, and since when.
  var tries: UInt8 = 1
  var triedSince: Int64 = 0
  /// The address tried or connected to.
  var place = Place(high: 0, low: 0)
  /// The response allows another exchange.
  var keepAlive = true
  /// The server has ended its direction.
  var ended = false
  /// The end of a relay's stream waits for the server's connection to take it.
  var endIsUnderWay = false
  /// Nothing can be sent to a relay's server any more; what it sent before is still passed on.
  var isGone = false
  /// The end that will be read from a relay's server is none of its own: it was cut off.
  var isCut = false
  /// Response bytes received.
  var input = Buffer.none
  var scanned = 0
  var idleSince: Int64 = 0
  var deadline: Int64 = 0
  /// Neighbours in the list of idle connections of the server, the one used last first; -1: none.
  var next: Int32 = -1
  var previous: Int32 = -1
  var nextFree: Int32 = -1
}
