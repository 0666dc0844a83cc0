import Topology

extension PlanView {
  struct Certificate: Encodable {
    var path: String
    var key, ocsp: String?

    init(_ plan: CertificatePlan) {
      path = plan.path
      key = plan.keyPath
      ocsp = plan.staplePath
    }
  }

  struct ListenerTLS: Encodable {
    var certificates: [Certificate]
    var minimum: String
    var isStrict, resumes: Bool
    var ticketKeys: String?
    var ticketRotationMilliseconds: Double
    var clientAuthority: String?
    var clientNames: [String]?

    init(_ plan: ListenerTLSPlan) {
      certificates = plan.certificates.map(Certificate.init)
      minimum = plan.minimum.rawValue
      isStrict = plan.isStrict
      resumes = plan.resumes
      ticketKeys = plan.ticketKeyPath
      ticketRotationMilliseconds = plan.ticketRotation.inMilliseconds
      clientAuthority = plan.clients?.authorityPath
      clientNames = plan.clients?.names
    }
  }

  struct ServerTLS: Encodable {
    var name, minimum: String
    var verifies: Bool
    var authority: String?
    var certificate: Certificate?

    init(_ plan: ServerTLSPlan) {
      name = plan.name
      minimum = plan.minimum.rawValue
      verifies = plan.verifies
      authority = plan.authorityPath
      certificate = plan.certificate.map(Certificate.init)
    }
  }
}

extension ListenerTLSPlan {
  /// What people read of it.
  var summary: String {
    var words = ["tls \(minimum.rawValue)+ with \(certificates.map(\.path).joined(separator: " "))"]
    if isStrict { words.append("strict") }
    if !resumes { words.append("no resumption") }
    if let clients {
      words.append(
        "clients of \(clients.authorityPath)"
          + (clients.names.isEmpty ? "" : ": " + clients.names.joined(separator: " ")))
    }
    return words.joined(separator: ", ")
  }
}

extension ServerTLSPlan {
  /// What people read of it.
  var summary: String {
    var words = ["tls \(minimum.rawValue)+ to \(name)"]
    words.append(verifies ? "verified by \(authorityPath ?? "the system's authorities")" : "not verified")
    if let certificate { words.append("shows \(certificate.path)") }
    return words.joined(separator: ", ")
  }
}
