/// Field names that a proxy acts on; recognised without regard to case.
@frozen
public enum FieldName: UInt8, Sendable, CaseIterable {
  case other
  case host
  case connection
  case keepAlive
  case proxyConnection
  case te
  case trailer
  case transferEncoding
  case contentLength
  case upgrade
  case expect
  case cookie
  case setCookie
  case via
  case xForwardedFor
  case xForwardedProto
  case xForwardedHost
  case forwarded
  case proxyStatus
  case cacheControl
  case maxForwards
  case proxyAuthenticate
  case proxyAuthorization
  case date
  case contentType
  case vary
  case xOriginalTo

  /// A bit of its own in a set of names.
  @inlinable @inline(__always)
  var bit: UInt32 { 1 &<< UInt32(rawValue) }

  /// The name that `length` token characters at `name` spell: one comparison of length, then of whole words.
  /// - Parameter isPadded: eight bytes can be read at `name`, however short it is.
  @inline(never)
  static func recognise(_ name: UnsafePointer<UInt8>, length: Int, isPadded: Bool) -> FieldName {
    @inline(__always) func word(_ offset: Int) -> UInt64 {
      lowerCased(UInt64(littleEndian: UnsafeRawPointer(name + offset).loadUnaligned(as: UInt64.self)))
    }
    // Names longer than eight bytes are compared by their first and last word, past sixteen also by the one between.
    @inline(__always) func last() -> UInt64 { word(length &- 8) }
    @inline(__always) func middle() -> UInt64 { word(8) }
    if length < 8 {
      let all = isPadded ? word(0) : lowerCased(ByteView(name, count: length).shortWord(at: 0, length: length))
      return recogniseShort(all & ((1 &<< (UInt64(truncatingIfNeeded: length) &* 8)) &- 1), length: length)
    }
    let first = word(0)
    switch length {
    case 9:
      if first == packed("forwarde") && last() == packed("orwarded") { return .forwarded }
    case 10:
      if first == packed("connecti") && last() == packed("nnection") { return .connection }
      if first == packed("keep-ali") && last() == packed("ep-alive") { return .keepAlive }
      if first == packed("set-cook") && last() == packed("t-cookie") { return .setCookie }
    case 12:
      if first == packed("content-") && last() == packed("ent-type") { return .contentType }
      if first == packed("max-forw") && last() == packed("forwards") { return .maxForwards }
      if first == packed("proxy-st") && last() == packed("y-status") { return .proxyStatus }
    case 13:
      if first == packed("cache-co") && last() == packed("-control") { return .cacheControl }
      if first == packed("x-origin") && last() == packed("ginal-to") { return .xOriginalTo }
    case 14:
      if first == packed("content-") && last() == packed("t-length") { return .contentLength }
    case 15:
      if first == packed("x-forwar") && last() == packed("rded-for") { return .xForwardedFor }
    case 16:
      if first == packed("proxy-co") && last() == packed("nnection") { return .proxyConnection }
      if first == packed("x-forwar") && last() == packed("ded-host") { return .xForwardedHost }
    case 17:
      if first == packed("transfer") && middle() == packed("-encodin") && last() == packed("encoding") {
        return .transferEncoding
      }
      if first == packed("x-forwar") && middle() == packed("ded-prot") && last() == packed("ed-proto") {
        return .xForwardedProto
      }
    case 18:
      if first == packed("proxy-au") && middle() == packed("thentica") && last() == packed("enticate") {
        return .proxyAuthenticate
      }
    case 19:
      if first == packed("proxy-au") && middle() == packed("thorizat") && last() == packed("rization") {
        return .proxyAuthorization
      }
    default: break
    }
    return .other
  }

  /// A name of fewer than eight bytes, as a word in lower case with zeros behind it.
  @inline(__always)
  private static func recogniseShort(_ first: UInt64, length: Int) -> FieldName {
    switch length {
    case 2:
      if first == packed("te\0\0\0\0\0\0") { return .te }
    case 3:
      if first == packed("via\0\0\0\0\0") { return .via }
    case 4:
      if first == packed("host\0\0\0\0") { return .host }
      if first == packed("date\0\0\0\0") { return .date }
      if first == packed("vary\0\0\0\0") { return .vary }
    case 6:
      if first == packed("cookie\0\0") { return .cookie }
      if first == packed("expect\0\0") { return .expect }
    case 7:
      if first == packed("upgrade\0") { return .upgrade }
      if first == packed("trailer\0") { return .trailer }
    default: break
    }
    return .other
  }
}
