/// The users of a simulation one by one, each with cookies and the times of the requests: a real population, to be replayed.
public struct UserRoll: Sendable, Equatable {
  /// The users, in the order of the file; their names differ.
  public var users: [ListedUser]

  /// A roll of users.
  public init(users: [ListedUser] = []) { self.users = users }
}

/// One user of a roll.
public struct ListedUser: Sendable, Equatable {
  /// One page of a user: requests that are sent together.
  public struct Page: Sendable, Equatable {
    /// When it is asked for, in nanoseconds since the scenario's start; later if the page before is not answered then.
    public var atNanoseconds: Int64
    /// It is a POST, which is not repeated when it may have been processed.
    public var isPost: Bool
    /// Requests at the same time, 1 to 16.
    public var parallel: Int

    /// A page.
    public init(atNanoseconds: Int64, isPost: Bool = false, parallel: Int = 1) {
      self.atNanoseconds = atNanoseconds
      self.isPost = isPost
      self.parallel = parallel
    }
  }

  /// The name, as reports write it.
  public var name: String
  /// The office, or for local users the site, where the user enters.
  public var entry: String
  /// The application's number in the topology.
  public var application: Int
  /// The site that the site cookie names, by number; nil: the user comes without it.
  public var site: Int?
  /// The application server that the session cookie names and that knows the session; nil: the user comes without it.
  public var server: String?
  /// The session's id behind the prefix; nil: there is none, or the balancer's cookie is one of its own.
  public var session: String?
  /// The address that the user comes from, for offices that go by their clients' places; nil: unknown.
  public var client: Network?
  /// The pages, in order of time.
  public var pages: [Page]

  /// A user without cookies who asks for nothing.
  public init(name: String, entry: String, application: Int = 0) {
    self.name = name
    self.entry = entry
    self.application = application
    pages = []
  }
}
