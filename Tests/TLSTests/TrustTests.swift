import FoundationEssentials
import TLS
import Testing
import Topology

/// Connections that are open when authorities change.
@Suite struct TrustTests {
  private func bundle(_ workshop: Workshop, _ authorities: [Workshop]) throws -> String {
    let texts = try authorities.map { try String(contentsOfFile: $0.authorityPath, encoding: .utf8) }
    return try workshop.write("bundle.pem", texts.joined())
  }

  @Test(arguments: TLSVersion.allCases)
  func clientsOfAnAuthorityThatIsNoMoreAreNotTrusted(version: TLSVersion) throws {
    let (workshop, other) = (try Workshop(), try Workshop(authority: "another"))
    let path = try bundle(workshop, [workshop, other])
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["sd1.example"])]) {
      $0.clients = ClientCertificatePlan(authorityPath: path, names: ["OP1", "OP2"])
    }
    let wires = (Wire(), Wire())
    func opened(_ own: CertificatePlan, _ wire: Wire) throws -> TLSConnection {
      let client = try workshop.client("sd1.example") {
        $0.certificate = own
        $0.minimum = version
      }
      guard let near = client.connect(wire.client), let far = server.accept(wire.server) else { throw OutOfMemory() }
      #expect(handshake(near, far) == .done)
      return far
    }
    let stays = try opened(workshop.issue("op1.pem", hosts: ["OP1"]), wires.0)
    let goes = try opened(other.issue("op2.pem", hosts: ["OP2"]), wires.1)
    var judge = TrustJudge(clientsOf: server.context)
    var verdicts = [judge.isTrusted(stays.facts), judge.isTrusted(goes.facts)]
    #expect(verdicts == [true, true])
    #expect(server.trustGeneration == 0)
    // A certificate of our own is no matter of trust.
    try workshop.issue("1.pem", hosts: ["sd1.example"])
    #expect(server.reload(now: workshop.now, clock: .zero) == .reloaded(warnings: []))
    #expect(server.trustGeneration == 0)
    _ = try bundle(workshop, [workshop])
    #expect(server.reload(now: workshop.now, clock: .zero) == .reloaded(warnings: []))
    #expect(server.trustGeneration == 1)
    judge = TrustJudge(clientsOf: server.context)
    for _ in 0..<2 {
      verdicts = [judge.isTrusted(stays.facts), judge.isTrusted(goes.facts)]
      #expect(verdicts == [true, false])
    }
    // Off the list.
    let listed = try workshop.server([workshop.issue("1.pem", hosts: ["sd1.example"])]) {
      $0.clients = ClientCertificatePlan(authorityPath: workshop.authorityPath, names: ["OP2"])
    }
    judge = TrustJudge(clientsOf: listed.context)
    verdicts = [judge.isTrusted(stays.facts), judge.isTrusted(goes.facts)]
    #expect(verdicts == [false, false])
  }

  @Test func aServerIsTrustedByItsNameAndAuthority() throws {
    let (workshop, other) = (try Workshop(), try Workshop(authority: "another"))
    let path = try bundle(workshop, [workshop, other])
    let server = try other.server([other.issue("1.pem", hosts: ["a.example"])])
    let client = try workshop.client("a.example") { $0.authorityPath = path }
    let wire = Wire()
    let near = try opened(client, wire.client)
    let far = try opened(server, wire.server)
    #expect(handshake(near, far) == .done)
    var judge = TrustJudge(serverOf: client.context)
    var verdicts = [judge.isTrusted(near.facts)]
    judge = TrustJudge(serverOf: try workshop.client("b.example") { $0.authorityPath = path }.context)
    verdicts.append(judge.isTrusted(near.facts))
    _ = try bundle(workshop, [workshop])
    #expect(client.reload(now: workshop.now) == .reloaded(warnings: []))
    #expect(client.trustGeneration == 1)
    judge = TrustJudge(serverOf: client.context)
    verdicts.append(judge.isTrusted(near.facts))
    #expect(verdicts == [true, false, false])
  }
}
