internal import Geo
internal import Topology

/// What one user met in a scenario.
public struct UserReport: Sendable, Equatable {
  /// A page answered by another server than the one before.
  public struct Move: Sendable, Equatable {
    /// When the request began, in virtual nanoseconds since the start.
    public var atNanoseconds: Int64
    /// The server of the answer before, or of the cookies a listed user came with.
    public var from: String
    /// The server that answered.
    public var to: String
  }

  /// The number, from 0: that of `--trace`.
  public var user: Int
  /// The name that a population gives; nil: users are not listed.
  public var name: String?
  /// The office, or the site of a local user.
  public var entry: String
  /// The country, where the office goes by that; nil: it does not, or nobody knows.
  public var country: String?
  /// Requests that were answered, or given up.
  public var requests: UInt64 = 0
  /// Requests whose answer was an error (status 500 and above), or none.
  public var errors: UInt64 = 0
  /// Requests that went from a node of one site to a node of another.
  public var interSite: UInt64 = 0
  /// For each session that was lost: when the first request began whose server did not know it.
  public var sessionsLostAtNanoseconds: [Int64] = []
  /// Moves, in the order of the answers.
  public var moves: [Move] = []

  /// Something happened to the user that does not happen on an ordinary day.
  public var isConcerned: Bool { errors > 0 || interSite > 0 || !sessionsLostAtNanoseconds.isEmpty || !moves.isEmpty }

  init(user: Int, name: String?, entry: String, country: String? = nil) {
    self.country = country
    self.user = user
    self.name = name
    self.entry = entry
  }
}

extension Run {
  /// Users one by one, before anything has happened.
  func emptyUserReports() -> [UserReport] {
    population.entries.flatMap { entry in
      (entry.firstUser..<entry.firstUser + entry.count).map {
        UserReport(
          user: $0, name: roster?.users[$0].name, entry: entry.name,
          country: hasPlaces ? population.countries[$0]?.description : nil)
      }
    }
  }

  /// Counts an answer for its user.
  @inline(never)
  mutating func accountForUser(_ leg: UnsafeMutablePointer<Leg>, isError: Bool) {
    let user = Int(leg.pointee.user)
    userReports[user].requests += 1
    if leg.pointee.flags.contains(.crossed) { userReports[user].interSite += 1 }
    if isError { userReports[user].errors += 1 }
  }

  /// A session was lost, or the user was moved.
  @inline(never)
  mutating func tellUser(_ outcome: Outcome) {
    if outcome.isLoss { userReports[outcome.user].sessionsLostAtNanoseconds.append(outcome.begin) }
    guard outcome.isMove else { return }
    userReports[outcome.user].moves.append(
      UserReport.Move(
        atNanoseconds: outcome.begin, from: network.elements[Int(outcome.current)].name,
        to: network.elements[Int(outcome.answered)].name))
  }
}
