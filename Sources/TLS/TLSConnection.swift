internal import COpenSSL
public import CReactor
internal import Glibc
internal import Topology

/// A TLS connection over a non-blocking socket of the caller's.
///
/// Either it is used by itself (`receive`, `send`), or it is handed to a reactor's socket: `reactor.attach(socket,
/// connection.release())`. From then on the plain pointer is all there is, and `TLSFacts` reads what it knows.
public struct TLSConnection: ~Copyable {
  private let transport: UnsafeMutablePointer<cr_transport>

  init(_ transport: UnsafeMutablePointer<cr_transport>) { self.transport = transport }

  deinit { transport.pointee.operations.pointee.release(transport) }

  /// The connection as plain data; who takes it must free it with its operation `release`, as a reactor does.
  public consuming func release() -> UnsafeMutablePointer<cr_transport> {
    let transport = self.transport
    discard self
    return transport
  }

  /// Of a client's side: it offers this protocol and no other (ALPN, RFC 7301); nil: none. Without a call it is HTTP/1.1. To be called
  /// before the handshake.
  public func offer(_ name: String?) -> Bool {
    guard var name, !name.isEmpty else { return co_offer(transport, "", 0) == 1 }
    return name.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) { co_offer(transport, $0.baseAddress!, $0.count) } == 1
    }
  }

  /// Hands in bytes that others received from the socket: they come before its own. False: no memory.
  public func feed(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let start = bytes.baseAddress else { return true }
    return co_feed(transport, start, bytes.count) == 1
  }

  /// Of a connection without a socket, which is only fed: appends what is to be sent to the peer. `send` takes bytes only when all
  /// this was taken.
  public func takeOutput(_ body: (UnsafeRawBufferPointer) -> Void) {
    withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 8) { memory in
      while true {
        let count = co_take(transport, memory.baseAddress!, memory.count)
        if count == 0 { return }
        body(UnsafeRawBufferPointer(rebasing: memory[0..<count]))
      }
    }
  }

  /// What is known of the connection.
  public var facts: TLSFacts { TLSFacts(transport) }

  /// Brings it up: 0, -EAGAIN or -errno.
  public func establish() -> Int { Int(transport.pointee.operations.pointee.establish(transport)) }

  /// Bytes of the stream, 0 at its end, -EAGAIN or -errno.
  public func receive(into bytes: UnsafeMutableRawBufferPointer) -> Int {
    transport.pointee.operations.pointee.receive(transport, bytes.baseAddress!, bytes.count)
  }

  /// Bytes taken, -EAGAIN or -errno. Bytes not taken must be given again.
  public func send(_ bytes: UnsafeRawBufferPointer) -> Int {
    var part = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress!), iov_len: bytes.count)
    return transport.pointee.operations.pointee.send(transport, &part, 1)
  }

  /// Sends what waits for the kernel: 0, -EAGAIN or -errno.
  public func flush() -> Int { Int(transport.pointee.operations.pointee.flush(transport)) }

  /// Tells the peer that nothing more will be sent.
  public func end() { transport.pointee.operations.pointee.end(transport) }
}

/// Why the name that a client asked for was refused.
public enum NameRefusal: Int32, Sendable {
  /// It is none of those that are served.
  case notServed = 1
  /// No certificate is for it, where one must be.
  case notCertified = 2
}

/// What a connection knows of itself and its peer. A view on a connection made by this module, valid as long as that is.
public struct TLSFacts {
  let transport: UnsafeMutablePointer<cr_transport>

  /// Of a reactor's transport.
  public init(_ transport: UnsafeMutablePointer<cr_transport>) { self.transport = transport }

  /// A receive or send gave this: TLS itself failed; `failure` tells how.
  public static let protocolFailure = -Int(EPROTO)
  /// A receive gave this: the stream ended without a close_notify, so that bytes may be missing.
  public static let truncation = -Int(ENODATA)

  /// The handshake is done.
  public var isEstablished: Bool { co_is_established(transport) != 0 }
  /// The peer has sent something, be it TLS or not.
  public var hasReceived: Bool { co_has_read(transport) != 0 }
  /// TLS itself failed, by what the peer sent or by its alert.
  public var hasProtocolFailure: Bool { Int(co_failure(transport)) == Self.protocolFailure }
  /// The peer does not accept us: it broke the connection by an alert that speaks of the handshake, such as of our certificate.
  public var isRejected: Bool { co_is_rejected(transport) != 0 }
  /// A session was resumed.
  public var isResumed: Bool { co_is_resumed(transport) != 0 }
  /// The client's first bytes were those of an HTTP request.
  public var isPlainHTTP: Bool { co_is_plain_http(transport) != 0 }
  /// `TLSv1.2` or `TLSv1.3`, as the PROXY protocol and logs have it; nil before the handshake.
  public var version: StaticString? {
    switch co_version(transport) {
    case 3: "TLSv1.3"
    case 2: "TLSv1.2"
    default: nil
    }
  }
  /// The suite's name, such as `TLS_AES_128_GCM_SHA256`; nil before the handshake.
  public var cipher: String? { co_cipher(transport).map { String(cString: $0) } }
  /// The name that this connection's ClientHello asked for (SNI, RFC 6066 section 3), as it came; also where a session is resumed.
  public var serverName: String? { co_server_name(transport).map { String(cString: $0) } }
  /// A server's side refused the name, or that none was asked for, by the alert unrecognized_name; nil: it did not.
  public var nameRefusal: NameRefusal? { NameRefusal(rawValue: co_name_refusal(transport)) }
  /// The protocol agreed on (ALPN).
  public var applicationProtocol: String? { text { co_protocol(transport, $0, $1) } }
  /// The first DNS name of the peer's certificate, or its common name; nil: it showed none.
  public var peerName: String? { text { co_peer_name(transport, $0, $1) } }
  /// The common name of the peer's certificate.
  public var peerCommonName: String? { text { co_peer_common_name(transport, $0, $1) } }
  /// Why the connection broke, for a log line; nil: it did not.
  public var failure: String? { text { co_error(transport, $0, $1) } }

  private func text(_ read: (UnsafeMutablePointer<CChar>, Int) -> Int32) -> String? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
      let length = Int(read(buffer.baseAddress!, buffer.count))
      guard length > 0 else { return nil }
      return String(
        decoding: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[0..<length]), as: UTF8.self)
    }
  }
}
