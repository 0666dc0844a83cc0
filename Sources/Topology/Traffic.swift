/// What a simulation has to know of users: how many there are and what they do. Times are virtual and not scaled.
public struct TrafficSettings: Sendable, Equatable {
  /// Users at the same time; nil: the tier above says, or the built-in number.
  public var users: Int?
  /// Mean pause between the requests of a user (exponential).
  public var thinkTime: Duration?
  /// Mean length of a visit (exponential); then the user's cookies are gone and a new visit begins.
  public var sessionLength: Duration?
  /// Without a request for so long the application forgets a session. Nil: the application's own time-out.
  public var idleExpiry: Duration?
  /// Bytes of a request, head and body.
  public var requestSize: Int?
  /// Bytes of a response, head and body.
  public var responseSize: Int?
  /// Share of requests that are POST, 0 to 1.
  public var postShare: Double?
  /// Requests a user may have in parallel (a page's images), 1 to 16.
  public var parallel: Int?
  /// Activity by hour of the day, 24 factors beside the mean of 1; empty: the same all day.
  public var byHour: [Double]
  /// Where the users of an office are that goes by their places. Nil: all over the world.
  public var clients: Located<ClientSpread>?

  /// Nothing said.
  public init() { byHour = [] }

  /// These settings, with another's where they say nothing.
  public func over(_ base: TrafficSettings) -> TrafficSettings {
    var result = self
    result.users = users ?? base.users
    result.thinkTime = thinkTime ?? base.thinkTime
    result.sessionLength = sessionLength ?? base.sessionLength
    result.idleExpiry = idleExpiry ?? base.idleExpiry
    result.requestSize = requestSize ?? base.requestSize
    result.responseSize = responseSize ?? base.responseSize
    result.postShare = postShare ?? base.postShare
    result.parallel = parallel ?? base.parallel
    if byHour.isEmpty { result.byHour = base.byHour }
    result.clients = clients ?? base.clients
    return result
  }
}

/// Where simulated users are whose office orders the sites for each of them (`Office.Order.clientLocation`).
public enum ClientSpread: String, Sendable, CaseIterable {
  /// Drawn over the countries of the world by population.
  case population
  /// All where the office is; where that is not known, nowhere.
  case office
}

/// What a simulation has to know of an application server.
public struct ServiceSettings: Sendable, Equatable {
  /// Mean time to make an answer.
  public var serviceTime: Duration?
  /// Requests served at the same time; more wait at the server.
  public var concurrency: Int?
  /// Requests that may wait at the server; more are refused.
  public var queue: Int?

  /// Nothing said.
  public init() {}

  /// These settings, with another's where they say nothing.
  public func over(_ base: ServiceSettings) -> ServiceSettings {
    var result = self
    result.serviceTime = serviceTime ?? base.serviceTime
    result.concurrency = concurrency ?? base.concurrency
    result.queue = queue ?? base.queue
    return result
  }
}
