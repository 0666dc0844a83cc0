/// TLS towards servers, as a tier or a node sets it.
public struct UpstreamTLSSettings: Sendable, Equatable {
  /// PEM file of the authorities trusted. Nil: the system's.
  public var authorityPath: String?
  /// Servers' certificates are checked.
  public var verifies: Located<Bool>?
  /// The oldest version spoken.
  public var minimum: TLSVersion?
  /// The certificate shown to servers that ask.
  public var certificate: CertificatePlan?

  /// Nothing set.
  public init() {}

  /// These settings above others.
  public func over(_ base: UpstreamTLSSettings) -> UpstreamTLSSettings {
    var result = base
    result.authorityPath = authorityPath ?? base.authorityPath
    result.verifies = verifies ?? base.verifies
    result.minimum = minimum ?? base.minimum
    result.certificate = certificate ?? base.certificate
    return result
  }
}

/// How one director, balancer or server is reached by TLS; what is nil is as the settings of who connects say.
public struct TargetTLSSettings: Sendable, Equatable {
  /// It is reached by TLS at all.
  public var isOn: Bool
  /// The name expected in its certificate. Nil: the host name of its address, else its name.
  public var name: String?
  /// PEM file of the authorities trusted.
  public var authorityPath: String?
  /// Its certificate is checked.
  public var verifies: Located<Bool>?
  /// The oldest version spoken.
  public var minimum: TLSVersion?

  /// Reached by TLS, or not.
  public init(isOn: Bool) { self.isOn = isOn }
}

extension UpstreamTLSSettings {
  /// The plan of connections from a node to a target.
  func plan(_ target: TargetTLSSettings, named name: String, at address: Address, from node: String) -> ServerTLSPlan {
    var expected = target.name ?? name
    if target.name == nil, case .host(let host, _) = address { expected = host }
    var plan = ServerTLSPlan(name: expected)
    plan.verifies = (target.verifies ?? verifies)?.value ?? true
    plan.authorityPath = target.authorityPath ?? authorityPath
    plan.minimum = target.minimum ?? minimum ?? .tls12
    plan.certificate = certificate?.at(node)
    return plan
  }
}

extension SiteNode {
  /// How those in front reach its service. Nil: without TLS.
  var targetTLS: TargetTLSSettings? {
    let derived = listen.first?.tls == nil ? nil : TargetTLSSettings(isOn: true)
    let settings = tls?.value ?? derived
    return settings?.isOn == true ? settings : nil
  }
}

extension CertificatePlan {
  /// The files of a node: `{node}` in paths is its name.
  public func at(_ node: String) -> CertificatePlan {
    CertificatePlan(
      path: named(path, node), keyPath: keyPath.map { named($0, node) }, staplePath: staplePath.map { named($0, node) })
  }
}

extension ListenerTLSPlan {
  /// The files of a node.
  func at(_ node: String) -> ListenerTLSPlan {
    var plan = self
    plan.certificates = certificates.map { $0.at(node) }
    plan.ticketKeyPath = ticketKeyPath.map { named($0, node) }
    return plan
  }
}

/// A path with the node's name in the place of `{node}`.
func named(_ path: String, _ node: String) -> String {
  var result = ""
  var rest = path[...]
  let mark = "{node}"
  while !rest.isEmpty {
    if rest.hasPrefix(mark) {
      result += node
      rest = rest.dropFirst(mark.count)
    } else {
      result.append(rest.removeFirst())
    }
  }
  return result
}
