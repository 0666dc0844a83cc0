extension Topology {
  /// Hosts that two applications claim, and cookies that would overwrite each other.
  func applicationConflicts() -> [Diagnostic] {
    var found: [Diagnostic] = []
    var catchAll: Application?
    var claimed: [(host: String, application: Application)] = []
    for application in applications {
      if application.hosts.isEmpty {
        if let other = catchAll {
          found.append(
            Diagnostic(
              .error, at: application.location,
              "applications \"\(other.name)\" and \"\(application.name)\" both take every host",
              mend: "add \"hosts:\" to one of them"))
        }
        catchAll = catchAll ?? application
      }
      for host in application.hosts {
        if let other = claimed.first(where: { covers($0.host, host.value) }) {
          found.append(hostTaken(host, by: other.application, as: other.host, of: application))
        } else {
          claimed.append((host.value, application))
        }
      }
      if let site = application.siteCookie, let session = application.sessionCookie, site.plan.name == session.plan.name
      {
        found.append(
          Diagnostic(
            .error, at: session.location,
            "site and session cookie of application \"\(application.name)\" are both named \"\(site.plan.name)\"",
            mend: "give them different names"))
      }
    }
    return found
  }

  private func hostTaken(
    _ host: Located<String>, by other: Application, as pattern: String, of application: Application
  ) -> Diagnostic {
    let isSame = other.id == application.id
    let mend = pattern == host.value ? "remove one" : "declare the narrower host first"
    return Diagnostic(
      .error, at: host.location,
      isSame
        ? "host \"\(host.value)\" is already covered by \"\(pattern)\""
        : "host \"\(host.value)\" never reaches \"\(application.name)\": \"\(pattern)\" of \"\(other.name)\" takes it",
      mend: isSame ? "remove one" : mend)
  }

  /// Whether every host that the second pattern matches is matched by the first.
  private func covers(_ first: String, _ second: String) -> Bool {
    if first == second { return true }
    guard first.hasPrefix("*.") else { return false }
    return second.hasSuffix(first.dropFirst())
  }

  /// Two sites that one cookie value names.
  func siteCookiesTwice() -> [Diagnostic] {
    var first: [String: Site] = [:]
    var found: [Diagnostic] = []
    for site in sites where !site.cookie.value.isEmpty {
      guard let other = first[site.cookie.value] else {
        first[site.cookie.value] = site
        continue
      }
      // Two sites of one name are reported as that.
      if other.name == site.name { continue }
      found.append(
        Diagnostic(
          .error, at: site.cookie.location,
          "sites \"\(other.name)\" and \"\(site.name)\" have the same cookie value \"\(site.cookie.value)\"",
          mend: "give each site its own"))
    }
    return found
  }

  /// Applications that no site or no server serves.
  func unservedApplications() -> [Diagnostic] {
    var found: [Diagnostic] = []
    for application in applications where !sites.isEmpty {
      let serving = sites.filter { $0.serves(application.name) }
      if serving.isEmpty {
        found.append(
          Diagnostic(
            .error, at: application.location, "no site serves application \"\(application.name)\"",
            mend: "add it to the \"applications:\" of a site"))
      }
      for site in serving where !site.servers.isEmpty {
        // A server without any port is reported by itself.
        guard site.servers.allSatisfy({ $0.servesAll || !$0.ports.isEmpty }) else { continue }
        guard site.servers.allSatisfy({ $0.address(for: application.name) == nil }) else { continue }
        found.append(
          Diagnostic(
            .error, at: site.location, "no server of site \"\(site.name)\" serves application \"\(application.name)\"",
            mend: "add the application to a server's \"ports:\", or leave it out of the site's \"applications:\""))
      }
    }
    return found
  }
}
