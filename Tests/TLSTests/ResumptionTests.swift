import COpenSSL
import Glibc
import TLS
import Testing
import Topology

/// Sessions that are resumed, and those that must not be.
@Suite struct ResumptionTests {
  @Test(arguments: TLSVersion.allCases)
  func aSessionIsResumedByAnotherWorkersContext(minimum: TLSVersion) throws {
    let workshop = try Workshop()
    let plan = ListenerTLSPlan(certificates: [try workshop.issue("1.pem", hosts: ["shop.example"])])
    let keys = try TicketKeys(rotation: .seconds(3_600), now: .zero)
    let first = try ListenerTLS(plan, tickets: keys, now: workshop.now, clock: .zero)
    let second = try ListenerTLS(plan, tickets: keys, now: workshop.now, clock: .zero)
    let client = try workshop.client("shop.example") { $0.minimum = minimum }
    #expect(!exchange(client, first).isResumed)
    #expect(exchange(client, second).isResumed)
    #expect(exchange(client, first).isResumed)
    client.context.forgetSession()
    #expect(!exchange(client, first).isResumed)
  }

  /// Many servers end kept connections without a close_notify.
  @Test(arguments: TLSVersion.allCases)
  func aSessionOutlivesAConnectionThatWasCutOff(minimum: TLSVersion) throws {
    let workshop = try Workshop()
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["shop.example"])])
    let client = try workshop.client("shop.example") { $0.minimum = minimum }
    do {
      let wire = Wire()
      let ours = try opened(client, wire.client)
      let theirs = try opened(server, wire.server)
      #expect(handshake(ours, theirs) == .done)
      #expect(carried("answer", from: theirs, to: ours) == "answer")
      shutdown(wire.server, Int32(SHUT_RDWR))
      #expect(receiveResult(ours) == TLSFacts.truncation)
    }
    #expect(exchange(client, server).isResumed)
  }

  @Test func keysOfTheirOwnResumeNothingOfOthers() throws {
    let workshop = try Workshop()
    let certificate = try workshop.issue("1.pem", hosts: ["shop.example"])
    let client = try workshop.client("shop.example")
    #expect(exchange(client, try workshop.server([certificate])).answer == "answer")
    let other = exchange(client, try workshop.server([certificate]))
    #expect(other.handshake == .done)
    #expect(!other.isResumed)
  }

  @Test func aKeyThatWasReplacedStillOpensItsTicketsForAWhile() throws {
    let workshop = try Workshop()
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["shop.example"])])
    let client = try workshop.client("shop.example")
    #expect(!exchange(client, server).isResumed)
    server.tickets.rotate()
    // This one brings a ticket of the new key.
    #expect(exchange(client, server).isResumed)
    server.tickets.rotate()
    #expect(exchange(client, server).isResumed)
    for _ in 0..<TicketKeys.keysMax { server.tickets.rotate() }
    let late = exchange(client, server)
    #expect(late.handshake == .done)
    #expect(!late.isResumed)
  }

  @Test func keysAreReplacedWhenItIsTime() throws {
    let keys = try TicketKeys(rotation: .seconds(60), now: .seconds(5))
    #expect(!keys.rotateIfDue(now: .seconds(64)))
    #expect(keys.rotateIfDue(now: .seconds(65)))
    #expect(!keys.rotateIfDue(now: .seconds(66)))
  }

  @Test func nodesShareKeysByAFile() throws {
    let workshop = try Workshop()
    let path = try workshop.write("keys", String(repeating: "k", count: TicketKeys.keyBytes))
    let certificate = try workshop.issue("1.pem", hosts: ["shop.example"])
    let nodes = try (0..<2).map { _ in try workshop.server([certificate]) { $0.ticketKeyPath = path } }
    let client = try workshop.client("shop.example")
    #expect(!exchange(client, nodes[0]).isResumed)
    #expect(exchange(client, nodes[1]).isResumed)
    try workshop.write("keys", String(repeating: "n", count: TicketKeys.keyBytes))
    #expect(nodes[0].reload(now: workshop.now, clock: .zero) == .unchanged)
    #expect(!exchange(client, nodes[0]).isResumed)
    try workshop.write("keys", "short")
    #expect(nodes[0].reload(now: workshop.now, clock: .zero) == .failed(.badTicketKeys(path: path, bytes: 5)))
    #expect(exchange(client, nodes[0]).isResumed)
  }

  @Test func certificatesAreReadWhateverIsWrongWithKeys() throws {
    let workshop = try Workshop()
    let path = try workshop.write("keys", String(repeating: "k", count: TicketKeys.keyBytes))
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["shop.example"])]) { $0.ticketKeyPath = path }
    for force in [false, true] {
      try workshop.write("keys", force ? "short" : "shorter")
      try workshop.issue("1.pem", hosts: [force ? "b.example" : "a.example"])
      #expect(server.reload(force: force, now: workshop.now, clock: .zero) == .reloaded(warnings: []))
      #expect(server.context.names == [force ? "b.example" : "a.example"])
      // Told next, and once.
      #expect(
        server.reload(now: workshop.now, clock: .zero) == .failed(.badTicketKeys(path: path, bytes: force ? 5 : 7)))
      #expect(server.reload(now: workshop.now, clock: .zero) == .unchanged)
    }
  }

  @Test func keysThatOthersCanReadAreRefused() throws {
    let workshop = try Workshop()
    let keys = String(repeating: "k", count: TicketKeys.keyBytes)
    let path = try workshop.write("keys", keys, mode: 0o644)
    let certificate = try workshop.issue("1.pem", hosts: ["shop.example"])
    let expected = TLSError.readableByAll(path: path)
    #expect(throws: expected) { _ = try workshop.server([certificate]) { $0.ticketKeyPath = path } }
    try workshop.write("keys", keys)
    let server = try workshop.server([certificate]) { $0.ticketKeyPath = path }
    try workshop.write("keys", keys, mode: 0o604)
    #expect(server.reload(now: workshop.now, clock: .zero) == .failed(expected))
  }

  @Test func sessionsCanBeLeftUnresumed() throws {
    let workshop = try Workshop()
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["shop.example"])]) { $0.resumes = false }
    let client = try workshop.client("shop.example")
    #expect(exchange(client, server).answer == "answer")
    #expect(!exchange(client, server).isResumed)
  }

  /// Who is taken off the list is out, with a ticket too.
  @Test(arguments: TLSVersion.allCases)
  func aTicketDoesNotOutliveTheListItWasGivenUnder(version: TLSVersion) throws {
    let workshop = try Workshop()
    var plan = ListenerTLSPlan(certificates: [try workshop.issue("1.pem", hosts: ["sd1.example"])])
    plan.clients = ClientCertificatePlan(authorityPath: workshop.authorityPath, names: ["OP1", "OP2"])
    let keys = try TicketKeys(rotation: .seconds(3_600), now: .zero)
    let before = try ListenerTLS(plan, tickets: keys, now: workshop.now, clock: .zero)
    plan.clients?.names = ["OP2"]
    let after = try ListenerTLS(plan, tickets: keys, now: workshop.now, clock: .zero)
    let own = try workshop.issue("op1.pem", hosts: ["OP1"])
    let client = try workshop.client("sd1.example") {
      $0.certificate = own
      $0.minimum = version
    }
    #expect(exchange(client, before).handshake == .done)
    let resumed = exchange(client, before)
    #expect(resumed.isResumed)
    #expect(resumed.peerSeenByServer == "op1")
    let refused = exchange(client, after)
    #expect(refused.handshake.server == TLSFacts.protocolFailure)
    #expect(refused.serverFailure == "the certificate's name is not on the list")
  }

  /// Waits until a Unix second is over: certificates know no less.
  private func pass(_ second: Int64) {
    while time(nil) <= second { usleep(20_000) }
  }

  /// What was verified once proves nothing for longer than the first certificate of its chain is good.
  @Test(arguments: TLSVersion.allCases, ["certificate", "authority"])
  func aServersSessionDoesNotOutliveItsChain(minimum: TLSVersion, ending: String) throws {
    let end = Int64(time(nil)) + 2
    let workshop = try Workshop(until: ending == "authority" ? end : nil)
    let certificate = try workshop.issue("1.pem", hosts: ["shop.example"], until: ending == "certificate" ? end : nil)
    let server = try workshop.server([certificate])
    let client = try workshop.client("shop.example") { $0.minimum = minimum }
    #expect(!exchange(client, server).isResumed)
    // From here on its tickets are those of a resumed session.
    #expect(exchange(client, server).isResumed)
    pass(end)
    let late = exchange(client, server)
    #expect(late.handshake.client == TLSFacts.protocolFailure)
    #expect(late.clientFailure == "certificate has expired")
  }

  @Test(arguments: TLSVersion.allCases, ["certificate", "authority"])
  func aClientsSessionDoesNotOutliveItsChain(minimum: TLSVersion, ending: String) throws {
    let end = Int64(time(nil)) + 2
    let workshop = try Workshop()
    let offices = try Workshop(authority: "offices", until: ending == "authority" ? end : nil)
    let own = try offices.issue("op1.pem", hosts: ["OP1"], until: ending == "certificate" ? end : nil)
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["sd1.example"])]) {
      $0.clients = ClientCertificatePlan(authorityPath: offices.authorityPath, names: ["OP1"])
    }
    let client = try workshop.client("sd1.example") {
      $0.certificate = own
      $0.minimum = minimum
    }
    #expect(!exchange(client, server).isResumed)
    #expect(exchange(client, server).isResumed)
    pass(end)
    let late = exchange(client, server)
    #expect(late.handshake.server == TLSFacts.protocolFailure)
    #expect(late.serverFailure == "certificate has expired")
  }

  @Test func oneServersSessionIsNotOfferedToAnother() throws {
    let workshop = try Workshop()
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["a.example", "b.example"])])
    #expect(exchange(try workshop.client("a.example"), server).handshake == .done)
    #expect(!exchange(try workshop.client("b.example"), server).isResumed)
  }
}
