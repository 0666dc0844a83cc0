extension Topology {
  /// What works but is likely not meant.
  func warnings() -> [Diagnostic] {
    cookieWarnings() + nodeWarnings() + settingsWarnings() + scenarioWarnings() + geoWarnings()
      + sharedAddressWarnings() + tlsWarnings()
  }

  private func cookieWarnings() -> [Diagnostic] {
    var found: [Diagnostic] = []
    for application in applications {
      for cookie in [application.siteCookie, application.sessionCookie].compactMap({ $0 })
      where cookie.plan.sameSite == CookiePlan.SameSite.none && !cookie.plan.secure {
        found.append(
          Diagnostic(
            .warning, at: cookie.location,
            "browsers drop the cookie \"\(cookie.plan.name)\": SameSite=None needs Secure", mend: "add \"secure: true\""
          ))
      }
      // rule F1: the limit lets users drift home, but only once the application has forgotten the session.
      guard let cookie = application.siteCookie, let timeout = application.sessionTimeout, sites.count > 1 else {
        continue
      }
      let place = cookie.location == .none ? application.location : cookie.location
      if let idle = cookie.plan.maxIdle {
        if idle < timeout {
          found.append(
            Diagnostic(
              .warning, at: place,
              "the site cookie of \"\(application.name)\" is void after \(idle.text) without use, but sessions live \(timeout.text): users may leave the site of a living session",
              mend: "set maxidle to \(timeout.text) or more"))
        }
      } else {
        found.append(
          Diagnostic(
            .warning, at: place,
            "the site cookie of \"\(application.name)\" has no idle limit: after a failover users stay at the other site while their browser is open",
            mend: "set maxidle to \(timeout.text) or more"))
      }
    }
    return found
  }

  private func nodeWarnings() -> [Diagnostic] {
    var found: [Diagnostic] = []
    let directors = sites.flatMap(\.directors)
    if directors.count == 1, let only = directors.first, !offices.isEmpty {
      found.append(
        Diagnostic(
          .warning, at: only.location,
          "\"\(only.name)\" is the only director: when it stops, no office reaches anything",
          mend: "add a second director"))
    }
    // rule H: what an office says of its users is removed there.
    for director in directors where !offices.isEmpty {
      guard let reached = director.serviceAddress,
        director.listen.first(where: { $0.address.value == reached })?.isPublic
          ?? director.listen.allSatisfy(\.isPublic), !director.listen.isEmpty
      else { continue }
      found.append(
        Diagnostic(
          .warning, at: director.advertise?.location ?? director.listen[0].address.location,
          "offices reach \"\(director.name)\" at a public listener, which removes what they say of their users: X-Forwarded-For is lost",
          mend: "add a listener that is not public, and put it first or into \"advertise\""))
    }
    for site in sites where sites.count > 1 {
      for node in site.directors + site.balancers where node.monitor == nil {
        found.append(
          Diagnostic(
            .warning, at: node.location,
            "\"\(node.name)\" has no monitor, so the nodes in front of it do not learn whether its site takes new users",
            mend: "add \"monitor:\" with an address of its own"))
      }
    }
    return found
  }

  private func settingsWarnings() -> [Diagnostic] {
    var found: [Diagnostic] = []
    func warn(_ location: SourceLocation, _ message: String, _ mend: String?) {
      let diagnostic = Diagnostic(.warning, at: location, message, mend: mend)
      if !found.contains(diagnostic) { found.append(diagnostic) }
    }
    func look(_ settings: Settings, name: String, listen: [Listen], window: Duration?) {
      if case .after(let duration)? = settings.failback?.value, let place = settings.failback?.location {
        warn(
          place,
          "failback after \(duration.text) ends the sessions of users who are at another site when home has been back that long",
          "\"failback: session\" ends none")
      }
      if let grace = settings.grace, let window, grace.value < window {
        warn(
          grace.location,
          "grace of \"\(name)\" is \(grace.value.text), but its checkers need up to \(window.text) to see it stop (interval x fall)",
          "set grace to \(window.text) or more, or remove it")
      }
      for listen in listen where !listen.proxyProtocol.isEmpty || !listen.monitorNetworks.isEmpty {
        if !listen.proxyProtocol.isEmpty, case .unix = listen.address.value {
          warn(
            listen.address.location,
            "proxy-protocol has no effect on a Unix socket: who connects there has no address to be in a network",
            "remove it, or listen on an IP address")
        }
        for network in listen.monitorNetworks where network.isEverybody {
          warn(
            listen.address.location, "\(network) in monitor-net is everyone: nobody is served there",
            "list who checks the node")
        }
        for network in listen.proxyProtocol where network.isEverybody {
          warn(
            listen.address.location, "\(network) in proxy-protocol is everyone: any client can claim any address",
            "list your own load balancers")
        }
      }
      if let trusted = settings.forwarded.trusted, trusted.location != .none {
        if !listen.isEmpty, listen.allSatisfy(\.isPublic), !trusted.value.isEmpty {
          warn(
            trusted.location,
            "\"\(name)\" has public listeners only, which remove forwarded headers, so \"trusted\" has no effect",
            "remove it, or \"public: true\"")
        }
        for network in trusted.value where network.isEverybody {
          warn(
            trusted.location, "\(network) trusts everyone: any client can claim any address", "list your own proxies")
        }
      }
    }
    for site in sites {
      for node in site.directors {
        look(
          settings(node.settings, role: .siteDirector), name: node.name, listen: node.listen,
          window: longestCheckWindow(of: node, at: site, role: .siteDirector))
      }
      for node in site.balancers {
        look(
          settings(node.settings, role: .siteBalancer, site: site), name: node.name, listen: node.listen,
          window: longestCheckWindow(of: node, at: site, role: .siteBalancer))
      }
    }
    for office in offices {
      look(settings(office.settings, role: .officeProxy), name: office.name, listen: office.listen, window: nil)
    }
    for relay in relays {
      look(settings(relay.settings, role: .relay), name: relay.name, listen: relay.listen, window: nil)
    }
    return found
  }
}
