internal import Routing
internal import Topology

/// Collects the story of one user.
struct Tracer {
  let user: Int
  private var requests: [RequestTrace] = []
  /// Request by leg, of those under way.
  private var underWay: [(root: Int32, request: Int)] = []

  init(user: Int) { self.user = user }

  mutating func begin(_ root: Int32, _ request: RequestTrace) {
    underWay.append((root, requests.count))
    requests.append(request)
  }

  private func request(_ root: Int32) -> Int? { underWay.last { $0.root == root }?.request }

  /// Adds an attempt; its number among the request's.
  mutating func attempt(_ root: Int32, _ attempt: AttemptTrace) -> Int32 {
    guard let request = request(root) else { return -1 }
    requests[request].attempts.append(attempt)
    return Int32(requests[request].attempts.count - 1)
  }

  mutating func outcome(_ root: Int32, _ attempt: Int32, _ text: String) {
    guard let request = request(root), attempt >= 0, Int(attempt) < requests[request].attempts.count else { return }
    requests[request].attempts[Int(attempt)].outcome = text
  }

  mutating func end(_ root: Int32, _ change: (inout RequestTrace) -> Void) {
    guard let request = request(root) else { return }
    change(&requests[request])
    underWay.removeAll { $0.root == root }
  }

  func story(_ network: NetworkModel, _ population: Population) -> UserTrace {
    let entry = population.entries.first { $0.firstUser <= user && user < $0.firstUser + $0.count }
    return UserTrace(user: user, entry: entry?.name ?? "", requests: requests)
  }
}

extension Run {
  mutating func traceBegins(_ root: Int32) {
    let leg = legs + Int(root)
    leg.pointee.flags.insert(.traced)
    let user = users[Int(leg.pointee.user)]
    let request = RequestTrace(
      beganNanoseconds: leg.pointee.began, endedNanoseconds: nil,
      method: leg.pointee.flags.contains(.isPost) ? "POST" : "GET", cookiesBefore: cookieText(user), cookiesAfter: "",
      status: nil, server: nil, isNewSession: false, lostSession: false, attempts: [])
    tracer?.begin(root, request)
  }

  mutating func traceEnds(_ root: Int32, _ result: Result, _ done: Int64) {
    let text = cookieText(users[Int(legs[Int(root)].user)])
    let server = result.server >= 0 ? network.elements[Int(result.server)].name : nil
    tracer?.end(root) { request in
      request.endedNanoseconds = done
      request.cookiesAfter = text
      request.status = result.status > 0 ? Int(result.status) : nil
      request.server = server
      request.isNewSession = result.isNewSession
      request.lostSession = result.lostSession
    }
  }

  /// The jar as the field `Cookie` shows it.
  private func cookieText(_ user: User) -> String {
    let application = network.topology.applications[Int(user.application)]
    var parts: [String] = []
    if user.site >= 0, let cookie = application.siteCookie {
      parts.append("\(cookie.plan.name)=\(network.topology.sites[Int(user.site)].cookie.value)")
    }
    let named = user.server >= 0 ? network.elements[Int(user.server)].name : nil
    if let cookie = application.sessionCookie {
      if cookie.plan.mode == .prefix {
        if user.session > 0 { parts.append("\(cookie.plan.name)=\(named.map { "\($0)~" } ?? "")\(user.session)") }
      } else {
        if let named { parts.append("\(cookie.plan.name)=\(named)") }
        if user.session > 0 { parts.append("session=\(user.session)") }
      }
    }
    return parts.joined(separator: "; ")
  }

  private func depth(_ index: Int32) -> Int {
    var depth = 0
    var current = legs[Int(index)].parent
    while current >= 0 && depth < 8 {
      depth += 1
      current = legs[Int(current)].parent
    }
    return depth
  }

  /// A node has chosen: everybody it could have chosen, and what it believed of them.
  mutating func traceChoice(_ index: Int32, _ server: Int32) {
    let leg = legs + Int(index)
    let pool = leg.pointee.pool
    let state = poolStates[Int(pool)]
    var list: [CandidateTrace] = []
    for other in 0..<state.candidateCount {
      let candidate = candidate(pool, other)
      list.append(
        CandidateTrace(
          name: network.elements[Int(candidate.pointee.element)].name,
          tier: Int(pools[Int(pool)].rank(of: other, in: leg.pointee.exchange.order)),
          isNamed: leg.pointee.exchange.binding.group >= 0
            && pools[Int(pool)].group(of: other) == leg.pointee.exchange.binding.group, belief: belief(pool, other),
          isReachable: isReachable(pool, other)))
    }
    if leg.pointee.exchange.order > 0 {
      // As the user's own order has them; those of a tier stay as they stand in the file.
      list = list.enumerated().sorted { ($0.element.tier, $0.offset) < ($1.element.tier, $1.offset) }.map(\.element)
    }
    let attempt = AttemptTrace(
      atNanoseconds: now, node: network.elements[Int(state.node)].name, depth: depth(index),
      chosen: network.elements[Int(candidate(pool, server).pointee.element)].name,
      reason: "\(leg.pointee.exchange.reason.text)", candidates: list, outcome: "")
    leg.pointee.attempt = tracer?.attempt(leg.pointee.root, attempt) ?? -1
  }

  private func belief(_ pool: Int32, _ server: Int32) -> String {
    let health = pools[Int(pool)].health(of: server)
    if health.enabled == .maintenance { return "in maintenance" }
    switch health.liveness {
    case .unreachable: return "down"
    case .declaredDead: return "down by its own word"
    case .alive: break
    }
    if !pools[Int(pool)].servesOwnUsers(server) { return "drained, its deadline over" }
    if health.enabled == .drain { return "drained" }
    let site = candidate(pool, server).pointee.poolSite
    if poolStates[Int(pool)].isOffice && shared[Int(pool)].hints.isSet(site: Int(site)) {
      return "passed by for a hint"
    }
    return health.takesNewUsers ? "admits" : "own users only"
  }

  private func isReachable(_ pool: Int32, _ server: Int32) -> Bool {
    let candidate = candidate(pool, server)
    let node = poolStates[Int(pool)].node
    return world.elements[Int(candidate.pointee.element)].isUp
      && world.passes(candidate.pointee.path, from: node, to: candidate.pointee.element)
      && world.returns(candidate.pointee.path, from: candidate.pointee.element, to: node)
  }

  /// What came of the leg's attempt; without one, what the node does instead.
  mutating func traceOutcome(_ index: Int32, _ text: String) {
    let leg = legs + Int(index)
    guard leg.pointee.flags.contains(.traced) else { return }
    if leg.pointee.attempt >= 0 {
      tracer?.outcome(leg.pointee.root, leg.pointee.attempt, text)
      leg.pointee.attempt = -1
      return
    }
    let attempt = AttemptTrace(
      atNanoseconds: now, node: network.elements[Int(poolStates[Int(leg.pointee.pool)].node)].name, depth: depth(index),
      chosen: nil, reason: text, candidates: [], outcome: text)
    _ = tracer?.attempt(leg.pointee.root, attempt)
  }

  mutating func traceAnswer(_ index: Int32, _ result: Result) {
    var text = "answered \(result.status)"
    if result.isNewSession { text += result.lostSession ? ", session lost" : ", session begun" }
    traceOutcome(index, text)
  }
}
