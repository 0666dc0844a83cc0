internal import Routing
internal import Topology

/// The listed users of a scenario, as the engine works with them: in the order of the engine's numbers.
struct Roster {
  private let network: NetworkModel
  /// The users, by the engine's number.
  let users: [ListedUser]
  /// Hashes of the ids of the sessions they come with, as nodes compute them from the cookie (rule B5); 0: none.
  let sessionHashes: [UInt64]
  /// The next page of each.
  private var next: [Int32]

  /// - Parameter entries: where the users enter, each with its users following each other in the order of the roll.
  init(_ roll: UserRoll, entries: [Entry], network: NetworkModel) {
    self.network = network
    users = entries.flatMap { entry in
      let listed = roll.users.filter { $0.entry == entry.name }
      return entry.numbers.map { numbers in numbers.map { listed[Int($0)] } } ?? listed
    }
    sessionHashes = users.map { user in
      guard let session = user.session else { return user.server == nil ? 0 : StableHash.hash(user.name) | 1 }
      return StableHash.hash(session) | 1
    }
    next = Array(repeating: 0, count: users.count)
  }

  /// When a user asks for the next page; nil: never again.
  func nextTime(_ user: Int) -> Int64? {
    let page = Int(next[user])
    return page < users[user].pages.count ? users[user].pages[page].atNanoseconds : nil
  }

  /// The page that is due.
  mutating func takePage(_ user: Int) -> ListedUser.Page {
    defer { next[user] += 1 }
    return users[user].pages[Int(next[user])]
  }

  /// The user's state at the start: the cookies, and the session in the memory of the server they name.
  func begin(_ index: Int, _ user: inout User) {
    let listed = users[index]
    // The roll says when the user comes; the cookies stay to the end.
    user.visitEnds = .max
    user.site = Int32(listed.site ?? -1)
    guard let name = listed.server, let server = network.element(named: name) else { return }
    user.server = server
    user.session = 1
    user.serial = 1
    user.home = User.Home(server: server, epoch: 0, session: 1)
    user.current = server
  }
}

extension Run {
  /// Listed users ask at the times of the roll, and not before the page before is answered.
  mutating func startListedUsers() {
    guard let roster else { return }
    let nameHash = StableHash.combine(userHashes, StableHash.hash(literal: "roll"))
    for (index, entry) in population.entries.enumerated() {
      for number in entry.firstUser..<entry.firstUser + entry.count {
        var user = User(
          random: RandomStream(seed: nameHash, hash: UInt64(number)),
          place: Int32(index * applications + roster.users[number].application),
          application: UInt8(truncatingIfNeeded: roster.users[number].application))
        roster.begin(number, &user)
        (users + number).initialize(to: user)
        (pasts + number).initialize(to: UserPast())
        if let first = roster.nextTime(number) { schedule(.user, Int32(number), at: first) }
      }
    }
  }

  /// A listed user's page is due.
  mutating func listedUserActs(_ index: Int32) {
    guard let page = roster?.takePage(Int(index)) else { return }
    let user = users + Int(index)
    user.pointee.outstanding = UInt8(clamping: page.parallel)
    pasts[Int(index)].beginPage()
    for _ in 0..<page.parallel { beginRequest(index, user, habits(user), isPost: page.isPost) }
  }

  /// The answers are there: the next page is asked for when its time has come.
  mutating func listedUserRests(_ index: Int32, at done: Int64) {
    guard let time = roster?.nextTime(Int(index)) else { return }
    schedule(.user, index, at: max(done, time))
  }
}
