import CReactor
import Foundation
import Glibc
import TLS
import Testing
import Topology

@testable import Operations

/// A monitor with TLS on a port of loopback: each connection is answered once.
private final class SecureMonitor: Sendable {
  let folder: String
  let port: UInt16
  private let listener: Int32

  init(status: String) throws {
    folder = NSTemporaryDirectory() + "geodirector-probe-\(getpid())-\(UInt64.random(in: 0 ... .max))/"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let now = Int64(Date().timeIntervalSince1970)
    let authority = try Identity.authority(named: "test authority", from: now - 60, until: now + 86_400)
    let own = try authority.issue(
      name: "SD1", hosts: ["SD1"], addresses: ["127.0.0.1"], from: now - 60, until: now + 86_400)
    try Data(authority.certificate.utf8).write(to: URL(fileURLWithPath: folder + "ca.pem"))
    try Data((own.certificate + own.key).utf8).write(to: URL(fileURLWithPath: folder + "own.pem"))
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: folder + "own.pem")
    let server = try ListenerTLS(
      ListenerTLSPlan(certificates: [CertificatePlan(path: folder + "own.pem")]), now: now, clock: .zero)
    var address = cr_address()
    _ = cr_address_ipv4(&address, 0x7F00_0001, 0)
    let descriptor = cr_listen(&address, 16, 0)
    _ = fcntl(descriptor, F_SETFL, 0)
    _ = cr_local_address(descriptor, &address)
    var (high, low, port) = (UInt64(0), UInt64(0), UInt16(0))
    cr_address_parts(&address, &high, &low, &port)
    (self.port, listener) = (port, descriptor)
    Thread.detachNewThread { Self.serve(descriptor, server, status) }
  }

  deinit {
    shutdown(listener, Int32(SHUT_RDWR))
    try? FileManager.default.removeItem(atPath: folder)
  }

  private static func serve(_ listener: Int32, _ server: ListenerTLS, _ status: String) {
    while true {
      let descriptor = accept(listener, nil, nil)
      guard descriptor >= 0 else { break }
      defer { close(descriptor) }
      // Reads wait; who says nothing ends the test by its own time.
      guard let connection = server.accept(descriptor), connection.establish() == 0 else { continue }
      var bytes = [UInt8](repeating: 0, count: 4096)
      guard bytes.withUnsafeMutableBytes({ connection.receive(into: $0) }) > 0 else { continue }
      _ = Array("HTTP/1.1 \(status)\r\nContent-Length: 0\r\n\r\n".utf8).withUnsafeBytes { connection.send($0) }
      connection.end()
    }
    close(listener)
  }

  func ask(as name: String, _ change: (inout ServerTLSPlan) -> Void = { _ in }) -> MonitorProbe.Result {
    var plan = ServerTLSPlan(name: name)
    plan.authorityPath = folder + "ca.pem"
    change(&plan)
    return MonitorProbe.ask(.ipv4(0x7F00_0001, port: port), tls: plan, within: 10_000)
  }
}

/// Monitors behind TLS.
@Suite struct SecureProbeTests {
  @Test func aMonitorIsAskedByTLSAndJudgedByItsAnswer() throws {
    let monitor = try SecureMonitor(status: "200 OK")
    #expect(monitor.ask(as: "SD1") == .well)
    #expect(monitor.ask(as: "127.0.0.1") == .well)
    #expect(try SecureMonitor(status: "503 Service Unavailable").ask(as: "SD1") == .notWell("status 503"))
  }

  @Test func whoCannotProveItsNameIsNotWell() throws {
    let monitor = try SecureMonitor(status: "200 OK")
    let stranger = try SecureMonitor(status: "200 OK")
    let refused = [
      monitor.ask(as: "SD2"), monitor.ask(as: "127.0.0.2"),
      monitor.ask(as: "SD1") { $0.authorityPath = stranger.folder + "ca.pem" },
      monitor.ask(as: "SD1") { $0.authorityPath = "/nowhere/at/all" },
    ]
    for (result, reason) in zip(refused, ["mismatch", "mismatch", "certificate", "/nowhere/at/all cannot be read"]) {
      guard case .notWell(let why) = result else {
        Issue.record("\(reason): it was believed")
        continue
      }
      #expect(why.contains(reason))
    }
    #expect(monitor.ask(as: "SD2") { $0.verifies = false } == .well)
  }

  @Test func aMonitorWithTLSIsNotWellWithoutIt() throws {
    let monitor = try SecureMonitor(status: "200 OK")
    guard case .notWell = MonitorProbe.ask(.ipv4(0x7F00_0001, port: monitor.port), within: 10_000) else {
      Issue.record("it was believed")
      return
    }
  }
}
