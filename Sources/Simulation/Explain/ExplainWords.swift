internal import Routing
internal import Topology

/// Sentences for what a node reads, believes and does.
struct ExplainWords {
  let plan: NodePlan
  let application: ApplicationPlan

  private var algorithm: String { application.pool.algorithm.rawValue }
  private var isRelay: Bool { plan.role == .relay }
  private var isPrefix: Bool { application.cookie?.mode == .prefix }
  private var servers: [ServerPlan] { application.pool.servers }

  /// What a relay goes by: the name that the connection's TLS asks for, where a pool is chosen by it.
  func pool(asked: String?) -> String {
    guard plan.applications.contains(where: { !$0.hosts.isEmpty }) else { return "a connection, whatever is in it" }
    let name = asked.map { "asks for \($0)" } ?? "asks for no name"
    return application.hosts.isEmpty
      ? name + ", which no pool is for: the servers for all others" : name + ": pool \(application.name)"
  }

  /// What the node reads in the cookie.
  func binding(_ reading: CookieReading) -> String {
    guard let cookie = application.cookie else { return "no cookie is looked at" }
    guard let value = reading.value else { return "no cookie \(cookie.name): a new user" }
    let text = "\(cookie.name)=\(value)"
    switch reading.binding.presence {
    case .none: return "no cookie \(cookie.name): a new user"
    case .unknown: return "\(text) names nobody known here: as a new user"
    case .expired: return "\(text) is past its idle or life limit: as a new user"
    case .named:
      let names = servers.filter { $0.cookieValue == reading.named }.map(\.name)
      return "\(text) names \(names.joined(separator: ", "))"
    }
  }

  /// An attempt that the exchange has just chosen.
  /// - Parameters:
  ///   - before: where candidates stood before the event that led to it: what made the chosen one a choice.
  ///   - after: where they stand now, the chosen one counting as tried.
  func attempt(
    _ server: Int32, _ exchange: Exchange, before: [Standing], after: [Standing]
  ) -> Explanation.Attempt {
    var chosen = before[Int(server)]
    // A kept connection found closed is repeated at the same server.
    if chosen.rank == .tried { chosen.rank = .named }
    let standings = after.map { $0.server == server ? chosen : $0 }
    let ordered = standings.sorted { first, second in
      let keys = [first, second].map { ($0.rank.order, $0.tier, $0.server == server ? -1 : $0.server) }
      return keys[0] < keys[1]
    }
    return Explanation.Attempt(
      server: servers[Int(server)].name, reason: "\(exchange.reason.text)",
      why: why(exchange), candidates: ordered.map { candidate($0, chosen, exchange) }, outcome: "",
      waitedMilliseconds: 0, visit: nil)
  }

  private func why(_ exchange: Exchange) -> String {
    switch exchange.reason {
    case .new: isRelay ? "spread by \(algorithm)" : "a new user: spread by \(algorithm)"
    case .cookie: "the cookie names it"
    case .unknownCookie: "the cookie counts for nothing: spread by " + spread(exchange)
    case .failover:
      exchange.binding.group >= 0
        ? "nobody the cookie names can be used: spread by " + spread(exchange) : "the attempt before it failed"
    case .trial: "the cookie names it: tried although believed down, so that no living session is lost"
    case .lastResort: "everybody is believed down: tried before an error"
    case .hint: "the preferred site just answered from elsewhere"
    case .draining: "nobody admits new users: one that lives takes one more"
    case .failback: "home admits again, and failback is immediate"
    case .none: "nobody was chosen"
    }
  }

  /// What spreads users who are not bound: a session that lost its server goes by its id, the same on every balancer (rule B5).
  private func spread(_ exchange: Exchange) -> String {
    isPrefix && exchange.binding.sessionHash != 0 ? "the hash of the session" : algorithm
  }

  /// Who tries a server that is believed down.
  private func trial(_ standing: Standing) -> String {
    guard standing.liveness == .declaredDead else { return "believed down; one request a second tries it" }
    let interval = servers[Int(standing.server)].liveness?.interval.text ?? "check interval"
    return "its monitor says it has nobody to serve with; one request in \(interval) tries it"
  }

  private func candidate(_ standing: Standing, _ chosen: Standing, _ exchange: Exchange) -> Explanation.Candidate {
    let server = servers[Int(standing.server)]
    let isChosen = standing.server == chosen.server
    return Explanation.Candidate(
      name: server.name, site: server.site, tier: Int(standing.tier), isNamed: standing.isNamed, isChosen: isChosen,
      standing: standing.rank.word, why: isChosen ? belief(standing, exchange) : whyNot(standing, chosen, exchange))
  }

  /// What speaks for a candidate.
  private func belief(_ standing: Standing, _ exchange: Exchange) -> String {
    switch standing.rank {
    case .home: "home: admits new users"
    case .named: "the cookie names it; believed alive"
    case .namedOnTrial: "the cookie names it; " + trial(standing)
    case .admitting where isRelay: standing.tier == 0 ? "takes connections" : "a backup; takes connections"
    case .admitting: exchange.reason == .failover ? "admits new users" : "admits new users; the first tier that does"
    case .hinted: "admits new users, but its director just answered from elsewhere"
    case .living: "alive, but admits no new users"
    case .draining: "drained, but alive"
    case .down, .declaredDead: "believed down, like all others"
    case .tried, .siteRefused, .maintenance: "nobody else"
    }
  }

  /// What speaks against a candidate that was not chosen.
  private func whyNot(_ standing: Standing, _ chosen: Standing, _ exchange: Exchange) -> String {
    let isBound = chosen.rank == .named || chosen.rank == .namedOnTrial
    let spread = isBound ? algorithm : spread(exchange)
    switch standing.rank {
    case .home: return "home, but another was taken"
    case .named: return "as good; \(algorithm) took another"
    case .namedOnTrial: return "the cookie names it, too; " + trial(standing)
    case .admitting where isRelay:
      return standing.tier > chosen.tier ? "a backup: for when no other can" : "as good; \(spread) took another"
    case .admitting:
      if isBound { return "admits new users, but the cookie names others" }
      if chosen.rank != .admitting { return "admits new users, but \(chosen.rank.word) comes first" }
      return standing.tier > chosen.tier
        ? "admits new users, but is of a later tier" : "as good; \(spread) took another"
    case .hinted: return "passed by: its director just answered from elsewhere"
    case .living:
      return "alive, but admits no new users" + (standing.isNamed ? "" : ", and the cookie does not name it")
    case .draining: return "drained: serves its own users only"
    case .down: return standing.isNamed ? "the cookie names it; believed down, its trial is not due" : "believed down"
    case .declaredDead: return "its own monitor says that it has nobody to serve with"
    case .tried: return "tried already by this request"
    case .siteRefused: return "its site has said that it has nobody to serve with"
    case .maintenance: return "taken out by the operator"
    }
  }
}

extension Standing.Rank {
  /// Those that are tried alike when nobody else is left stand side by side.
  var order: UInt8 { self == .declaredDead ? Self.down.rawValue : rawValue }

  /// The word for it in tables and JSON.
  var word: String {
    switch self {
    case .home: "home"
    case .named: "named"
    case .namedOnTrial: "named-on-trial"
    case .admitting: "admitting"
    case .hinted: "hinted"
    case .living: "own-users-only"
    case .draining: "draining"
    case .down: "down"
    case .declaredDead: "declared-dead"
    case .tried: "tried"
    case .siteRefused: "site-refused"
    case .maintenance: "maintenance"
    }
  }
}
