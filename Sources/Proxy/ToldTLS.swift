internal import HTTPMessage
internal import Reactor
internal import TLS

/// What servers are told of a client's TLS: the fields of a PROXY protocol header, in memory of the connection's own, written once.
/// Plain data; who drops it must have called `forget`.
struct ToldTLS {
  /// The number of bytes, in two, and the fields. Nil: nothing is known.
  private var memory: UnsafeMutableRawPointer?

  /// The fields; nil: there is nothing to tell.
  var fields: ByteView? {
    guard let memory else { return nil }
    let count = Int(memory.load(as: UInt16.self))
    return ByteView(UnsafeRawBufferPointer(start: memory + MemoryLayout<UInt16>.size, count: count))
  }

  /// Takes a copy of fields, which stand in place of those before.
  mutating func keep(_ fields: ByteView) {
    precondition(fields.count <= ProxyTLSFields.bytesMax)
    forget()
    let copy = UnsafeMutableRawPointer.allocate(
      byteCount: MemoryLayout<UInt16>.size + fields.count, alignment: MemoryLayout<UInt16>.alignment)
    copy.storeBytes(of: UInt16(fields.count), as: UInt16.self)
    (copy + MemoryLayout<UInt16>.size).copyMemory(
      from: UnsafeRawPointer(fields.base), byteCount: fields.count)
    memory = copy
  }

  /// Gives the memory back.
  @inline(__always)
  mutating func forget() {
    guard let memory else { return }
    memory.deallocate()
    self.memory = nil
  }
}

extension Worker {
  /// Keeps what a header told of a client's TLS, where servers are told of it, too.
  mutating func keepTold(_ client: Int32, _ fields: ProxyTLSFields) {
    guard tellsOfTLS else { return }
    var writer = ByteWriter(UnsafeMutableRawBufferPointer(start: scratch, count: Self.scratchBytes))
    writer.append(proxyFields: fields)
    clients[Int(client)].toldTLS.keep(writer.written)
  }

  /// Finds out what is to be told of a client that spoke TLS with us. Where a header told of another one's, the client's own, that stands.
  mutating func learnToldTLS(_ client: Int32) {
    guard clients[Int(client)].toldTLS.fields == nil,
      let transport = reactor.transport(of: clients[Int(client)].socket)
    else { return }
    let facts = TLSFacts(transport)
    let version = facts.version.map { String(describing: $0) }
    let texts = [version, facts.cipher, facts.peerCommonName, facts.serverName, facts.applicationProtocol]
    let parts = texts.map { Array(($0 ?? "").utf8) }
    let hasCertificate = facts.peerName != nil || facts.peerCommonName != nil
    let isResumed = facts.isResumed
    parts.flatMap { $0 }.withUnsafeBytes { memory in
      let whole = ByteView(memory)
      var position = 0
      func next(_ index: Int) -> ByteView {
        defer { position += parts[index].count }
        return whole.slice(position, position + parts[index].count)
      }
      var fields = ProxyTLSFields(version: next(0))
      fields.cipher = next(1)
      fields.commonName = next(2)
      fields.serverName = next(3)
      fields.applicationProtocol = next(4)
      if hasCertificate { fields.tellCertificate(isResumed: isResumed) }
      keepTold(client, fields)
    }
  }
}
