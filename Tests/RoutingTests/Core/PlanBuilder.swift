@testable import Topology

/// Plans of the three roles in the two-site network, made without a file.
enum PlanBuilder {
  static func server(
    _ name: String, site: String, cookie: String?, tier: Int = 0, weight: Int = 1, max: Int = 0, isNode: Bool,
    checked interval: Duration = .seconds(4)
  ) -> ServerPlan {
    let address = Address.unix(path: name)
    let check = CheckPlan(
      kind: .tcp, address: address, interval: interval, fastInterval: interval, downInterval: interval,
      timeout: .seconds(1), rise: 2, fall: 3)
    return ServerPlan(
      name: name, site: site, address: address, cookieValue: cookie, tier: tier, weight: weight, maxConnections: max,
      isNode: isNode, admission: nil, liveness: check, slowStart: .zero)
  }

  static func application(
    _ servers: [ServerPlan], mode: CookiePlan.Mode?, algorithm: BalanceAlgorithm = .roundRobin,
    _ change: (inout ApplicationPlan) -> Void = { _ in }
  ) -> ApplicationPlan {
    let cookie = mode.map { mode in
      CookiePlan(
        name: "SITE", mode: mode, indirect: true, noCache: true, preserve: false, httpOnly: false, secure: false,
        sameSite: nil, domain: nil, path: nil, maxIdle: nil, maxLife: nil)
    }
    let second = Duration.seconds(1)
    var plan = ApplicationPlan(
      name: "shop", hosts: [], cookie: cookie,
      pool: PoolPlan(
        algorithm: algorithm, servers: servers, tierCount: (servers.map(\.tier).max() ?? 0) + 1, persist: false,
        spill: false, queueMax: 128, failback: .session),
      timeouts: TimeoutPlan(
        request: second, keepAlive: second, client: second, connect: second, server: second, queue: second,
        tunnel: second, unacknowledged: second, pooled: second),
      forwarding: ForwardingPlan(
        forwardedFor: false, forwardedForExcept: [], trusted: [], forwardedProto: false, forwardedHost: false),
      retries: RetryPlan(attemptsMax: 16, bodyBytesMax: 65_536, budgetPercent: 20, budgetMinimum: 10))
    change(&plan)
    return plan
  }

  /// An office that prefers SITE1: a number of directors a site.
  static func office(
    directors: Int = 1, sites: Int = 2, _ change: (inout ApplicationPlan) -> Void = { _ in }
  ) -> ApplicationPlan {
    office(directors: directors, order: Array(1...sites), change)
  }

  /// An office that prefers sites in this order.
  static func office(
    directors: Int = 1, order: [Int], _ change: (inout ApplicationPlan) -> Void = { _ in }
  ) -> ApplicationPlan {
    var servers: [ServerPlan] = []
    for (tier, site) in order.enumerated() {
      for director in 0..<directors {
        let name = "SD\(site)" + (directors > 1 ? ["a", "b", "c"][director] : "")
        servers.append(
          server(
            name, site: "SITE\(site)", cookie: "SITE\(site)", tier: tier, isNode: true,
            checked: .seconds(30 * site)))
      }
    }
    return application(servers, mode: .passive, change)
  }

  /// The director of SITE1: two balancers a site, as many sites as asked for.
  static func director(sites: Int = 2, _ change: (inout ApplicationPlan) -> Void = { _ in }) -> ApplicationPlan {
    var servers: [ServerPlan] = []
    for site in 1...sites {
      for balancer in 1...2 {
        servers.append(
          server(
            "S\(site)L\(balancer)", site: "SITE\(site)", cookie: "SITE\(site)", tier: site - 1, isNode: true,
            checked: .seconds(site == 1 ? 4 : 8)))
      }
    }
    return application(servers, mode: .insert, change)
  }

  /// A balancer of SITE1 with four application servers.
  static func balancer(max: Int = 0, _ change: (inout ApplicationPlan) -> Void = { _ in }) -> ApplicationPlan {
    let servers = (1...4).map { server("W1\($0)", site: "SITE1", cookie: "W1\($0)", max: max, isNode: false) }
    return application(servers, mode: .prefix, change)
  }
}
