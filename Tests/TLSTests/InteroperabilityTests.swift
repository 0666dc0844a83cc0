import Foundation
import Glibc
import TLS
import Testing
import Topology

/// The command `openssl` as the other side.
@Suite(.enabled(if: OpenSSLCommand.isThere, "the command openssl is not installed"))
struct InteroperabilityTests {
  /// Serves one connection of `openssl s_client`: the handshake's result, the facts asked for, and all that the client said.
  private func serve(
    _ server: ListenerTLS, _ arguments: [String], answer: String = "hello from here\n"
  ) throws -> (result: Int, name: String?, isResumed: Bool, failure: String?, said: String) {
    let (listener, port) = Loopback.listen()
    defer { close(listener) }
    let client = try OpenSSLCommand(["s_client", "-connect", "127.0.0.1:\(port)"] + arguments)
    guard let descriptor = Loopback.accept(listener) else { throw OutOfMemory() }
    defer { close(descriptor) }
    let connection = try opened(server, descriptor)
    let result = Loopback.settled(descriptor) { connection.establish() }
    if result == 0 {
      #expect(Array(answer.utf8).withUnsafeBytes { connection.send($0) } == answer.utf8.count)
      // Its input ends when it has shown the answer: at that end it leaves, whatever it has not shown yet.
      #expect(client.output(upTo: answer) != nil)
      connection.end()
    }
    let facts = connection.facts
    let (name, isResumed, failure) = (facts.serverName, facts.isResumed, facts.failure)
    if result != 0 { shutdown(descriptor, Int32(SHUT_RDWR)) }
    return (result, name, isResumed, failure, client.end())
  }

  @Test(arguments: [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
  func itsClientIsServed(option: String, version: String) throws {
    let workshop = try Workshop()
    let server = try workshop.server([
      workshop.issue("1.pem", hosts: ["a.example"]), workshop.issue("2.pem", hosts: ["b.example"]),
    ])
    let done = try serve(
      server,
      [
        option, "-servername", "b.example", "-CAfile", workshop.authorityPath, "-verify_return_error",
        "-verify_hostname",
        "b.example", "-alpn", "h2,http/1.1",
      ])
    #expect(done.result == 0, "\(done.said)")
    #expect(done.name == "b.example")
    for word in ["Verify return code: 0 (ok)", "ALPN protocol: http/1.1", version, "hello from here", "CN = b.example"]
    {
      #expect(done.said.contains(word), "\(word) is not in \(done.said)")
    }
    #expect(done.said.contains(version == "TLSv1.2" ? "Secure Renegotiation IS supported" : "Early data was not sent"))
  }

  @Test(arguments: [
    ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1_2", "-cipher", "AES128-SHA"],
    ["-tls1_2", "-cipher", "AES128-GCM-SHA256"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"],
    ["-tls1_3", "-groups", "P-521"], ["-alpn", "h2"],
  ])
  func whatIsOldOrUnknownIsNotSpoken(arguments: [String]) throws {
    let workshop = try Workshop()
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["a.example"])])
    let done = try serve(server, arguments)
    #expect(done.result == TLSFacts.protocolFailure, "\(done.said)")
    #expect(done.failure != nil)
  }

  /// What counts is what this ClientHello says, not what the resumed session was made for (RFC 6066 section 3).
  @Test(arguments: ["-tls1_2", "-tls1_3"])
  func aTicketOfOneNameIsGoodForThatNameOnly(version: String) throws {
    let workshop = try Workshop()
    let certificates = try ["a.example", "b.example"].map { try workshop.issue("\($0).pem", hosts: [$0]) }
    let server = try workshop.server(certificates)
    let file = workshop.folder + "session"
    #expect(try !serve(server, [version, "-servername", "a.example", "-sess_out", file]).isResumed)
    let same = try serve(server, [version, "-servername", "A.example", "-sess_in", file])
    #expect(same.isResumed, "\(same.said)")
    #expect(same.name == "A.example")
    for name in ["b.example", "other.example", nil] {
      let asked = name.map { ["-servername", $0] } ?? ["-noservername"]
      let other = try serve(server, [version, "-sess_in", file] + asked)
      #expect(other.result == 0)
      #expect(!other.isResumed, "\(name ?? "no name")")
      #expect(other.name == name)
      #expect(other.said.contains("subject=CN = \(name == "b.example" ? "b" : "a").example"), "\(other.said)")
    }
    var plan = server.plan
    plan.isStrict = true
    let strict = try ListenerTLS(plan, tickets: server.tickets, now: workshop.now, clock: .zero)
    #expect(try serve(strict, [version, "-servername", "a.example", "-sess_in", file]).isResumed)
    for asked in [["-servername", "other.example"], ["-noservername"]] {
      let refused = try serve(strict, [version, "-sess_in", file] + asked)
      #expect(refused.result == TLSFacts.protocolFailure)
      #expect(refused.said.contains("unrecognized name"), "\(refused.said)")
    }
  }

  /// A client whose key share does not fit is asked for another ClientHello.
  @Test func theNameOfASecondClientHelloCountsOnce() throws {
    let workshop = try Workshop()
    let certificates = try ["a.example", "b.example"].map { try workshop.issue("\($0).pem", hosts: [$0]) }
    let server = try workshop.server(certificates) { $0.isStrict = true }
    let done = try serve(server, ["-tls1_3", "-servername", "b.example", "-groups", "X448:P-256"])
    #expect(done.result == 0)
    #expect(done.name == "b.example")
    #expect(done.said.contains("subject=CN = b.example"), "\(done.said)")
  }

  @Test func itsClientResumesASession() throws {
    let workshop = try Workshop()
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["a.example"])])
    let file = workshop.folder + "session"
    for version in ["-tls1_2", "-tls1_3"] {
      let first = try serve(server, [version, "-sess_out", file])
      #expect(!first.isResumed)
      let second = try serve(server, [version, "-sess_in", file])
      #expect(second.isResumed, "\(second.said)")
      #expect(second.said.contains("Reused, "))
    }
  }

  @Test func itsClientShowsACertificate() throws {
    let workshop = try Workshop()
    let own = try workshop.issue("op1.pem", hosts: ["OP1"])
    let other = try workshop.issue("op2.pem", hosts: ["OP2"])
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["a.example"])]) {
      $0.clients = ClientCertificatePlan(authorityPath: workshop.authorityPath, names: ["OP1"])
    }
    let good = try serve(server, ["-cert", own.path, "-key", own.path])
    #expect(good.result == 0, "\(good.said)")
    #expect(good.said.contains("CN = test authority"))
    #expect(try serve(server, ["-cert", other.path, "-key", other.path]).result == TLSFacts.protocolFailure)
    #expect(try serve(server, []).result == TLSFacts.protocolFailure)
  }

  @Test func itsClientIsGivenTheStaple() throws {
    let workshop = try Workshop()
    let certificate = try workshop.issue("1.pem", hosts: ["a.example"])
    try workshop.write("1.pem.ocsp", workshop.staple("1.pem"))
    let server = try workshop.server([certificate])
    let done = try serve(server, ["-status"])
    #expect(done.said.contains("OCSP Response Status: successful (0x0)"), "\(done.said)")
    #expect(done.said.contains("Cert Status: good"), "\(done.said)")
  }

  /// `openssl s_server` and a connection of ours.
  private func ask(
    _ workshop: Workshop, _ client: ServerTLS, certificate: String, _ arguments: [String] = []
  ) throws -> (result: Int, page: String, failure: String?) {
    let server = try OpenSSLCommand(
      ["s_server", "-accept", "127.0.0.1:0", "-cert", certificate, "-key", certificate, "-www"] + arguments)
    guard let said = server.output(upTo: "ACCEPT 127.0.0.1:"), let start = said.range(of: "ACCEPT 127.0.0.1:"),
      let port = Int(said[start.upperBound...].prefix { $0.isNumber }), let descriptor = Loopback.connect(port: port)
    else { throw OutOfMemory() }
    defer { close(descriptor) }
    let connection = try opened(client, descriptor)
    let result = Loopback.settled(descriptor) { connection.establish() }
    guard result == 0 else { return (result, "", connection.facts.failure) }
    let request = Array("GET / HTTP/1.0\r\n\r\n".utf8)
    #expect(request.withUnsafeBytes { connection.send($0) } == request.count)
    var page: [UInt8] = []
    var bytes = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = Loopback.settled(descriptor) { bytes.withUnsafeMutableBytes { connection.receive(into: $0) } }
      if count <= 0 { return (count, String(decoding: page, as: UTF8.self), connection.facts.failure) }
      page += bytes[0..<count]
    }
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"]) func itsServerIsAsked(version: String) throws {
    let workshop = try Workshop()
    let certificate = try workshop.issue("1.pem", hosts: ["a.example"])
    let done = try ask(workshop, workshop.client("a.example"), certificate: certificate.path, [version])
    #expect(done.result == 0, "\(done.failure ?? "")")
    #expect(done.page.hasPrefix("HTTP/1.0 200 ok"))
    let wrong = try ask(workshop, workshop.client("b.example"), certificate: certificate.path, [version])
    #expect(wrong.result == TLSFacts.protocolFailure)
    #expect(wrong.failure?.contains("mismatch") == true)
  }

  @Test func itsServerIsShownACertificate() throws {
    let workshop = try Workshop()
    let certificate = try workshop.issue("1.pem", hosts: ["a.example"])
    let own = try workshop.issue("op1.pem", hosts: ["OP1"])
    let asking = ["-Verify", "1", "-verify_return_error", "-CAfile", workshop.authorityPath]
    let done = try ask(
      workshop, workshop.client("a.example") { $0.certificate = own }, certificate: certificate.path, asking)
    #expect(done.page.contains("CN = OP1") || done.page.contains("CN=OP1"), "\(done.page)")
    let without = try ask(workshop, workshop.client("a.example"), certificate: certificate.path, asking)
    #expect(without.page.isEmpty)
    #expect(without.result == TLSFacts.protocolFailure)
  }

  @Test func renegotiationIsRefused() throws {
    let workshop = try Workshop()
    let server = try workshop.server([workshop.issue("1.pem", hosts: ["a.example"])])
    let (listener, port) = Loopback.listen()
    defer { close(listener) }
    let client = try OpenSSLCommand(["s_client", "-connect", "127.0.0.1:\(port)", "-tls1_2"])
    guard let descriptor = Loopback.accept(listener) else { throw OutOfMemory() }
    defer { close(descriptor) }
    let connection = try opened(server, descriptor)
    #expect(Loopback.settled(descriptor) { connection.establish() } == 0)
    #expect(client.output(upTo: "Extended master secret") != nil)
    client.type("R\n")
    // The client gives up; no second handshake is made, and no bytes come of it.
    let result = Loopback.settled(descriptor) { receiveResult(connection) }
    #expect(result <= 0)
    #expect(client.end().contains("no renegotiation"))
  }
}
