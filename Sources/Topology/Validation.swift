extension Topology {
  /// Everything wrong or doubtful about the network, in no particular order; empty: nothing.
  ///
  /// - Parameter readCleanly: the file was read without an error. Otherwise checks that could only repeat what the reader
  ///   said (something missing because it was unreadable) are left out, as are warnings.
  public func validate(readCleanly: Bool = true) -> [Diagnostic] {
    var found = namesTwice() + unknownNames() + addressesTwice() + openedCommandSockets()
    found += applicationConflicts() + siteCookiesTwice()
    found += wildcardsWithoutAddress() + scenarioErrors() + geoErrors() + sharedAddressErrors()
    found += adminErrors() + tlsConflicts() + relayErrors() + protocolErrors() + processErrors()
    if readCleanly {
      found += relaysWithoutServers() + incompleteSites() + unservedApplications() + geoMissing() + statusPageErrors()
    }
    if readCleanly, !found.contains(where: { $0.severity == .error }) { found += warnings() }
    return found
  }
}
