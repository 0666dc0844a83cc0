internal import Topology

/// What one user met in a scenario.
public struct UserReport: Sendable, Equatable {
  /// An answer from another server than the one before.
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
  /// Requests that were answered, or given up.
  public var requests: UInt64 = 0
  /// Requests whose answer was an error (status 500 and above), or none.
  public var errors: UInt64 = 0
  /// Requests that went from a node of one site to a node of another.
  public var interSite: UInt64 = 0
  /// When the requests began whose server did not know the session they came with.
  public var sessionsLostAtNanoseconds: [Int64] = []
  /// Moves, in the order of the answers.
  public var moves: [Move] = []

  /// Something happened to the user that does not happen on an ordinary day.
  public var isConcerned: Bool { errors > 0 || interSite > 0 || !sessionsLostAtNanoseconds.isEmpty || !moves.isEmpty }

  init(user: Int, name: String?, entry: String) {
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
        UserReport(user: $0, name: roster?.users[$0].name, entry: entry.name)
      }
    }
  }

  /// Counts an answer for its user.
  @inline(never)
  mutating func accountForUser(
    _ leg: UnsafeMutablePointer<Leg>, _ result: Result, current: Int32, isError: Bool
  ) {
    let user = Int(leg.pointee.user)
    let at = leg.pointee.began
    userReports[user].requests += 1
    if leg.pointee.flags.contains(.crossed) { userReports[user].interSite += 1 }
    guard !isError else {
      userReports[user].errors += 1
      return
    }
    if result.lostSession { userReports[user].sessionsLostAtNanoseconds.append(at) }
    if current >= 0, result.server >= 0, current != result.server {
      userReports[user].moves.append(
        UserReport.Move(
          atNanoseconds: at, from: network.elements[Int(current)].name, to: network.elements[Int(result.server)].name))
    }
  }
}
