import Foundation
import TLS
import Testing
import Topology

/// Files that cannot be used, and files that change.
@Suite struct FilesTests {
  private func error(_ body: () throws -> Void) -> TLSError? {
    do {
      try body()
      return nil
    } catch { return error as? TLSError }
  }

  @Test func everyMistakeHasItsOwnErrorWithTheFileAndTheMend() throws {
    let workshop = try Workshop()
    let good = try workshop.issue("good.pem", hosts: ["a.example"])
    let other = try workshop.issue("other.pem", hosts: ["b.example"])
    func parts(_ plan: CertificatePlan) throws -> (certificate: String, key: String) {
      let text = try String(contentsOfFile: plan.path, encoding: .utf8)
      let range = try #require(text.range(of: "-----BEGIN PRIVATE KEY-----"))
      return (String(text[..<range.lowerBound]), String(text[range.lowerBound...]))
    }
    let (first, second) = (try parts(good), try parts(other))
    let empty = workshop.folder + "empty"
    try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: true)
    let locked = """
      -----BEGIN ENCRYPTED PRIVATE KEY-----
      MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhc2QrQw0Zr6AICCAAw
      DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEOZ0p0QmYJ7p1j0cQnP1R1oEgZCo
      -----END ENCRYPTED PRIVATE KEY-----

      """
    let path = { (name: String) in workshop.folder + name }
    let missing = CertificatePlan(path: path("nowhere.pem"))
    let keyMissing = CertificatePlan(path: good.path, keyPath: path("nowhere.key"))
    let cases: [(CertificatePlan, TLSError)] = [
      (missing, .unreadable(path: missing.path, reason: "No such file or directory")),
      (keyMissing, .unreadable(path: path("nowhere.key"), reason: "No such file or directory")),
      (.init(path: try workshop.write("text.pem", "hello\n")), .noCertificate(path: path("text.pem"))),
      (.init(path: try workshop.write("keyonly.pem", first.key)), .noCertificate(path: path("keyonly.pem"))),
      (.init(path: try workshop.write("certonly.pem", first.certificate)), .noKey(path: path("certonly.pem"))),
      (
        .init(path: try workshop.write("torn.pem", String(first.certificate.dropLast(200)) + first.key)),
        .badCertificate(path: path("torn.pem"))
      ),
      (
        .init(
          path: try workshop.write("badkey.pem", first.certificate + first.key.replacingOccurrences(of: "M", with: "N"))
        ),
        .badKey(path: path("badkey.pem"))
      ),
      (
        .init(path: try workshop.write("wrong.pem", first.certificate + second.key)),
        .keyMismatch(certificate: path("wrong.pem"), key: path("wrong.pem"))
      ),
      (
        .init(path: good.path, keyPath: other.path), .keyMismatch(certificate: good.path, key: other.path)
      ),
      (
        .init(path: try workshop.write("locked.pem", first.certificate + locked)),
        .encryptedKey(path: path("locked.pem"))
      ),
      (.init(path: empty), .emptyFolder(path: empty)),
    ]
    for (plan, expected) in cases {
      let found = error { _ = try workshop.server([plan]) }
      #expect(found == expected)
      #expect("\(expected)".contains(workshop.folder))
    }
    #expect(error { _ = try workshop.server([]) } == .noCertificates)
    let unread = error {
      _ = try workshop.server([good]) { $0.clients = ClientCertificatePlan(authorityPath: path("no-ca.pem")) }
    }
    #expect(unread == .unreadable(path: path("no-ca.pem"), reason: "No such file or directory"))
    let keyAsAuthority = try workshop.write("key-as-ca.pem", first.key)
    #expect(
      error { _ = try workshop.client("a.example") { $0.authorityPath = keyAsAuthority } }
        == .noCertificate(path: keyAsAuthority))
  }

  @Test func datesAreTold() {
    let days: [(Int64, String)] = [
      (0, "1970-01-01"), (951_782_400, "2000-02-29"), (1_709_164_800, "2024-02-29"), (1_735_689_599, "2024-12-31"),
      (4_107_542_399, "2100-02-28"), (4_107_542_400, "2100-03-01"),
    ]
    for (seconds, day) in days {
      #expect("\(TLSError.expired(path: "x", since: seconds))" == "the certificate in x expired on \(day); renew it")
    }
  }

  @Test func keysThatOthersCanReadAreRefused() throws {
    let workshop = try Workshop()
    let plan = try workshop.issue("1.pem", hosts: ["a.example"])
    let server = try workshop.server([plan])
    let client = try workshop.client("a.example") { $0.certificate = plan }
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: plan.path)
    let expected = TLSError.readableByAll(path: plan.path)
    #expect(error { _ = try workshop.server([plan]) } == expected)
    #expect(error { _ = try workshop.client("a.example") { $0.certificate = plan } } == expected)
    #expect("\(expected)".contains("chmod 600 \(plan.path)"))
    // What was read before goes on to be used, and is read again when it is closed to others.
    #expect(server.reload(now: workshop.now, clock: .zero) == .failed(expected))
    #expect(client.reload(now: workshop.now) == .failed(expected))
    #expect(exchange(client, server).handshake == .done)
    try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: plan.path)
    #expect(server.reload(now: workshop.now, clock: .zero) == .reloaded(warnings: []))
    #expect(client.reload(now: workshop.now) == .reloaded(warnings: []))
  }

  @Test func aCertificateBesideItsKeyMayBeReadByAll() throws {
    let workshop = try Workshop()
    let plan = try workshop.issue("whole.pem", hosts: ["a.example"])
    let text = try String(contentsOfFile: plan.path, encoding: .utf8)
    let range = try #require(text.range(of: "-----BEGIN PRIVATE KEY-----"))
    try workshop.write("x.pem", String(text[..<range.lowerBound]), mode: 0o644)
    try workshop.write("x.key", String(text[range.lowerBound...]))
    #expect(try workshop.server([CertificatePlan(path: workshop.folder + "x.pem")]).context.warnings == [])
  }

  @Test func certificatesThatEndSoonAreWarnedOf() throws {
    let workshop = try Workshop()
    let end = workshop.now + 3_600
    let soon = try workshop.issue("2.pem", hosts: ["a.example"], until: end)
    #expect(try workshop.server([soon]).context.warnings == [.expiresSoon(path: soon.path, at: end)])
  }

  @Test func aCertificateOutOfItsTimeIsShownFromTheStartAndChangesNothingLater() throws {
    let workshop = try Workshop()
    let over = workshop.now - 60
    let old = try workshop.issue("old.pem", hosts: ["a.example"], until: over)
    let early = try workshop.issue("early.pem", hosts: ["b.example"], from: workshop.now + 600)
    let server = try workshop.server([old, early])
    #expect(
      server.context.warnings == [
        .expired(path: old.path, since: over), .notYetValid(path: early.path, from: workshop.now + 600),
      ])
    #expect(server.context.warnings.allSatisfy { $0.isGrave })
    // One of them is mended; the other one, unchanged, is in nobody's way.
    try workshop.issue("early.pem", hosts: ["b.example"])
    #expect(
      server.reload(now: workshop.now, clock: .zero) == .reloaded(warnings: [.expired(path: old.path, since: over)]))
    // A good one is not given up for one that is over, nor one that is over for another.
    try workshop.issue("early.pem", hosts: ["b.example"], until: over)
    #expect(
      server.reload(now: workshop.now, clock: .zero) == .failed(.expired(path: early.path, since: over)))
    #expect(exchange(try workshop.client("b.example"), server).handshake == .done)
    try workshop.issue("early.pem", hosts: ["b.example"])
    try workshop.issue("old.pem", hosts: ["a.example"], until: over - 60)
    #expect(
      server.reload(now: workshop.now, clock: .zero)
        == .reloaded(warnings: [
          .staysAsItWas(.expired(path: old.path, since: over - 60)), .expired(path: old.path, since: over),
        ]))
    try workshop.issue("old.pem", hosts: ["a.example"])
    #expect(server.reload(now: workshop.now, clock: .zero) == .reloaded(warnings: []))
  }

  @Test(.enabled(if: OpenSSLCommand.isThere))
  func aResponseThatCannotBeStapledHasItsErrorAndIsInNobodysWay() throws {
    let workshop = try Workshop()
    let certificate = try workshop.issue("1.pem", hosts: ["a.example"])
    try workshop.issue("2.pem", hosts: ["b.example"])
    let good = try workshop.staple("1.pem")
    let path = try workshop.write("1.pem.ocsp", good)
    let server = try workshop.server([certificate])
    #expect(server.context.warnings == [] && server.context.validities.map(\.subject) == [.certificate, .staple])
    let cases: [(Data, String)] = [
      (Data("<html>502</html>".utf8), "it is no OCSP response in DER"), (Data(), "it is no OCSP response in DER"),
      (good.dropLast(40), "it is no OCSP response in DER"), (good + Data([0]), "it is no OCSP response in DER"),
      // RFC 6960 section 4.2.1: try later.
      (Data([0x30, 3, 10, 1, 3]), "the responder had no answer"),
      (try workshop.staple("2.pem"), "it says nothing of the certificate in \(certificate.path)"),
      (try workshop.staple("1.pem", status: "R"), "it says that the certificate in \(certificate.path) is revoked"),
      (try workshop.staple("1.pem", status: ""), "its responder does not know the certificate in \(certificate.path)"),
    ]
    for (bytes, reason) in cases {
      try workshop.write("1.pem.ocsp", bytes)
      let expected = TLSError.badStaple(path: path, reason: reason)
      #expect(server.reload(now: workshop.now, clock: .zero) == .failed(expected))
      // A node that does not come back as nobody could fetch a new one would serve nobody.
      let started = try workshop.server([certificate])
      #expect(started.context.warnings == [.leftOut(expected)] && started.context.validities.count == 1)
      #expect(exchange(try workshop.client("a.example"), started).handshake == .done)
      #expect("\(expected)".contains("openssl ocsp"))
      #expect(exchange(try workshop.client("a.example"), server).handshake == .done)
    }
    try workshop.write("1.pem.ocsp", good)
    #expect(server.reload(now: workshop.now, clock: .zero) == .reloaded(warnings: []))
    // A new certificate does not wait for its response: that of the former one says nothing of it.
    try workshop.issue("1.pem", hosts: ["a.example", "new.example"])
    let other = TLSError.badStaple(path: path, reason: "it says nothing of the certificate in \(certificate.path)")
    #expect(server.reload(now: workshop.now, clock: .zero) == .reloaded(warnings: [.leftOut(other)]))
    #expect(exchange(try workshop.client("new.example"), server).handshake == .done)
    #expect(server.reload(now: workshop.now, clock: .zero) == .unchanged)
    try workshop.write("1.pem.ocsp", workshop.staple("1.pem"))
    #expect(server.reload(now: workshop.now, clock: .zero) == .reloaded(warnings: []))
    #expect(server.context.validities.map(\.subject) == [.certificate, .staple])
  }

  @Test(.enabled(if: OpenSSLCommand.isThere))
  func aResponseThatIsOverIsLeftOutFromTheStartAndTakesNoOthersPlace() throws {
    let workshop = try Workshop()
    let certificate = try workshop.issue("1.pem", hosts: ["a.example"])
    let good = try workshop.staple("1.pem")
    let path = try workshop.write("1.pem.ocsp", good)
    let server = try workshop.server([certificate])
    let over = try workshop.staple("1.pem", minutes: 1)
    let later = workshop.now + 600
    try workshop.write("1.pem.ocsp", over)
    guard case .failed(.staleStaple(path, let since)) = server.reload(now: later, clock: .zero) else {
      Issue.record("it was taken")
      return
    }
    let warning = TLSWarning.staleStaple(path: path, since: since)
    let plan = ListenerTLSPlan(certificates: [certificate, try workshop.issue("2.pem", hosts: ["b.example"])])
    let started = try ListenerTLS(plan, now: later, clock: .zero)
    #expect(started.context.warnings == [warning])
    // It is in nobody's way.
    try workshop.issue("2.pem", hosts: ["b.example", "c.example"])
    #expect(started.reload(now: later, clock: .zero) == .reloaded(warnings: [warning]))
    #expect(started.context.names.contains("c.example"))
  }

  @Test func ourOwnCertificateOutOfItsTimeIsShownToServersAndWarnedOf() throws {
    let workshop = try Workshop()
    let old = try workshop.issue("old.pem", hosts: ["a.example"], until: workshop.now - 60)
    let client = try workshop.client("b.example") { $0.certificate = old }
    #expect(client.context.warnings == [.expired(path: old.path, since: workshop.now - 60)])
  }

  @Test(
    arguments: [
      (-1, 40, false), (-1, 15, false), (-60, 13, true), (-40, 13, true), (-30, -1, true), (1, 40, true),
      // Of a short-lived one the last third is soon.
      (-6, 4, false), (-7, 2, true),
    ] as [(Int64, Int64, Bool)])
  func datesAreDoubtfulWithinTwoWeeksOfTheEndOrTheLastThird(from: Int64, until: Int64, isDoubtful: Bool) {
    let day: Int64 = 86_400
    let now: Int64 = 1_800_000_000
    let validity = CertificateValidity(path: "x.pem", begin: now + from * day, end: now + until * day)
    #expect((validity.warning(now: now) != nil) == isDoubtful)
  }

  @Test func anAuthorityIsAsGoodAsTheLastOfItsFile() throws {
    let day = Workshop.day
    let (old, young) = (try Workshop(), try Workshop(authority: "next"))
    let now = old.now
    for (name, until, expected) in [
      ("long", 30 * day, nil), ("soon", day / 4, TLSWarning.authorityEnds(path: "", at: now + day / 4, isOver: false)),
      ("over", -60, .authorityEnds(path: "", at: now - 60, isOver: true)),
    ] as [(String, Int64, TLSWarning?)] {
      let workshop = try Workshop(authority: name, until: now + until)
      func named(_ warning: TLSWarning?) -> TLSWarning? {
        guard case .authorityEnds(_, let end, let isOver)? = warning else { return warning }
        return .authorityEnds(path: workshop.authorityPath, at: end, isOver: isOver)
      }
      let server = try workshop.server([old.issue("1.pem", hosts: ["a.example"])]) {
        $0.clients = ClientCertificatePlan(authorityPath: workshop.authorityPath, names: [])
      }
      #expect(server.context.authority?.warning(now: now) == named(expected))
      #expect(try workshop.client("a.example").context.authority?.warning(now: now) == named(expected))
      #expect(named(expected)?.isGrave != true || name == "over")
      // The next one stands beside it already.
      let text = try String(contentsOfFile: workshop.authorityPath, encoding: .utf8)
      try workshop.write("ca.pem", text + String(contentsOfFile: young.authorityPath, encoding: .utf8))
      #expect(CertificateValidity.warnings(authorities: [workshop.authorityPath, "/nowhere"], now: now).isEmpty)
    }
  }

  @Test func datesOfFilesThatAreNotThereAreNoMatter() throws {
    let workshop = try Workshop()
    let old = try workshop.issue("old.pem", hosts: ["a.example"], until: workshop.now - 60)
    let plans = [
      CertificatePlan(path: workshop.folder + "nowhere.pem"), old, try workshop.issue("good.pem", hosts: ["b.example"]),
    ]
    #expect(
      CertificateValidity.warnings(plans, now: workshop.now) == [.expired(path: old.path, since: workshop.now - 60)])
  }

  @Test func aDoubtIsToldOnceADayAndANewOneAtOnce() {
    var watch = DateWatch()
    let soon = TLSWarning.expiresSoon(path: "x", at: 1_800_000_000)
    let over = TLSWarning.expired(path: "x", since: 1_800_000_000)
    #expect(watch.due([soon, soon], clock: .seconds(5)) == [soon])
    #expect(watch.due([soon], clock: .seconds(86_404)) == [])
    #expect(watch.due([soon], clock: .seconds(86_405)) == [soon])
    #expect(watch.due([over], clock: .seconds(86_406)) == [over])
    #expect(watch.due([], clock: .seconds(86_407)) == [])
    #expect(watch.due([soon, over], clock: .seconds(2 * 86_400)) == [])
    #expect(watch.due([soon, over], clock: .seconds(2 * 86_400 + 6)) == [soon, over])
  }

  @Test func aFolderIsEveryCertificateInIt() throws {
    let workshop = try Workshop()
    let folder = workshop.folder + "certificates"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try workshop.issue("certificates/b.pem", hosts: ["b.example"])
    try workshop.issue("certificates/a.pem", hosts: ["a.example"])
    try workshop.write("certificates/notes.txt", "not a certificate")
    let server = try workshop.server([CertificatePlan(path: folder)])
    #expect(server.context.names == ["a.example", "b.example"])
    #expect(exchange(try workshop.client("b.example"), server).handshake == .done)
    try workshop.issue("certificates/c.pem", hosts: ["c.example"])
    #expect(server.reload(now: workshop.now, clock: .zero) == .reloaded(warnings: []))
    #expect(exchange(try workshop.client("c.example"), server).handshake == .done)
  }

  @Test func aBrokenFileOfAFolderKeepsNoOtherFromBeingRenewed() throws {
    let workshop = try Workshop()
    let folder = workshop.folder + "certificates"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for name in ["a", "b"] { try workshop.issue("certificates/\(name).pem", hosts: ["\(name).example"]) }
    let server = try workshop.server([CertificatePlan(path: folder)])
    func reload() -> ReloadOutcome { server.reload(now: workshop.now, clock: .zero) }
    func isServed(_ name: String) throws -> Bool {
      exchange(try workshop.client(name), server).handshake == .done
    }
    // Half written, while the other is new.
    try workshop.write("certificates/a.pem", "-----BEGIN CERT")
    try workshop.issue("certificates/b.pem", hosts: ["b.example", "c.example"])
    let broken = TLSError.noCertificate(path: folder + "/a.pem")
    #expect(reload() == .reloaded(warnings: [.staysAsItWas(broken)]))
    #expect(try isServed("a.example") && isServed("b.example") && isServed("c.example"))
    #expect(reload() == .unchanged)
    // One that was never there has nothing to stay with.
    try workshop.write("certificates/d.pem", "x")
    let strange = TLSError.noCertificate(path: folder + "/d.pem")
    #expect(reload() == .failed(.several([broken, strange])))
    try workshop.issue("certificates/a.pem", hosts: ["a.example", "e.example"])
    #expect(reload() == .reloaded(warnings: [.leftOut(strange)]))
    #expect(try isServed("e.example") && isServed("c.example"))
    try FileManager.default.removeItem(atPath: folder + "/d.pem")
    #expect(reload() == .reloaded(warnings: []))
    // Who starts with one is told.
    try workshop.write("certificates/d.pem", "x")
    #expect(error { _ = try workshop.server([CertificatePlan(path: folder)]) } == strange)
  }

  @Test func aBrokenCertificateKeepsNoAuthorityIn() throws {
    let (workshop, stranger) = (try Workshop(), try Workshop(authority: "another"))
    let own = try String(contentsOfFile: workshop.authorityPath, encoding: .utf8)
    let both = own + (try String(contentsOfFile: stranger.authorityPath, encoding: .utf8))
    let authorities = try workshop.write("both.pem", both)
    let certificate = try workshop.issue("1.pem", hosts: ["a.example"])
    let server = try workshop.server([certificate]) {
      $0.clients = ClientCertificatePlan(authorityPath: authorities, names: [])
    }
    let office = try workshop.issue("2.pem", name: "OP1")
    let client = try workshop.client("a.example") {
      $0.authorityPath = authorities
      $0.certificate = office
    }
    // What is shown is broken on both sides, and in the same moment nobody of the other authority is to be believed any more.
    for name in ["1.pem", "2.pem"] { try workshop.write(name, "broken\n") }
    try workshop.write("both.pem", own)
    let (first, second) = (TLSError.noCertificate(path: certificate.path), TLSError.noCertificate(path: office.path))
    #expect(server.reload(now: workshop.now, clock: .zero) == .reloaded(warnings: [.staysAsItWas(first)]))
    #expect(client.reload(now: workshop.now) == .reloaded(warnings: [.staysAsItWas(second)]))
    #expect(server.trustGeneration == 1 && client.trustGeneration == 1)
    #expect(exchange(client, server).handshake == .done)
    #expect(server.reload(now: workshop.now, clock: .zero) == .unchanged)
  }

  @Test func allBrokenFilesAreNamed() throws {
    let workshop = try Workshop()
    let plans = try ["1", "2", "3"].map { try workshop.issue("\($0).pem", hosts: ["\($0).example"]) }
    let server = try workshop.server(plans)
    for plan in plans.prefix(2) { try Data("broken".utf8).write(to: URL(fileURLWithPath: plan.path)) }
    guard case .failed(let error) = server.reload(now: workshop.now, clock: .zero) else {
      Issue.record("they were taken")
      return
    }
    #expect(plans.map { "\(error)".contains($0.path) } == [true, true, false])
  }

  @Test func aCertificateThatIsNotGoodYetIsTakenWhenItIs() throws {
    let workshop = try Workshop()
    let now = workshop.now
    let plan = try workshop.issue("1.pem", hosts: ["a.example"])
    let server = try workshop.server([plan])
    try workshop.issue("1.pem", hosts: ["b.example"], from: now + 30)
    #expect(server.reload(now: now, clock: .zero) == .failed(.notYetValid(path: plan.path, from: now + 30)))
    for second in [now + 1, now + 29] { #expect(server.reload(now: second, clock: .zero) == .unchanged) }
    #expect(server.reload(now: now + 30, clock: .zero) == .reloaded(warnings: []))
    #expect(server.context.names == ["b.example"])
    // What fails for another reason is tried again each minute, and told once.
    try workshop.write("1.pem", "broken")
    #expect(server.reload(now: now + 40, clock: .zero) == .failed(.noCertificate(path: plan.path)))
    for second in [now + 99, now + 100, now + 160] { #expect(server.reload(now: second, clock: .zero) == .unchanged) }
  }

  @Test func aKeyMayStandBesideItsCertificate() throws {
    let workshop = try Workshop()
    let plan = try workshop.issue("whole.pem", hosts: ["a.example"])
    let text = try String(contentsOfFile: plan.path, encoding: .utf8)
    let range = try #require(text.range(of: "-----BEGIN PRIVATE KEY-----"))
    for (certificate, key) in [("x.pem", "x.key"), ("y.pem", "y.pem.key")] {
      try workshop.write(certificate, String(text[..<range.lowerBound]))
      try workshop.write(key, String(text[range.lowerBound...]))
      let server = try workshop.server([CertificatePlan(path: workshop.folder + certificate)])
      #expect(exchange(try workshop.client("a.example"), server).handshake == .done)
    }
  }

  @Test func changedFilesAreLoadedAndBrokenOnesChangeNothing() throws {
    let workshop = try Workshop()
    let plan = try workshop.issue("1.pem", hosts: ["a.example"])
    let server = try workshop.server([plan])
    func reload(force: Bool = false) -> ReloadOutcome { server.reload(force: force, now: workshop.now, clock: .zero) }
    #expect(reload() == .unchanged)
    #expect(reload(force: true) == .reloaded(warnings: []))

    let before = server.context
    try workshop.write("1.pem", "not a certificate\n")
    #expect(reload() == .failed(.noCertificate(path: plan.path)))
    // Told once, not every few seconds.
    #expect(reload() == .unchanged)
    #expect(server.context === before)
    #expect(exchange(try workshop.client("a.example"), server).handshake == .done)

    // A connection of the old files outlives them.
    let wire = Wire()
    let near = try opened(workshop.client("a.example"), wire.client)
    let far = try opened(server, wire.server)
    try workshop.issue("1.pem", hosts: ["b.example"])
    #expect(reload() == .reloaded(warnings: []))
    #expect(handshake(near, far) == .done)
    #expect(near.facts.peerName == "a.example")
    #expect(exchange(try workshop.client("b.example"), server).handshake == .done)
    #expect(exchange(try workshop.client("a.example"), server).handshake.client == TLSFacts.protocolFailure)
  }

  @Test func aClientsFilesAreLoadedAgainToo() throws {
    let workshop = try Workshop()
    let stranger = try Workshop(authority: "another")
    let server = try stranger.server([stranger.issue("1.pem", hosts: ["a.example"])])
    let client = try workshop.client("a.example")
    #expect(exchange(client, server).handshake.client == TLSFacts.protocolFailure)
    #expect(client.reload(now: workshop.now) == .unchanged)
    try workshop.write("ca.pem", "broken")
    #expect(client.reload(now: workshop.now) == .failed(.noCertificate(path: workshop.authorityPath)))
    #expect(client.reload(now: workshop.now) == .unchanged)
    try workshop.write("ca.pem", String(contentsOfFile: stranger.authorityPath, encoding: .utf8))
    #expect(client.reload(now: workshop.now) == .reloaded(warnings: []))
    #expect(exchange(client, server).handshake == .done)
  }
}
