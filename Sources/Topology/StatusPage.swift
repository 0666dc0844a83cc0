/// A secret that stands elsewhere: never in a topology file, which every node has and `show` prints.
public enum Secret: Sendable, Equatable {
  /// The first line of a file.
  case file(String)
  /// A variable of the environment.
  case environment(String)

  /// Where it stands, as the file has it: `file:PATH`, `env:NAME`.
  public var text: String {
    switch self {
    case .file(let path): "file:\(path)"
    case .environment(let name): "env:\(name)"
    }
  }
}

/// A page for people about one node and its servers, on a listener of its own (DESIGN: never reachable through the service port).
public struct StatusPagePlan: Sendable, Equatable {
  /// Where it is served.
  public var address: Address
  /// Its path.
  public var path: String
  /// Who may see it.
  public var user: String
  /// The user's password.
  public var password: Secret

  /// A page.
  public init(address: Address, path: String = StatusPageSettings.defaultPath, user: String, password: Secret) {
    self.address = address
    self.path = path
    self.user = user
    self.password = password
  }
}

extension NodePlan {
  /// Variables of the environment that hold secrets of the node: programs that it starts have no part in them.
  public var secretVariables: [String] {
    guard case .environment(let name)? = statusPage?.password else { return [] }
    return [name]
  }
}

/// A status page as the defaults of a tier or a node say; nil: as the layer below says.
public struct StatusPageSettings: Sendable, Equatable {
  /// Where it is served. Nil: the node has none.
  public var listen: Located<Address>?
  /// Its path.
  public var path: String?
  /// Who may see it.
  public var user: String?
  /// The user's password.
  public var password: Secret?

  /// The path where the file names none.
  public static let defaultPath = "/"

  /// Nothing set.
  public init() {}

  /// These settings above others.
  public func over(_ base: StatusPageSettings) -> StatusPageSettings {
    var result = base
    result.listen = listen ?? base.listen
    result.path = path ?? base.path
    result.user = user ?? base.user
    result.password = password ?? base.password
    return result
  }

  /// The page. Nil: there is none, or something is missing, which the check refuses.
  public var plan: StatusPagePlan? {
    guard let listen, let user, let password else { return nil }
    return StatusPagePlan(address: listen.value, path: path ?? Self.defaultPath, user: user, password: password)
  }
}

extension Topology {
  /// What is said of each node's status page, by its role's defaults and by itself.
  var statusPages: [(node: String, settings: StatusPageSettings)] {
    func page(_ name: String, _ own: Settings, _ role: NodeRole) -> (node: String, settings: StatusPageSettings) {
      (name, own.statusPage.over(defaults[role].statusPage))
    }
    return offices.map { page($0.name, $0.settings, .officeProxy) }
      + sites.flatMap { site in
        site.directors.map { page($0.name, $0.settings, .siteDirector) }
          + site.balancers.map { page($0.name, $0.settings, .siteBalancer) }
      } + relays.map { page($0.name, $0.settings, .relay) }
  }

  /// The status page of one node. Nil: it has none.
  func statusPage(of name: String) -> StatusPagePlan? {
    statusPages.first { $0.node == name }?.settings.plan
  }

  /// Pages that anybody could see, or nobody.
  func statusPageErrors() -> [Diagnostic] {
    statusPages.flatMap { node, page -> [Diagnostic] in
      guard let listen = page.listen else { return [] }
      return [("user", page.user == nil), ("password", page.password == nil)].compactMap { key, isMissing in
        guard isMissing else { return nil }
        return Diagnostic(
          .error, at: listen.location, "the status page of \"\(node)\" has no \(key)",
          mend:
            "write {listen: \"127.0.0.1:1936\", user: operator, password: \"file:/etc/geodirector/status.password\"}")
      }
    }
  }
}
