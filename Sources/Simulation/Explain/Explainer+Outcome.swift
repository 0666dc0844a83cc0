internal import Topology

/// What the user got, drawn from the answer of the first node.
extension Explainer {
  func outcome(_ answer: Answer) -> Explanation.Outcome {
    var after = CookieJar(request.cookie)
    for field in answer.setCookies { after.store(field) }
    let crossings = self.crossings(answer.path)
    return Explanation.Outcome(
      status: answer.visit.status, redirect: answer.visit.redirect, server: answer.server, path: answer.path,
      links: crossings,
      latencyMilliseconds: crossings.reduce(0) { $0 + ($1.latencyMilliseconds ?? 0) },
      waitedMilliseconds: Self.waited(answer.visit), session: session(answer), cookieAfter: after.text)
  }

  private func place(of element: String) -> String { topology.element(named: element)?.site?.name ?? element }

  private func crossings(_ path: [String]) -> [Explanation.Crossing] {
    zip(path, path.dropFirst()).compactMap { from, to in
      let (from, to) = (place(of: from), place(of: to))
      guard from != to else { return nil }
      let link = topology.link(between: from, and: to)
      return Explanation.Crossing(
        from: from, to: to, latencyMilliseconds: link?.latency.inMilliseconds,
        costPerGigabyte: link?.costPerGigabyte,
        isInterSite: topology.site(named: from) != nil && topology.site(named: to) != nil)
    }
  }

  private func session(_ answer: Answer) -> String {
    if answer.visit.role == NodeRole.relay.rawValue { return "none: a connection stays where it is until it ends" }
    if let url = answer.visit.redirect { return "begins at \(url)" }
    guard let reached = answer.server else { return "no server answered" }
    let named = holders()
    if named.isEmpty { return "none was named: \(reached) begins one" }
    if named.contains(reached) { return "goes on at \(reached)" }
    let state = named.allSatisfy(faults.down.contains) ? "is down" : "was not reached"
    return "lost: it lives at \(named.joined(separator: " or ")), which \(state); \(reached) begins another"
  }

  /// The servers that the session cookie may mean.
  private func holders() -> [String] {
    let jar = CookieJar(request.cookie)
    var found: [String] = []
    for application in topology.applications {
      guard let cookie = application.sessionCookie?.plan, let value = jar.values(of: cookie.name).first else {
        continue
      }
      let named = value.split(separator: cookie.mode == .prefix ? "~" : "|").first.map(String.init) ?? ""
      for server in topology.servers where server.cookie.value == named && !found.contains(server.name) {
        found.append(server.name)
      }
    }
    return found
  }
}
