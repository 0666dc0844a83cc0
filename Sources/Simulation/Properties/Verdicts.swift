internal import Routing
internal import Topology

/// A request as the checkers see it, when its answer has come.
struct Outcome {
  var user: Int
  var entry: Int
  /// The entry with the user's application, as the oracle numbers them.
  var vantage: Int
  var begin: Int64
  var end: Int64
  var isPost: Bool
  /// The user came without cookies.
  var isNew: Bool
  /// It went from site to site.
  var crossed: Bool
  /// The site that the request's site cookie named; -1: none.
  var site: Int32
  /// The server that the request's cookie named; -1: none.
  var bound: Int32
  /// That server still knows the session.
  var boundKnows: Bool
  /// The server of the user's last answer before; -1: none in this visit.
  var current: Int32
  /// The user had left the server that answered now.
  var hadLeft: Bool
  /// It began before the user was where the user is now: of the same page, or older.
  var isOlder: Bool
  /// The parallel requests of the page before were answered by different servers: its cookies are a mixture.
  var followsScatter: Bool
  /// The server that answered; -1: none did.
  var answered: Int32
  var status: Int
  var isApplicationError: Bool
  /// A queue, a capacity or the right to retry was at its bound.
  var wasOverloaded: Bool
  /// The request, its answer or a repeat of them went over a link that loses packets.
  var wasLossy: Bool
  /// The user's session was lost by it, and by no answer before.
  var isLoss: Bool
  /// The user is moved by it, and by no answer of the page before.
  var isMove: Bool

  var isError: Bool { status == 0 || status >= 500 }
}

/// Violations of one property: how many, and the first.
struct Violations {
  var count: UInt64 = 0
  var first: Violation?

  mutating func add(at: Int64, user: Int?, _ text: @autoclosure () -> String) {
    count += 1
    if first == nil { first = Violation(atNanoseconds: at, user: user, text: text(), trace: nil) }
  }

  func verdict(_ property: Property) -> PropertyVerdict {
    PropertyVerdict(property: property, violations: count, first: first)
  }
}

/// The checkers of all properties, and the times they allow nodes to find out that something is back.
struct Verdicts {
  let names: [String]
  let firstServer: Int
  let siteOfElement: [Int32]
  let homecomings: Homecomings
  var needlessMoves: NoNeedlessMove
  var returns = NoMoveBack()
  var newUsers: NewUsersStay
  var errors: NoAvoidableError
  var detection = DetectionInTime()
  var interSite: InterSiteBounded

  init(_ network: NetworkModel, population: Population) {
    names = network.elements.map(\.name)
    firstServer = network.firstServer
    siteOfElement = network.elements.map(\.site)
    homecomings = Homecomings(network)
    let allowances = Allowances(network, population: population)
    needlessMoves = NoNeedlessMove(allowances)
    newUsers = NewUsersStay(allowances)
    errors = NoAvoidableError(allowances)
    interSite = InterSiteBounded(allowances)
  }

  /// An entry's nodes go by another file: from now on new users go to its sites in this order.
  mutating func setOrder(_ order: [Int32], of entry: Int, at now: Int64) {
    newUsers.setOrder(order, of: entry, at: now)
  }

  /// The operator asked for it: the user was led home from the server of an element (`failback`, rule F1).
  func isHomecoming(_ outcome: Outcome, from server: Int32) -> Bool {
    guard server >= 0, outcome.answered >= 0 else { return false }
    return homecomings.leads(
      from: siteOfElement[Int(server)], to: siteOfElement[Int(outcome.answered)], order: newUsers.order(outcome.entry))
  }

  mutating func worldChanged(at now: Int64) { interSite.worldChanged(at: now) }

  /// In the order of `Property`.
  func verdicts() -> [PropertyVerdict] {
    [
      needlessMoves.violations.verdict(.noNeedlessMove), returns.violations.verdict(.noMoveBack),
      newUsers.violations.verdict(.newUsersStay), errors.violations.verdict(.noAvoidableError),
      detection.violations.verdict(.detectionInTime), interSite.violations.verdict(.interSiteBounded),
    ]
  }
}

/// How long nodes may take to find out, by the plans' own numbers; all in nanoseconds.
struct Allowances {
  /// Until own users reach again what has come back: a trial interval and a connect time-out at each tier (rule C2).
  var recovery: Int64
  /// Until new users are sent again to what has come back, by entry: at each tier the longest check interval, then `rise`
  /// successes; for offices this covers the life of a hint (rule E3).
  var relearning: [Int64]
  /// For how long a POST may be under way to something that has failed in silence: TCP_USER_TIMEOUT, the longest of all nodes
  /// (rule C5).
  var doubt: Int64
  /// The longest that time-outs let a request wait: at each tier in the queue and for the answer, and `recovery`.
  var patience: Int64
  /// Failed connections in a row that show a node that a candidate is down, the most of all nodes (rule C4).
  var fall: Int64
  /// An entry's longest check interval: what rule E4 counts in.
  var interval: [Int64]
  /// Directors that an entry's requests may go to.
  var directors: [Int]
  /// Sites in the order in which an entry's new users go to them.
  var order: [[Int32]]
  /// By entry: the first one of its office, whose nodes learn for all of them.
  var office: [Int]
  /// By entry: how many sites are the second one of some user of its office, at least one.
  var seconds: [Int]

  init(_ network: NetworkModel, population: Population) {
    var recoveryByRole = [Int64](repeating: 0, count: 3)
    var relearningByRole = recoveryByRole
    doubt = 0
    fall = 1
    var patienceByRole = recoveryByRole
    for pool in network.pools {
      let role = pool.role == .officeProxy ? 0 : pool.role == .siteDirector ? 1 : 2
      recoveryByRole[role] = max(recoveryByRole[role], pool.trialInterval + pool.connectTimeout)
      doubt = max(doubt, pool.unacknowledged + pool.connectTimeout)
      patienceByRole[role] = max(patienceByRole[role], pool.queueTimeout + pool.serverTimeout)
      fall = max(fall, Int64(pool.checks.map(\.plan.fall).max() ?? 1))
      if role > 0 { relearningByRole[role] = max(relearningByRole[role], pool.relearning) }
    }
    recovery = recoveryByRole.reduce(ModelTimes.growth, +)
    patience = patienceByRole.reduce(recovery, +)
    relearning = []
    interval = []
    order = []
    directors = []
    seconds = []
    office = population.entries.map(\.office)
    for entry in population.entries {
      var longest: Int64 = 0
      var relearn: Int64 = 0
      // A site's own users ask its directors, and these the balancers of all sites.
      var asked = entry.site >= 0 ? entry.elements.count : 0
      for pool in entry.elements.flatMap({ network.allPools(of: $0) }) {
        asked = max(asked, network.pools[pool].candidates.count)
        relearn = max(relearn, network.pools[pool].relearning)
        for check in network.pools[pool].checks { longest = max(longest, check.plan.interval.nanosecondsClamped) }
      }
      let below =
        switch entry.elements.first.map({ network.elements[Int($0)].kind }) {
        case .balancer: Int64(0)
        case .director: relearningByRole[2]
        default: relearningByRole[1] + relearningByRole[2]
        }
      relearning.append(relearn + below)
      interval.append(max(1, longest))
      order.append(Self.order(entry, network, entry.elements.flatMap { network.nodes[Int($0)].pools }))
      directors.append(asked)
    }
    let (order, office) = (order, office)
    seconds = order.indices.map { entry in
      let seconds = order.indices.filter { office[$0] == office[entry] && order[$0].count > 1 }.map { order[$0][1] }
      return max(1, Set(seconds).count)
    }
  }

  /// Sites in the order in which an entry's new users go to them, by pools of its nodes.
  static func order(_ entry: Entry, _ network: NetworkModel, _ pools: [Int]) -> [Int32] {
    var sites: [Int32] = entry.site >= 0 ? [entry.site] : []
    for pool in pools {
      for site in network.pools[pool].sites(for: entry, network) where !sites.contains(site) { sites.append(site) }
    }
    return sites
  }
}

extension PoolModel {
  /// The sites of the pool, the first ones of an entry's own order first.
  fileprivate func sites(for entry: Entry, _ network: NetworkModel) -> [Int32] {
    guard let geo, let own = entry.orders.first(where: { $0.plan == geo }) else { return sites }
    let first = own.sites.compactMap { number in
      sites.first { network.topology.sites[Int($0)].name == geo.sites[number].name }
    }
    return first + sites.filter { !first.contains($0) }
  }

  /// The longest time from the moment something is back until the pool's checks believe it, or a hint is over.
  var relearning: Int64 {
    checks.map { check in
      let interval = check.plan.interval.nanosecondsClamped
      let close = max(check.plan.fastInterval.nanosecondsClamped, check.plan.downInterval.nanosecondsClamped)
      return interval + interval / 12 + check.timeout
        + Int64(max(1, check.plan.rise)) * (close + close / 12 + check.timeout)
    }.max() ?? 0
  }
}
