import TLS
import Testing
import Topology

/// Who is let in, who is believed, and how failures are told.
@Suite struct HandshakeTests {
  /// A common name counts only where there is no other name, of whatever kind.
  @Test func aCommonNameBesideOtherNamesIsNotOnTheList() throws {
    let workshop = try Workshop()
    let certificate = try workshop.issue("1.pem", hosts: ["a.example"])
    let server = try workshop.server([certificate]) {
      $0.clients = ClientCertificatePlan(authorityPath: workshop.authorityPath, names: ["OP1"])
    }
    func failure(_ own: CertificatePlan) throws -> String? {
      exchange(try workshop.client("a.example") { $0.certificate = own }, server).serverFailure
    }
    #expect(try failure(workshop.issue("bare.pem", name: "OP1")) == nil)
    #expect(try failure(workshop.issue("named.pem", name: "x", hosts: ["OP1"])) == nil)
    let refused = "the certificate's name is not on the list"
    #expect(try failure(workshop.issue("other.pem", name: "OP1", hosts: ["evil.example"])) == refused)
    #expect(try failure(workshop.issue("address.pem", name: "OP1", addresses: ["192.0.2.1"])) == refused)
  }

  private static let failed = TLSFacts.protocolFailure

  @Test(arguments: [
    ("shop.example", "shop.example"), ("SHOP.example", "shop.example"), ("a.shop.example", "*.shop.example"),
    ("b.a.shop.example", "first.example"), ("mail.example", "mail.example"), ("unknown.example", "first.example"),
  ])
  func theCertificateIsChosenByName(asked: String, given: String) throws {
    let workshop = try Workshop()
    let server = try workshop.server([
      workshop.issue("1.pem", hosts: ["first.example"]),
      workshop.issue("2.pem", hosts: ["shop.example", "mail.example"]),
      workshop.issue("3.pem", hosts: ["*.shop.example"]),
    ])
    let client = try workshop.client(asked) { $0.verifies = false }
    let outcome = exchange(client, server)
    #expect(outcome.handshake == .done)
    #expect(outcome.serverName == asked)
    let expected = given == "mail.example" ? "shop.example" : given
    #expect(outcome.peerSeenByClient == expected)
    #expect(outcome.answer == "answer")
  }

  @Test func aStrictListenerRefusesNamesItHasNoCertificateFor() throws {
    let workshop = try Workshop()
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["shop.example"])]) { $0.isStrict = true }
    let stranger = exchange(try workshop.client("other.example"), server)
    #expect(stranger.handshake.client == Self.failed)
    #expect(stranger.clientFailure?.contains("unrecognized name") == true)
    #expect(stranger.serverFailure == "no certificate is for the name it asked for")
    #expect(stranger.refusal == .notCertified)
    #expect(exchange(try workshop.client("shop.example"), server).handshake == .done)
  }

  /// RFC 6066 section 3.
  @Test(arguments: TLSVersion.allCases)
  func whoAsksForWhatIsNotServedIsToldSo(version: TLSVersion) throws {
    let workshop = try Workshop()
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["*.example"])]) {
      $0.served = ["shop.example", "*.mail.example"]
    }
    func attempt(_ name: String) throws -> Outcome {
      exchange(
        try workshop.client(name) {
          $0.verifies = false
          $0.minimum = version
        }, server)
    }
    for name in ["shop.example", "SHOP.example", "a.mail.example", "b.a.mail.example"] {
      #expect(try attempt(name).handshake == .done, "\(name)")
    }
    // An address is asked for without a name.
    for name in ["other.example", "mail.example", "xmail.example", "a.shop.example", "127.0.0.1"] {
      let outcome = try attempt(name)
      #expect(outcome.handshake == Handshake(client: Self.failed, server: Self.failed), "\(name)")
      #expect(outcome.clientFailure?.contains("unrecognized name") == true, "\(outcome.clientFailure ?? "nothing")")
      #expect(outcome.refusal == .notServed)
      #expect(outcome.serverName == (name == "127.0.0.1" ? nil : name))
    }
  }

  @Test func aServerIsBelievedByItsNameOnly() throws {
    let workshop = try Workshop()
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["shop.example"], addresses: ["127.0.0.1"])])
    #expect(exchange(try workshop.client("shop.example"), server).handshake == .done)
    #expect(exchange(try workshop.client("127.0.0.1"), server).handshake == .done)
    for other in ["evil.example", "127.0.0.2", "::1"] {
      let outcome = exchange(try workshop.client(other), server)
      #expect(outcome.handshake.client == Self.failed)
      #expect(outcome.clientFailure?.contains("mismatch") == true, "\(outcome.clientFailure ?? "nothing")")
      #expect(outcome.serverFailure != nil)
    }
  }

  @Test func aServerOfAnotherAuthorityIsRefused() throws {
    let workshop = try Workshop()
    let stranger = try Workshop(authority: "someone else")
    let server = try stranger.server([stranger.issue("1.pem", hosts: ["shop.example"])])
    let outcome = exchange(try workshop.client("shop.example"), server)
    #expect(outcome.handshake.client == Self.failed)
    #expect(outcome.clientFailure?.contains("unable to get local issuer certificate") == true)
    #expect(exchange(try workshop.client("shop.example") { $0.verifies = false }, server).handshake == .done)
  }

  @Test func aServerWhoseCertificateIsOverIsRefused() throws {
    let workshop = try Workshop()
    let plan = try workshop.issue("1.pem", hosts: ["shop.example"], until: workshop.now - 60)
    // The server's clock goes behind: it does not know.
    var listener = ListenerTLSPlan(certificates: [plan])
    listener.minimum = .tls13
    let server = try ListenerTLS(listener, now: workshop.now - 3_600, clock: .zero)
    let outcome = exchange(try workshop.client("shop.example"), server)
    #expect(outcome.handshake.client == Self.failed)
    #expect(outcome.clientFailure == "certificate has expired")
  }

  @Test(arguments: TLSVersion.allCases)
  func aClientIsLetInByItsCertificate(version: TLSVersion) throws {
    let workshop = try Workshop()
    let stranger = try Workshop(authority: "someone else")
    let own = try workshop.issue("1.pem", hosts: ["sd1.example"])
    let server = try workshop.server([own]) {
      $0.clients = ClientCertificatePlan(
        authorityPath: workshop.authorityPath, names: ["OP1", "*.offices.example"])
      $0.minimum = version
    }
    func attempt(_ certificate: CertificatePlan?) throws -> Outcome {
      exchange(try workshop.client("sd1.example") { $0.certificate = certificate }, server)
    }
    for (file, host) in [("op1.pem", "OP1"), ("op2.pem", "a.offices.example")] {
      let outcome = try attempt(workshop.issue(file, hosts: [host]))
      #expect(outcome.handshake == .done)
      #expect(outcome.peerSeenByServer == host.lowercased())
    }
    let refused: [(String, CertificatePlan?, String)] = [
      ("none", nil, "peer did not return a certificate"),
      ("another name", try workshop.issue("op3.pem", hosts: ["OP3"]), "the certificate's name is not on the list"),
      ("below a name", try workshop.issue("op4.pem", hosts: ["x.a.offices.example"]), "not on the list"),
      ("a wildcard of its own", try workshop.issue("op5.pem", hosts: ["*.example"]), "not on the list"),
      ("another authority", try stranger.issue("op1.pem", hosts: ["OP1"]), "unable to get local issuer certificate"),
    ]
    for (what, certificate, reason) in refused {
      let outcome = try attempt(certificate)
      #expect(outcome.handshake.server == Self.failed, "\(what)")
      #expect(outcome.handshake.client == Self.failed, "\(what)")
      #expect(outcome.serverFailure?.contains(reason) == true, "\(what): \(outcome.serverFailure ?? "nothing")")
      #expect(outcome.answer == nil)
    }
  }

  @Test func anExpiredClientIsRefused() throws {
    let workshop = try Workshop()
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["sd1.example"])]) {
      $0.clients = ClientCertificatePlan(authorityPath: workshop.authorityPath)
    }
    let old = try workshop.issue("op1.pem", hosts: ["OP1"], until: workshop.now - 60)
    var plan = ServerTLSPlan(name: "sd1.example")
    plan.authorityPath = workshop.authorityPath
    plan.certificate = old
    let client = try ServerTLS(plan, now: workshop.now - 3_600)
    let outcome = exchange(client, server)
    #expect(outcome.handshake.server == Self.failed)
    #expect(outcome.serverFailure == "certificate has expired")
  }

  @Test func theOldestVersionSpokenIsTheMinimum() throws {
    let workshop = try Workshop()
    let certificate = try workshop.issue("1.pem", hosts: ["shop.example"])
    let server = try workshop.server([certificate]) { $0.minimum = .tls13 }
    #expect(exchange(try workshop.client("shop.example"), server).version == "TLSv1.3")
  }

  @Test func facts() throws {
    let workshop = try Workshop()
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["shop.example"])])
    let wire = Wire()
    let near = try opened(workshop.client("shop.example"), wire.client)
    let far = try opened(server, wire.server)
    #expect(far.facts.version == nil)
    #expect(far.facts.cipher == nil)
    #expect(!far.facts.isEstablished)
    #expect(handshake(near, far) == .done)
    #expect(far.facts.isEstablished)
    #expect(far.facts.applicationProtocol == "http/1.1")
    #expect(far.facts.cipher == near.facts.cipher)
    #expect(far.facts.cipher?.hasPrefix("TLS_") == true)
    #expect(far.facts.peerName == nil)
    #expect(far.facts.failure == nil)
    #expect(near.facts.peerCommonName == "shop.example")
  }
}
