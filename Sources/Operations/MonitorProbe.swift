internal import CReactor
internal import Glibc
internal import TLS
public import Topology

/// Asks a node's monitor once whether the node serves its own users: what keepalived needs to know.
public enum MonitorProbe {
  /// What came of it.
  public enum Result: Sendable, Equatable {
    /// The node serves.
    case well
    /// It does not, for this reason.
    case notWell(String)
  }

  /// Bytes of an answer that are read.
  private static let answerBytesMax = 16_384

  /// Connects, asks `/` and judges the answer.
  /// - Parameters:
  ///   - plan: how the monitor is asked by TLS; nil: without. A file that cannot be used is an answer, too.
  ///   - milliseconds: how long the whole may take.
  public static func ask(_ address: Address, tls plan: ServerTLSPlan? = nil, within milliseconds: Int32) -> Result {
    let ends = cr_monotonic() + Int64(milliseconds) * 1_000_000
    do throws(TLSError) {
      let server = try plan.map { (plan) throws(TLSError) in try ServerTLS(plan, now: cr_realtime() / 1_000_000_000) }
      return try ask(address, server, until: ends)
    } catch {
      return .notWell("\(error)")
    }
  }

  private static func ask(_ address: Address, _ server: ServerTLS?, until ends: Int64) throws(TLSError) -> Result {
    var target: cr_address
    switch resolve(address, within: left(until: ends)) {
    case .found(let address): target = address
    case .nothing: return .notWell("\(address) does not resolve")
    case .silence: return .notWell("\(address) was not resolved in time")
    }
    var descriptor: Int32 = -1
    let status = cr_connect(&target, nil, nil, max(1, left(until: ends)), &descriptor)
    guard descriptor >= 0 else { return .notWell(UnixSocket.text(of: -status)) }
    defer { _ = cr_close(descriptor) }
    guard UnixSocket.wait(descriptor, for: POLLOUT, milliseconds: left(until: ends)) else {
      return .notWell("no connection in time")
    }
    let error = cr_connect_error(descriptor)
    guard error == 0 else { return .notWell(UnixSocket.text(of: abs(error))) }
    guard let server else {
      return talk(
        descriptor, until: ends, send: { Int(cr_send_bytes(descriptor, $0.baseAddress!, $0.count)) },
        receive: { Int(cr_receive(descriptor, $0.baseAddress!, $0.count)) },
        failure: { UnixSocket.text(of: Int32(-$0)) })
    }
    guard let connection = server.connect(descriptor) else { throw .library("no memory for a connection") }
    let why = { (result: Int, facts: TLSFacts) in "TLS: " + (facts.failure ?? UnixSocket.text(of: Int32(-result))) }
    let ready = settled(descriptor, until: ends) { connection.establish() }
    if ready == pending { return .notWell("no handshake in time") }
    guard ready == 0 else { return .notWell(why(ready, connection.facts)) }
    return talk(
      descriptor, until: ends, send: { connection.send($0) }, receive: { connection.receive(into: $0) },
      failure: { why($0, connection.facts) })
  }

  private static let pending = -Int(EAGAIN)

  /// Milliseconds that are left.
  private static func left(until ends: Int64) -> Int32 { Int32(max(0, (ends - cr_monotonic()) / 1_000_000)) }

  /// Repeats what does not wait until it no longer waits for the other side, or the time is over.
  private static func settled(_ descriptor: Int32, until ends: Int64, _ operation: () -> Int) -> Int {
    while true {
      let result = operation()
      if result == -Int(EINTR) { continue }
      guard result == pending, UnixSocket.wait(descriptor, for: POLLIN, milliseconds: left(until: ends)) else {
        return result
      }
    }
  }

  /// Asks over a connection that is there.
  private static func talk(
    _ descriptor: Int32, until ends: Int64, send: (UnsafeRawBufferPointer) -> Int,
    receive: (UnsafeMutableRawBufferPointer) -> Int, failure: (Int) -> String
  ) -> Result {
    let request = Array("GET / HTTP/1.1\r\nHost: monitor\r\nConnection: close\r\n\r\n".utf8)
    // A request this short fits into any fresh socket.
    guard request.withUnsafeBytes(send) == request.count else { return .notWell("the request was not taken") }
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while answer.count < answerBytesMax {
      let count = settled(descriptor, until: ends) { buffer.withUnsafeMutableBytes(receive) }
      if count == pending { return .notWell("no answer in time") }
      if count < 0 { return .notWell(failure(count)) }
      guard count > 0 else { break }
      answer += buffer[..<count]
      let text = String(decoding: answer, as: UTF8.self)
      if text.contains("\r\n\r\n") { return judge(text) }
    }
    return .notWell("the answer ended early")
  }

  /// What an answer's head says. A monitor of ours tells whether its node serves its own users: it may admit no new ones, and believe all
  /// its servers dead, as it tries them nevertheless. Of any other the status counts.
  static func judge(_ answer: String) -> Result {
    var lines = answer.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)[...]
    let status = lines.popFirst() ?? ""
    let words = status.split(separator: " ")
    guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let code = Int(words[1]) else {
      return .notWell("the answer is not HTTP")
    }
    for line in lines {
      if line.isEmpty { break }
      let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, parts[0].lowercased() == "geodirector-health" else { continue }
      let members = parts[1].split(separator: ",").map { $0.filter { $0 != " " } }
      return members.contains("alive=?0") && !members.contains("serves=?1")
        ? .notWell("it says that it serves nobody") : .well
    }
    return (200..<300).contains(code) ? .well : .notWell("status \(code)")
  }

  private static func resolve(_ address: Address, within milliseconds: Int32) -> NameLookup.Result {
    var result = cr_address()
    let status: Int32
    switch address {
    case .ipv4(let bits, let port): status = cr_address_ipv4(&result, bits, port)
    case .ipv6(let high, let low, let port): status = cr_address_ipv6(&result, high, low, port)
    case .unix(let path): status = cr_address_unix(&result, path, path.utf8.count)
    case .host(let name, let port): return NameLookup.first(of: name, port: port, within: milliseconds)
    }
    return status >= 0 ? .found(result) : .nothing
  }
}
