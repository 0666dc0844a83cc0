internal import CReactor
internal import Glibc
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
  /// - Parameter milliseconds: how long the whole may take.
  public static func ask(_ address: Address, within milliseconds: Int32) -> Result {
    let ends = cr_monotonic() + Int64(milliseconds) * 1_000_000
    var target: cr_address
    switch resolve(address, within: milliseconds) {
    case .found(let address): target = address
    case .nothing: return .notWell("\(address) does not resolve")
    case .silence: return .notWell("\(address) was not resolved in time")
    }
    var descriptor: Int32 = -1
    let status = cr_connect(&target, nil, nil, max(1, Int32((ends - cr_monotonic()) / 1_000_000)), &descriptor)
    guard descriptor >= 0 else { return .notWell(UnixSocket.text(of: -status)) }
    defer { _ = cr_close(descriptor) }
    func left() -> Int32 { Int32(max(0, (ends - cr_monotonic()) / 1_000_000)) }
    guard UnixSocket.wait(descriptor, for: POLLOUT, milliseconds: left()) else {
      return .notWell("no connection in time")
    }
    let error = cr_connect_error(descriptor)
    guard error == 0 else { return .notWell(UnixSocket.text(of: abs(error))) }
    let request = Array("GET / HTTP/1.1\r\nHost: monitor\r\nConnection: close\r\n\r\n".utf8)
    // A request this short fits into any fresh socket.
    guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
      return .notWell("the request was not taken")
    }
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while answer.count < answerBytesMax {
      guard UnixSocket.wait(descriptor, for: POLLIN, milliseconds: left()) else { return .notWell("no answer in time") }
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count < 0 && (errno == EAGAIN || errno == EINTR) { continue }
      guard count > 0 else { break }
      answer += buffer[..<count]
      let text = String(decoding: answer, as: UTF8.self)
      if text.contains("\r\n\r\n") { return judge(text) }
    }
    return .notWell("the answer ended early")
  }

  /// What an answer's head says. A monitor of ours tells whether its node is alive, though it may admit no new users; of any other
  /// the status counts.
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
      return members.contains("alive=?0") ? .notWell("it says that it has no server to offer") : .well
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
