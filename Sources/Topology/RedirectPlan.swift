/// Where the users of one application are sent on to by a director that redirects.
public struct RedirectPlan: Sendable, Equatable {
  /// By tier: the site's name.
  public var sites: [String]
  /// By tier: where its site is reached, scheme and authority. Nil: nobody is sent there.
  public var urls: [String?]
  /// The tier of the director's own site. Nil: it does not serve the application.
  public var home: Int?
}

extension NodePlan {
  /// Where the users of an application, by its number, are sent on to. Nil: this node sends nobody anywhere.
  public func redirects(application: Int) -> RedirectPlan? {
    guard let geo, geo.use == .redirects else { return nil }
    let pool = applications[application].pool
    var sites = [String](repeating: "", count: pool.tierCount)
    for server in pool.servers where sites[server.tier].isEmpty { sites[server.tier] = server.site }
    let urls = sites.map { name -> String? in
      guard name != site, let found = geo.sites.first(where: { $0.name == name }), let host = found.urlHost else {
        return nil
      }
      // Where the site's own name leads to another application, its users would be lost.
      return applications.firstIndex { $0.takes(host: host) } == application ? found.url : nil
    }
    return RedirectPlan(sites: sites, urls: urls, home: sites.firstIndex { $0 == site })
  }
}

extension ApplicationPlan {
  /// Whether the application answers to a host, lower case, without a port.
  public func takes(host: String) -> Bool {
    hosts.isEmpty
      || hosts.contains { name in
        name.hasPrefix("*.")
          ? host.hasSuffix(name.dropFirst()) && host.utf8.count >= name.utf8.count : host == name
      }
  }
}
