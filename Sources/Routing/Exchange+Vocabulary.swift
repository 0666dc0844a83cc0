/// The words in which an exchange and its driver speak: where a request is, what is to be done, what came of it.
extension Exchange {
  /// Where the request is.
  public enum State: UInt8, Sendable {
    case idle, awaitingTrial, queued, awaitingBudget, connecting, awaitingResponse, relaying, done
  }

  /// What the driver does next.
  public enum Action: Sendable, Equatable {
    /// Send the request to this server, over an idle connection if the policy allows one, else over a new one.
    case connect(Int32, PooledConnections)
    /// The request waits for a slot of this server, or of another one that takes it as well: `slotFreed` when `Pool.nextGranted`
    /// tells it, and now and then to see whether they still are ones to wait for.
    case queue(Int32)
    /// Wait for the outcome of another request's trial; then `trialResolved`.
    case awaitTrial(Int32)
    /// Wait until a retry may be made; then `budgetFreed`.
    case awaitBudget
    /// Give the client this answer.
    case answer(Failure)
    /// Pass the server's response on.
    case relay
    /// Nothing: the event came too late to matter.
    case nothing
  }

  /// Which kept connections may carry the request.
  public enum PooledConnections: UInt8, Sendable {
    /// Any: a repeat does no harm should the server have closed it.
    case any
    /// Only those idle for less than a second (rule C5): a request that must not be sent twice.
    case recentlyUsed
    /// None: a kept connection was just found closed.
    case none
  }

  /// Why the client gets an answer of our own.
  public enum Failure: UInt8, Sendable, CaseIterable {
    /// 503: no server could be reached, and none has seen the request.
    case destinationUnavailable
    /// 503 with Retry-After: the queue is full or took too long.
    case connectionLimitReached
    /// 503 with Retry-After: new users are shed so that sessions go on (rule C6).
    case shed
    /// 502: the connection broke after the request may have been processed.
    case connectionTerminated
    /// 504: no response in time.
    case responseTimeout
    /// 502: what came is not a response.
    case invalidResponse
    /// 503: no descriptor, port or memory of our own.
    case internalShortage

    /// The status to answer.
    public var status: Int {
      switch self {
      case .destinationUnavailable, .connectionLimitReached, .shed, .internalShortage: 503
      case .connectionTerminated, .invalidResponse: 502
      case .responseTimeout: 504
      }
    }

    /// The error type of RFC 9209 section 2.3.
    public var proxyError: StaticString {
      switch self {
      case .destinationUnavailable: "destination_unavailable"
      case .connectionLimitReached, .shed: "connection_limit_reached"
      case .connectionTerminated: "connection_terminated"
      case .responseTimeout: "http_response_timeout"
      case .invalidResponse: "http_protocol_error"
      case .internalShortage: "proxy_internal_error"
      }
    }
  }

  /// What the core must know of a request.
  public struct Request: Sendable {
    /// Idempotent by method (RFC 9110 section 9.2.2).
    public var isIdempotent: Bool
    /// Where the cookie says it belongs.
    public var binding: Binding
    /// Hashes for the algorithms that use them.
    public var key: SelectionKey
    /// The order in which it takes the pool's tiers: the number of a list of sites (`TierOrders`); 0: the plan's own.
    public var order: Int32

    /// The facts by their parts.
    public init(isIdempotent: Bool, binding: Binding, key: SelectionKey, order: Int32 = 0) {
      self.isIdempotent = isIdempotent
      self.binding = binding
      self.key = key
      self.order = order
    }
  }

  /// What a response's Proxy-Status says, of a hop that is believed (rule D3).
  public enum Refusal: UInt8, Sendable {
    /// An ordinary response.
    case none
    /// The node has no server to offer, and none has seen the request.
    case destinationUnavailable
    /// The node's servers are full.
    case connectionLimitReached
    /// A connection behind the node broke after a server may have processed the request, and nobody else could take it.
    case connectionTerminated
  }
}
