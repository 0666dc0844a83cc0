internal import HTTPMessage
internal import Topology

/// What a worker knows of a listener beside its socket. Plain data, no references.
struct ListenerTraits {
  /// Its connections are TLS.
  var isSecure: Bool
  /// The line that tells browsers to use https only; nil: none.
  var strictTransport: ByteView?
  /// The port of https, as it follows a host, that every request is sent to; nil: requests are served.
  var redirectPort: ByteView?
  /// Status of that redirect.
  var redirectStatus: Int

  init(_ plan: ListenerPlan) {
    isSecure = plan.tls != nil
    strictTransport = plan.strictTransport.map { immortal("Strict-Transport-Security: \($0.fieldValue)\r\n") }
    redirectPort = plan.secureRedirect.map { immortal($0.port == 443 ? "" : ":\($0.port)") }
    redirectStatus = plan.secureRedirect?.status ?? 308
  }
}

/// What makes browsers use https, and tells nodes and servers that they do.
extension Worker {
  /// Strict-Transport-Security, on every answer of a listener that has it, to who speaks TLS (RFC 6797 sections 7.1 and 7.2).
  @inline(__always)
  mutating func appendStrictTransport(_ client: Int32, into writer: inout ByteWriter) {
    guard let line = listenerTraits[Int(clients[Int(client)].listener)].strictTransport, speaksTLS(client) else {
      return
    }
    writer.append(line)
  }

  /// Whether an answer's field is one that our own Strict-Transport-Security takes the place of: browsers heed the first.
  @inline(__always)
  mutating func isOverruled(_ field: Field, _ view: ByteView, _ client: Int32) -> Bool {
    guard field.id == .other, listenerTraits[Int(clients[Int(client)].listener)].strictTransport != nil,
      speaksTLS(client)
    else { return false }
    return view[field.name].equalsIgnoringCase(ByteView("Strict-Transport-Security"))
  }

  /// Sends the client to the same place by https.
  mutating func answerSecureRedirect(_ client: Int32, _ view: ByteView, _ head: RequestHead) {
    let pointer = clients + Int(client)
    let traits = listenerTraits[Int(pointer.pointee.listener)]
    // Without a name there is nowhere to send it to.
    guard let port = traits.redirectPort, !head.host.isEmpty else {
      return answerError(client, status: 400, termination: "PR")
    }
    pointer.pointee.termination = Self.code("LR")
    endAfterUnreadBody(client)
    var writer = ByteWriter(UnsafeMutableRawBufferPointer(start: scratch, count: Self.scratchBytes))
    writer.append("HTTP/1.1 ")
    writer.append(decimal: UInt64(traits.redirectStatus))
    writer.append(byte: 0x20)
    writer.append(StatusText.reason(traits.redirectStatus))
    writer.append("\r\nLocation: https://")
    writer.append(Self.withoutPort(view[head.host]))
    writer.append(port)
    let path = view[head.path]
    if path.count == 0 || path[0] != 0x2F { writer.append(byte: 0x2F) }
    if head.targetForm != .asterisk { writer.append(path) }
    writer.append("\r\nContent-Length: 0\r\n")
    appendDate(into: &writer)
    appendPersistence(client, into: &writer)
    writer.append("\r\n")
    pointer.pointee.status = Int32(traits.redirectStatus)
    sendAnswer(client, writer.position)
  }

  /// A host without its port; an IPv6 literal has colons of its own.
  static func withoutPort(_ host: ByteView) -> ByteView {
    var position = 0
    var isLiteral = false
    while position < host.count {
      if host[position] == 0x5B { isLiteral = true }
      if host[position] == 0x5D { isLiteral = false }
      if host[position] == 0x3A && !isLiteral { return host.slice(0, position) }
      position += 1
    }
    return host
  }
}
