import CReactor
import Foundation
import Glibc
import TLS
import Topology

/// A folder of its own with an authority and what it signs.
final class Workshop {
  let folder: String
  let now = Int64(Date().timeIntervalSince1970)
  private let authority: Identity

  static let day: Int64 = 86_400

  init(authority name: String = "test authority", until: Int64? = nil) throws {
    folder = NSTemporaryDirectory() + "geodirector-tls-\(getpid())-\(UInt64.random(in: 0 ... .max))/"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    authority = try Identity.authority(named: name, from: now - Self.day, until: until ?? now + 30 * Self.day)
    try write("ca.pem", authority.certificate)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  var authorityPath: String { folder + "ca.pem" }

  @discardableResult
  func write(_ name: String, _ text: String, mode: Int = 0o600) throws -> String {
    // A new file in the place of the old one, as deployments do it.
    let path = folder + name
    try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    return path
  }

  /// A certificate with its key in one file.
  @discardableResult
  func issue(
    _ file: String, name: String? = nil, hosts: [String] = [], addresses: [String] = [], from: Int64? = nil,
    until: Int64? = nil
  ) throws -> CertificatePlan {
    let signed = try authority.issue(
      name: name ?? hosts.first ?? "someone", hosts: hosts, addresses: addresses, from: from ?? now - Self.day,
      until: until ?? now + 20 * Self.day)
    return CertificatePlan(path: try write(file, signed.certificate + signed.key))
  }

  /// A response of OCSP, in DER, that the certificate of a file is good, for so many minutes from now, at least one; or what `status` says
  /// of it: `R`, revoked, or nothing at all.
  func staple(_ file: String, minutes: Int = 2880, status: String = "V") throws -> Data {
    try write("ca.key", authority.key)
    func run(_ arguments: String...) throws -> String { try OpenSSLCommand(arguments).end() }
    let serial = try run("x509", "-in", folder + file, "-noout", "-serial").split(separator: "=").last ?? ""
    let number = serial.trimmingCharacters(in: .whitespacesAndNewlines)
    let since = status == "R" ? "260101000000Z" : ""
    try write("index", status.isEmpty ? "" : "\(status)\t491231235959Z\t\(since)\t\(number)\tunknown\t/CN=x\n")
    _ = try run(
      "ocsp", "-issuer", authorityPath, "-cert", folder + file, "-no_nonce", "-reqout", folder + "request")
    _ = try run(
      "ocsp", "-index", folder + "index", "-CA", authorityPath, "-rsigner", authorityPath, "-rkey", folder + "ca.key",
      "-reqin", folder + "request", "-respout", folder + "response", "-nmin", "\(minutes)")
    return try Data(contentsOf: URL(fileURLWithPath: folder + "response"))
  }

  @discardableResult
  func write(_ name: String, _ data: Data) throws -> String {
    try data.write(to: URL(fileURLWithPath: folder + name), options: .atomic)
    return folder + name
  }

  func server(_ certificates: [CertificatePlan], _ change: (inout ListenerTLSPlan) -> Void = { _ in }) throws
    -> ListenerTLS
  {
    var plan = ListenerTLSPlan(certificates: certificates)
    change(&plan)
    return try ListenerTLS(plan, now: now, clock: .zero)
  }

  func client(_ name: String, _ change: (inout ServerTLSPlan) -> Void = { _ in }) throws -> ServerTLS {
    var plan = ServerTLSPlan(name: name)
    plan.authorityPath = authorityPath
    change(&plan)
    return try ServerTLS(plan, now: now)
  }
}

/// Two ends of a connection in one thread.
final class Wire {
  let client: Int32
  let server: Int32

  init() {
    var ends: [Int32] = [-1, -1]
    precondition(socketpair(AF_UNIX, CR_STREAM | CR_NONBLOCK, 0, &ends) == 0)
    client = ends[0]
    server = ends[1]
  }

  deinit {
    close(client)
    close(server)
  }

  /// Bytes sent raw, past TLS.
  func send(raw bytes: [UInt8], to end: Int32) {
    _ = bytes.withUnsafeBytes { Glibc.send(end, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL)) }
  }

  /// What is there, raw.
  func take(from end: Int32) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = recv(end, &bytes, bytes.count, 0)
    return count > 0 ? Array(bytes[0..<count]) : []
  }
}

struct OutOfMemory: Error {}

/// A client's end.
func opened(_ client: ServerTLS, _ descriptor: Int32) throws -> TLSConnection {
  guard let connection = client.connect(descriptor) else { throw OutOfMemory() }
  return connection
}

/// A server's end.
func opened(_ server: ListenerTLS, _ descriptor: Int32) throws -> TLSConnection {
  guard let connection = server.accept(descriptor) else { throw OutOfMemory() }
  return connection
}

/// How a handshake between the two went: 0, or what broke it.
struct Handshake: Equatable {
  var client: Int
  var server: Int
  static let done = Handshake(client: 0, server: 0)
}

func handshake(_ client: borrowing TLSConnection, _ server: borrowing TLSConnection) -> Handshake {
  let pending = -Int(EAGAIN)
  var result = Handshake(client: pending, server: pending)
  for _ in 0..<20 where result.client == pending || result.server == pending {
    if result.client == pending { result.client = client.establish() }
    if result.server == pending { result.server = server.establish() }
  }
  return result
}

/// Sends a text and reads it at the other end.
func carried(_ text: String, from sender: borrowing TLSConnection, to receiver: borrowing TLSConnection) -> String? {
  let bytes = Array(text.utf8)
  guard bytes.withUnsafeBytes({ sender.send($0) }) == bytes.count else { return nil }
  return received(by: receiver)
}

func received(by receiver: borrowing TLSConnection) -> String? {
  var bytes = [UInt8](repeating: 0, count: 65_536)
  let count = bytes.withUnsafeMutableBytes { receiver.receive(into: $0) }
  return count >= 0 ? String(decoding: bytes[0..<count], as: UTF8.self) : nil
}

/// The result of a receive, where no bytes are expected.
func receiveResult(_ receiver: borrowing TLSConnection) -> Int {
  var bytes = [UInt8](repeating: 0, count: 65_536)
  return bytes.withUnsafeMutableBytes { receiver.receive(into: $0) }
}

/// What one side knew after a whole exchange.
struct Outcome {
  var handshake: Handshake
  var isResumed = false
  var version: String?
  var serverName: String?
  var peerSeenByClient: String?
  var peerSeenByServer: String?
  var clientFailure: String?
  var serverFailure: String?
  var answer: String?
  var refusal: NameRefusal?
}

/// One connection from its handshake to its end, with a request and an answer; tickets reach the client with the answer.
func exchange(_ client: ServerTLS, _ server: ListenerTLS) -> Outcome {
  let wire = Wire()
  guard let near = client.connect(wire.client), let far = server.accept(wire.server) else {
    return Outcome(handshake: Handshake(client: -1, server: -1))
  }
  var outcome = Outcome(handshake: handshake(near, far))
  if outcome.handshake == .done {
    let asked = carried("question", from: near, to: far)
    outcome.answer = asked == "question" ? carried("answer", from: far, to: near) : nil
  } else {
    // With TLS 1.3 a client is done before the server has looked at its certificate: it learns of it when it reads.
    if outcome.handshake.client == 0 { outcome.handshake.client = receiveResult(near) }
  }
  outcome.isResumed = near.facts.isResumed
  outcome.version = near.facts.version.map { "\($0)" }
  outcome.serverName = far.facts.serverName
  outcome.refusal = far.facts.nameRefusal
  outcome.peerSeenByClient = near.facts.peerName
  outcome.peerSeenByServer = far.facts.peerName
  outcome.clientFailure = near.facts.failure
  outcome.serverFailure = far.facts.failure
  near.end()
  far.end()
  return outcome
}
