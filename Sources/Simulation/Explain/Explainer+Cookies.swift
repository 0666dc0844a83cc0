internal import Routing
internal import Topology

/// What nodes do to cookies on the way there and back (rules B3 to B6), and what the application server does.
extension Explainer {
  /// The cookies as they go to the next hop.
  func forwardedCookies(_ jar: CookieJar, _ reading: CookieReading, _ plan: CookiePlan?) -> CookieJar {
    var jar = jar
    guard let plan, reading.value != nil else { return jar }
    switch plan.mode {
    case .passive: break
    case .insert: if plan.indirect { jar.remove(plan.name) }
    case .prefix: if let session = reading.session { jar.replaceFirst(plan.name, with: session) }
    }
    return jar
  }

  /// An answer that goes on to the client's side, with what the node does to its cookies.
  func relay(_ exchange: inout Exchange, _ pool: inout Pool, _ way: Way, _ plan: NodePlan) -> Answer {
    var way = way
    let server = way.application.pool.servers[Int(exchange.server)]
    var fields = way.answered?.setCookies ?? []
    if let cookie = way.application.cookie {
      let writer = CookieWriting(
        plan: cookie, reading: way.reading, value: server.cookieValue, seconds: request.seconds)
      fields = writer.apply(
        to: fields, insertIsNews: pool.insertIsNews(exchange.binding, server: exchange.server),
        prefixIsNews: pool.prefixIsNews(
          exchange.binding, server: exchange.server, hasSession: way.reading.session != nil))
      way.visit.setCookies = fields.filter { !(way.answered?.setCookies.contains($0) ?? false) }
      let told = fields.compactMap(CookieJar.init(setting:)).first { $0.name == cookie.name }
      if cookie.mode == .passive, let told {
        var value = told.value.split(separator: "|").first.map(String.init) ?? ""
        let group = value.withUTF8 { pool.group(named: UnsafeRawBufferPointer($0)) }
        if pool.tellsOfAnotherSite(group, binding: exchange.binding, reason: exchange.reason, server: exchange.server),
          let check = server.liveness
        {
          way.visit.notes.append(
            "\(server.site) is passed by for \(check.interval.text): its director answered from another site")
        }
      }
    }
    exchange.finish(pool: &pool)
    way.visit.status = way.answered?.visit.status ?? 200
    return Answer(
      visit: way.visit, failure: nil, server: way.answered?.server, path: [plan.name] + (way.answered?.path ?? []),
      setCookies: fields)
  }

  /// The application server: it answers, and begins a session unless it has the one the request names.
  func serve(
    _ server: ServerPlan, _ application: String, _ jar: CookieJar, _ reading: CookieReading
  ) -> Answer {
    let visit = Explanation.Visit(
      node: server.name, role: "server", site: server.site, sources: nil, application: application, cookie: jar.text,
      binding: "", attempts: [], status: 200, error: nil, setCookies: [], notes: [])
    var fields: [String] = []
    let settings = topology.application(named: application)?.sessionCookie?.plan
    if let settings, settings.mode == .prefix, reading.session == nil || reading.named != server.cookieValue {
      fields = ["\(settings.name)=NEW; Path=\(settings.path ?? "/")"]
    }
    return Answer(visit: visit, failure: nil, server: server.name, path: [server.name], setCookies: fields)
  }
}
