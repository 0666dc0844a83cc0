/// A web application that the network serves.
public struct Application: Sendable, Equatable {
  /// Dense, in declaration order.
  public var id: Int
  /// The name.
  public var name: String
  /// Host names that choose it, lower case; none: it takes what no other takes.
  public var hosts: [Located<String>]
  /// The cookie that names the site. Nil: users are not bound to a site.
  public var siteCookie: CookieSettings?
  /// The cookie that names the server. Nil: users are not bound to a server.
  public var sessionCookie: CookieSettings?
  /// http checks use TLS. Nil: those of servers that are reached by TLS do.
  public var checkUsesTLS: Bool?
  /// How its servers are checked.
  public var check: ApplicationCheck
  /// After how much inactivity the application forgets a session; used to check the cookie's limits.
  public var sessionTimeout: Duration?
  /// Timeouts of this application at every node.
  public var timeouts: TimeoutSettings
  /// Where it is declared.
  public var location: SourceLocation

  /// An application with the default cookies, checked by connecting.
  public init(id: Int, name: String, location: SourceLocation = .none) {
    self.id = id
    self.name = name
    hosts = []
    siteCookie = .defaultSite
    sessionCookie = .defaultSession
    check = .tcp
    timeouts = TimeoutSettings()
    self.location = location
  }
}

/// How an application's servers are checked.
public enum ApplicationCheck: Sendable, Equatable {
  /// A connection is opened and closed.
  case tcp
  /// A request is sent and the status compared.
  case http(HTTPCheckPlan)
  /// A TLS handshake is begun.
  case tlsHello
}

/// A cookie as an application declares it.
public struct CookieSettings: Sendable, Equatable {
  /// What nodes do with it: `plan.mode` is the mode of the tier that writes it.
  public var plan: CookiePlan
  /// Where the name stands.
  public var location: SourceLocation

  /// A cookie.
  public init(plan: CookiePlan, location: SourceLocation = .none) {
    self.plan = plan
    self.location = location
  }

  /// `SITE`, inserted by directors.
  public static let defaultSite = CookieSettings(plan: .init(name: "SITE", mode: .insert))
  /// `SERVERID`, inserted by balancers: works with every application.
  public static let defaultSession = CookieSettings(plan: .init(name: "SERVERID", mode: .insert))
}

extension CookiePlan {
  /// A cookie with the defaults of its mode.
  public init(name: String, mode: Mode) {
    self.init(
      name: name, mode: mode, indirect: mode == .insert, noCache: mode != .passive, preserve: false, httpOnly: false,
      secure: false, sameSite: nil, domain: nil, path: mode == .insert ? "/" : nil, maxIdle: nil, maxLife: nil)
  }
}

extension HTTPCheckPlan {
  /// The check that `check: http` stands for: `HEAD / HTTP/1.1`, any status of 2xx or 3xx.
  public static let standard = HTTPCheckPlan(
    method: "HEAD", path: "/", version: "1.1", host: nil, expectedStatus: [200...399])
}
