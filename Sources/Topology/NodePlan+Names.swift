extension NodePlan {
  /// Of a relay's plan: the application (pool) to which a name leads that a client's TLS asks for (SNI, RFC 6066 section 3), by its position:
  /// an exact name before a wildcard, the longer wildcard before the shorter, and the one without names for all that is left.
  ///
  /// - Parameter serverName: in any case, perhaps with a dot at the end; nil or empty: none is asked for.
  /// - Returns: nil when no pool is for it: such a connection is refused by the alert unrecognized_name.
  public func application(forServerName serverName: String?) -> Int? {
    let rest = applications.firstIndex { $0.hosts.isEmpty }
    guard var name = serverName?.lowercased(), !name.isEmpty else { return rest }
    if name.hasSuffix(".") { name.removeLast() }
    if let exact = applications.firstIndex(where: { $0.hosts.contains(name) }) { return exact }
    var found: (position: Int, length: Int)?
    for (position, application) in applications.enumerated() {
      for host in application.hosts where host.hasPrefix("*.") {
        let below = host.dropFirst()
        guard name.utf8.count > below.utf8.count, name.hasSuffix(below) else { continue }
        if below.utf8.count > found?.length ?? 0 { found = (position, below.utf8.count) }
      }
    }
    return found?.position ?? rest
  }
}
