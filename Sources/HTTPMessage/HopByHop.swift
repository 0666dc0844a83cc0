extension FieldTable {
  /// Which of the hop-by-hop fields stay.
  @frozen
  public struct HopByHopExceptions: OptionSet, Sendable {
    /// The bits.
    public let rawValue: UInt8
    /// Exceptions by their bits.
    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Transfer-Encoding stays, because the chunked body is relayed as it is.
    @inlinable @inline(__always)
    public static var transferEncoding: HopByHopExceptions { HopByHopExceptions(rawValue: 1) }
    /// Upgrade stays, because the upgrade is relayed; Connection is dropped all the same: write `Connection: upgrade`.
    @inlinable @inline(__always)
    public static var upgrade: HopByHopExceptions { HopByHopExceptions(rawValue: 2) }
  }

  /// The names that a message may lose here.
  private static let hopByHop =
    FieldName.connection.bit | FieldName.keepAlive.bit | FieldName.proxyConnection.bit | FieldName.te.bit
    | FieldName.upgrade.bit | FieldName.transferEncoding.bit

  /// Marks as dropped what belongs to one connection only (RFC 9110 7.6.1): Connection, Keep-Alive, Proxy-Connection,
  /// TE, Upgrade, Transfer-Encoding, and the fields that Connection names.
  ///
  /// Fields that a proxy needs for framing, routing and its loop guard (Content-Length, Host, Via, Max-Forwards) stay
  /// whoever names them: RFC 9110 7.6.1 forbids naming them, and removing them would change the request's meaning.
  /// - Parameter view: the bytes the head was parsed from.
  public mutating func dropHopByHop(in view: ByteView, except exceptions: HopByHopExceptions = .transferEncoding) {
    if names & Self.hopByHop == 0 { return }
    var index = 0
    while index < count {
      switch storage[index].id {
      case .connection:
        storage[index].isDropped = true
        if namesOthers { dropNamed(by: view[storage[index].value], in: view) }
      case .keepAlive, .proxyConnection, .te: storage[index].isDropped = true
      case .upgrade: if !exceptions.contains(.upgrade) { storage[index].isDropped = true }
      case .transferEncoding: if !exceptions.contains(.transferEncoding) { storage[index].isDropped = true }
      default: break
      }
      index &+= 1
    }
  }

  @inline(__always)
  private mutating func dropNamed(by options: ByteView, in view: ByteView) {
    var members = ListMembers(options)
    while let member = members.next() {
      let option = options[member]
      if option.equalsIgnoringCase(ByteView("close")) || option.equalsIgnoringCase(ByteView("keep-alive")) { continue }
      dropNamed(option, in: view)
    }
  }

  private mutating func dropNamed(_ name: ByteView, in view: ByteView) {
    var index = 0
    while index < count {
      switch storage[index].id {
      case .host, .contentLength, .transferEncoding, .via, .maxForwards, .upgrade: break
      default: if view[storage[index].name].equalsIgnoringCase(name) { storage[index].isDropped = true }
      }
      index &+= 1
    }
  }
}
