internal import HTTPMessage
internal import Routing
public import Topology

/// Follows one request through a network that stands still, by the very rules the proxies run: Exchange, Pool and the
/// health machines of Routing.
public struct Explainer: Sendable {
  /// The request.
  public struct Request: Sendable, Equatable {
    /// The node the user asks: an office, or a director for a site's own users; or a relay.
    public var entry: String
    /// The method; GET and the others of RFC 9110 section 9.2.2 are idempotent.
    public var method = "GET"
    /// The host asked for; nil: that of the first application.
    public var host: String?
    /// The port of the entry that is asked; nil: that of its first listener. Its monitor's answers whether it serves.
    public var port: UInt16?
    /// At a relay: the name that the connection's TLS asks for (SNI); nil: none.
    public var serverName: String?
    /// The field `Cookie`.
    public var cookie = ""
    /// The user's address, for algorithms that hash it; nil: 192.0.2.1.
    public var client: Network?
    /// The user's own order of sites, for an entry that goes by it or sends users on by it; nil: the entry's.
    public var geography: Explanation.Geography?
    /// Nobody has noticed yet what is broken; else every checker has.
    public var isFresh = false
    /// The wall clock, in seconds since 1970, for cookies with dates.
    public var seconds: Int64 = 0

    /// A GET without cookies.
    public init(entry: String) { self.entry = entry }
  }

  let topology: Topology
  let faults: NetworkFaults
  let request: Request
  private let settled: SettledHealth
  /// The port of the entry that is asked; nil: it has none.
  let listenPort: UInt16?
  private let asksMonitor: Bool
  /// Nobody has tried what is believed down for a while; else somebody just did, in vain.
  private var trialsAreDue = true

  /// Prepares a network, which must have passed `validate()`.
  ///
  /// - Throws: `PlanError` when the entry is no proxy node.
  public init(_ topology: Topology, _ faults: NetworkFaults, _ request: Request) throws(PlanError) {
    let plan = try topology.plan(for: request.entry)
    let ports = plan.listeners.compactMap(\.address.port)
    listenPort = request.port ?? ports.first
    asksMonitor = request.port.map { $0 == plan.monitor?.port && !ports.contains($0) } ?? false
    self.topology = topology
    self.faults = faults
    self.request = request
    settled = try SettledHealth(topology, faults)
  }

  /// The whole way of the request: one that makes every trial that is due, and for comparison one that makes none.
  public func explain() throws(PlanError) -> Explanation {
    if asksMonitor { return try askMonitor() }
    let answer = try visit(request.entry, CookieJar(request.cookie), peer: request.client)
    let result = outcome(answer)
    var calm = self
    calm.trialsAreDue = false
    let others = outcome(try calm.visit(request.entry, CookieJar(request.cookie), peer: request.client))
    return explanation(answer.visit, result, others: others == result ? nil : others)
  }

  func explanation(
    _ visit: Explanation.Visit, _ result: Explanation.Outcome, others: Explanation.Outcome? = nil
  ) -> Explanation {
    Explanation(
      network: topology.name, entry: request.entry, port: request.port, serverName: request.serverName,
      method: request.method, host: request.host, cookie: request.cookie, down: faults.downAsGiven,
      cuts: faults.cuts.map(\.text), isFresh: request.isFresh, geography: request.geography, visit: visit,
      result: result, others: others)
  }

  // MARK: One node

  /// What a node gave back.
  struct Answer {
    var visit: Explanation.Visit
    /// Why the node answered itself; nil: it passed an answer on.
    var failure: Exchange.Failure?
    /// The application server that answered.
    var server: String?
    /// The elements from this node on.
    var path: [String]
    /// Fields `Set-Cookie` as they leave this node.
    var setCookies: [String]
  }

  private func visit(_ name: String, _ jar: CookieJar, peer: Network?) throws(PlanError) -> Answer {
    let plan = try topology.plan(for: name)
    var visit = Explanation.Visit(
      node: name, role: plan.role.rawValue, site: plan.site, sources: plan.sourceTexts, application: nil,
      cookie: jar.text, binding: "", attempts: [], status: 421, error: nil, setCookies: [], notes: [])
    if plan.role == .relay, plan.application(forServerName: request.serverName) == nil {
      return refusal(of: plan, visit)
    }
    let isRelay = plan.role == .relay
    let chosen =
      isRelay
      ? plan.application(forServerName: request.serverName) : plan.applications.firstIndex { matches($0.hosts) }
    guard let index = chosen else {
      visit.binding = "no application here takes the host"
      return Answer(visit: visit, failure: nil, server: nil, path: [name], setCookies: [])
    }
    let application = plan.applications[index]
    visit.application = application.name
    let shared = PoolShared(plan: application.pool, workers: 1)
    defer { shared.deallocate() }
    if !request.isFresh { publish(index, of: plan, to: shared) }
    var pool = Pool(
      application: application, shared: shared, timeScale: plan.timeScale, workers: 1, seed: StableHash.hash(name))
    let reading = CookieReading(jar, application.cookie, pool, seconds: request.seconds)
    let words = ExplainWords(plan: plan, application: application)
    visit.binding = isRelay ? words.pool(asked: request.serverName) : words.binding(reading)
    var way = Way(application: application, jar: jar, reading: reading, visit: visit, now: SettledHealth.now)
    let key = SelectionKey(
      clientHash: peer.map { StableHash.hash(high: $0.high, low: $0.low) } ?? StableHash.hash(high: 0, low: 1),
      sessionHash: reading.binding.sessionHash)
    let order = takeOrder(of: plan, application, &pool)
    if let (site, url) = redirect(of: plan, index, reading, &pool) {
      visit.status = 307
      visit.redirect = url
      visit.notes.append(
        "\(site) comes before \(plan.site ?? name) for this client, who enters by a public listener: sent on to \(url)")
      return Answer(visit: visit, failure: nil, server: nil, path: [name], setCookies: [])
    }
    if !trialsAreDue { takeTrials(shared.trials, count: application.pool.servers.count) }
    var exchange = Exchange()
    var before = pool.standings(reading.binding, order: order, excluding: exchange.exclusions, now: way.now)
    var action = exchange.begin(
      Exchange.Request(
        isIdempotent: Self.isIdempotent(request.method), binding: reading.binding, key: key, order: order),
      attemptsMax: application.retries.attemptsMax, pool: &pool, now: way.now)
    while true {
      switch action {
      case .connect(let server, _):
        let after = pool.standings(reading.binding, order: order, excluding: exchange.exclusions, now: way.now)
        way.visit.attempts.append(words.attempt(server, exchange, before: before, after: after))
        before = after
        action = try attempt(Int(server), &exchange, &pool, &way, plan)
      case .queue, .awaitBudget: action = exchange.waitedTooLong(pool: &pool, now: way.now)
      case .awaitTrial: action = exchange.trialResolved(pool: &pool, now: way.now)
      case .relay where plan.role == .relay:
        exchange.finish(pool: &pool)
        way.visit.status = 0
        let server = way.application.pool.servers[Int(exchange.server)].name
        return Answer(visit: way.visit, failure: nil, server: server, path: [name, server], setCookies: [])
      case .relay:
        return relay(&exchange, &pool, way, plan)
      case .answer(let failure):
        // A relay's connection is closed; it speaks no HTTP.
        way.visit.status = plan.role == .relay ? 0 : failure.status
        way.visit.error = "\(failure.proxyError)"
        return Answer(visit: way.visit, failure: failure, server: nil, path: [name], setCookies: [])
      case .nothing:
        way.visit.status = 500
        return Answer(visit: way.visit, failure: nil, server: nil, path: [name], setCookies: [])
      }
    }
  }

  /// What one node knows while it works on the request.
  struct Way {
    let application: ApplicationPlan
    let jar: CookieJar
    let reading: CookieReading
    var visit: Explanation.Visit
    var now: Int64
    /// What the last server that was reached gave back.
    var answered: Answer?
  }

  /// Makes one attempt, and tells what the exchange does next.
  private func attempt(
    _ index: Int, _ exchange: inout Exchange, _ pool: inout Pool, _ way: inout Way, _ plan: NodePlan
  ) throws(PlanError) -> Exchange.Action {
    let server = way.application.pool.servers[index]
    let last = way.visit.attempts.count - 1
    let reach = faults.reach(server.name, from: plan.site ?? plan.name, to: server.site)
    switch reach == .connected && !topology.passes(address(of: server), faults) ? .refused : reach {
    case .silent:
      let timeout = way.application.timeouts.connect
      way.now += timeout.nanosecondsClamped
      way.visit.attempts[last].waitedMilliseconds = timeout.inMilliseconds
      way.visit.attempts[last].outcome = "no answer: given up after the connect time-out of \(timeout.text)"
      return exchange.connectFailed(ownFault: false, pool: &pool, now: way.now)
    case .refused:
      way.visit.attempts[last].outcome = "connection refused"
      return exchange.connectFailed(ownFault: false, pool: &pool, now: way.now)
    case .connected where plan.role == .relay:
      exchange.connected(isNew: true, pool: &pool)
      return connect(server, &exchange, &pool, &way)
    case .connected:
      exchange.connected(isNew: true, pool: &pool)
      exchange.requestBytesSent()
      let forwarded = forwardedCookies(way.jar, way.reading, way.application.cookie)
      let answer =
        server.isNode
        ? try visit(server.name, forwarded, peer: address(of: plan, towards: server.address))
        : serve(server, way.application.name, forwarded, way.reading)
      if server.isNode { way.visit.attempts[last].visit = answer.visit }
      way.visit.attempts[last].outcome =
        answer.failure.map { "answered \($0.status): \($0.proxyError)" } ?? "answered \(answer.visit.status)"
      way.now += Self.nanoseconds(Self.waited(answer.visit))
      way.answered = answer
      return exchange.responseHead(answer.failure?.refusal ?? .none, pool: &pool, now: way.now)
    }
  }

  /// A relay's server takes the connection: from then on bytes go both ways, whatever stands behind it.
  private func connect(
    _ server: ServerPlan, _ exchange: inout Exchange, _ pool: inout Pool, _ way: inout Way
  ) -> Exchange.Action {
    let address = address(of: server)
    let port = server.address.port == 0 ? ", the port that the client used" : ""
    let element = topology.listener(at: address).map { $0 == server.name ? "" : ", where \($0) listens" } ?? ""
    way.visit.attempts[way.visit.attempts.count - 1].outcome = "connected to \(address)\(port)\(element)"
    return exchange.responseHead(.none, pool: &pool, now: way.now)
  }

  /// The order in which the node takes its tiers: at the entry the user's own, if it goes by that.
  private func takeOrder(of plan: NodePlan, _ application: ApplicationPlan, _ pool: inout Pool) -> Int32 {
    guard plan.name == request.entry, plan.geo?.use == .tiers, let sites = request.geography?.sites else { return 0 }
    pool.take(TierOrders(application.pool, sites: sites, count: 2) { rank, _ in rank })
    return 1
  }

  /// The site to whose own address the entry sends the user on, and that address; nil: the user is served.
  private func redirect(
    of plan: NodePlan, _ application: Int, _ reading: CookieReading, _ pool: inout Pool
  ) -> (site: String, url: String)? {
    guard plan.name == request.entry, let redirects = plan.redirects(application: application), let geo = plan.geo,
      let sites = request.geography?.sites, reading.binding.presence == .none,
      request.method == "GET" || request.method == "HEAD",
      // A client of the configured order is served: no other site comes before for it.
      sites != geo.sites.map(\.name)
    else { return nil }
    // The first order stays the configured one, by which the user is served if not sent on.
    let configured = geo.sites.compactMap { site in sites.firstIndex(of: site.name) }
    pool.take(
      TierOrders(plan.applications[application].pool, sites: sites, count: 2) { rank, order in
        order == 0 ? configured[rank] : rank
      })
    return pool.firstAdmitting(of: 1, before: redirects.home ?? -1) { redirects.urls[$0] != nil }
      .flatMap { tier in redirects.urls[tier].map { (redirects.sites[tier], $0) } }
  }

  /// Other requests have just tried everybody, in vain.
  private func takeTrials(_ trials: TrialBoard, count: Int) {
    for server in 0..<Int32(count) where trials.begin(server, now: SettledHealth.now, interval: 0) {
      trials.finish(server, began: SettledHealth.now, reached: false)
    }
  }

  private func publish(_ application: Int, of plan: NodePlan, to shared: PoolShared) {
    for index in plan.applications[application].pool.servers.indices {
      guard let health = settled.health(of: index, application: application, at: plan.name) else { continue }
      shared.publish(Int32(index), HealthSnapshot(health, now: SettledHealth.now, jitterSeed: 0))
    }
  }

  // MARK: Small things

  private func matches(_ hosts: [String]) -> Bool {
    guard !hosts.isEmpty else { return true }
    let asked =
      request.host ?? topology.applicationsInMatchingOrder.first.flatMap { application in
        application.hosts.first.map { $0.value.hasPrefix("*.") ? "a" + $0.value.dropFirst() : $0.value }
      } ?? ""
    let host = asked.lowercased()
    return hosts.contains { name in
      name.hasPrefix("*.") ? host.hasSuffix(name.dropFirst()) && host.count >= name.count : host == name
    }
  }

  /// What the entry's monitor answers.
  private func askMonitor() throws(PlanError) -> Explanation {
    let plan = try topology.plan(for: request.entry)
    let isGood = request.isFresh || settled.monitorIsGood(of: plan.name)
    var visit = Explanation.Visit(
      node: plan.name, role: plan.role.rawValue, site: plan.site, sources: nil, application: nil, cookie: "",
      binding: "its monitor is asked whether it serves", attempts: [], status: isGood ? 200 : 503, error: nil,
      setCookies: [], notes: [])
    visit.notes.append(isGood ? "somebody it can pass on to lives" : "nobody it can pass on to lives")
    let answer = Answer(visit: visit, failure: nil, server: nil, path: [plan.name], setCookies: [])
    return explanation(visit, outcome(answer))
  }

  /// A relay has no pool for the name that is asked for.
  private func refusal(of plan: NodePlan, _ visit: Explanation.Visit) -> Answer {
    var visit = visit
    visit.binding = (request.serverName.map { "asks for \($0)" } ?? "asks for no name") + ", and no pool is for that"
    visit.status = 0
    visit.error = "the TLS alert unrecognized_name"
    return Answer(visit: visit, failure: nil, server: nil, path: [plan.name], setCookies: [])
  }

  private static func isIdempotent(_ method: String) -> Bool {
    Method.allCases.first { "\($0)".uppercased() == method }?.isIdempotent ?? false
  }

  static func waited(_ visit: Explanation.Visit) -> Double {
    visit.attempts.reduce(0) { $0 + $1.waitedMilliseconds + ($1.visit.map(waited) ?? 0) }
  }

  private static func nanoseconds(_ milliseconds: Double) -> Int64 { Int64(milliseconds * 1_000_000) }
}
