extension NodePlan {
  /// With what the process itself does as its settings say, and the TLS of its monitor.
  func running(_ settings: Settings, monitorTLS: Located<ListenerTLSPlan>?) -> NodePlan {
    var plan = self
    plan.monitorTLS = monitorTLS?.value.at(name)
    plan.sources = settings.sources?.value ?? []
    plan.chroot = settings.chroot?.value
    plan.pidPath = settings.pidPath.map { named($0, name) }
    return plan
  }
}

extension NodePlan {
  /// The same with every path of a file that is read while the node runs changed: certificates and keys, authorities, keys of tickets and
  /// cookies, databases of places.
  public func mappingPaths<Failure>(_ change: (String) throws(Failure) -> String) throws(Failure) -> NodePlan {
    var plan = self
    for position in plan.listeners.indices {
      if let tls = plan.listeners[position].tls { plan.listeners[position].tls = try tls.mappingPaths(change) }
    }
    if let tls = plan.monitorTLS { plan.monitorTLS = try tls.mappingPaths(change) }
    for application in plan.applications.indices {
      for server in plan.applications[application].pool.servers.indices {
        var entry = plan.applications[application].pool.servers[server]
        entry.tls = try entry.tls.mapped(change)
        if let tls = entry.liveness?.tls { entry.liveness?.tls = try tls.mappingPaths(change) }
        if let tls = entry.admission?.tls { entry.admission?.tls = try tls.mappingPaths(change) }
        plan.applications[application].pool.servers[server] = entry
      }
      if let path = plan.applications[application].cookie?.signing?.keyPath {
        plan.applications[application].cookie?.signing?.keyPath = try change(path)
      }
    }
    if let path = plan.geo?.databasePath { plan.geo?.databasePath = try change(path) }
    return plan
  }
}

extension ServerTLSPlan? {
  fileprivate func mapped<Failure>(_ change: (String) throws(Failure) -> String) throws(Failure) -> ServerTLSPlan? {
    guard let plan = self else { return nil }
    return try plan.mappingPaths(change)
  }
}

extension ServerTLSPlan {
  fileprivate func mappingPaths<Failure>(_ change: (String) throws(Failure) -> String) throws(Failure) -> ServerTLSPlan
  {
    var plan = self
    if let path = authorityPath { plan.authorityPath = try change(path) }
    if let certificate { plan.certificate = try certificate.mappingPaths(change) }
    return plan
  }
}

extension ListenerTLSPlan {
  fileprivate func mappingPaths<Failure>(_ change: (String) throws(Failure) -> String) throws(Failure)
    -> ListenerTLSPlan
  {
    var plan = self
    for position in plan.certificates.indices {
      plan.certificates[position] = try plan.certificates[position].mappingPaths(change)
    }
    if let path = ticketKeyPath { plan.ticketKeyPath = try change(path) }
    if let path = clients?.authorityPath { plan.clients?.authorityPath = try change(path) }
    return plan
  }
}

extension CertificatePlan {
  fileprivate func mappingPaths<Failure>(_ change: (String) throws(Failure) -> String) throws(Failure)
    -> CertificatePlan
  {
    var plan = self
    plan.path = try change(path)
    if let path = keyPath { plan.keyPath = try change(path) }
    if let path = staplePath { plan.staplePath = try change(path) }
    return plan
  }
}
